package srcpromtest

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
)

// Server is a server that runs until the test ends.
type Server struct {
	*srcprom.Server
	// URL of its root, without a slash at the end.
	URL string
	// Target is scraped by the job "target" of the default configuration.
	Target *Target
	// Receiver gets all notifications of the default configuration.
	Receiver *Receiver

	stop func() error
}

// Option changes what Start starts.
type Option func(*settings)

type settings struct {
	options []func(*srcprom.Options)
	docs    map[string]string
}

// WithRules adds a rule file.
func WithRules(text string) Option {
	return func(s *settings) {
		s.docs[fmt.Sprintf("%stest-%d", config.RulesPrefix, len(s.docs))] = text
	}
}

// WithPrometheusConfig replaces the default prometheus.yml, which scrapes Target
// every 500ms and evaluates rules every 100ms.
func WithPrometheusConfig(text string) Option {
	return func(s *settings) { s.docs[config.PrometheusDocument] = text }
}

// WithAlertmanagerConfig replaces the default alertmanager.yml, which sends
// every alert to Receiver at once.
func WithAlertmanagerConfig(text string) Option {
	return func(s *settings) { s.docs[config.AlertmanagerDocument] = text }
}

// WithOptions changes the server's options.
func WithOptions(edit func(*srcprom.Options)) Option {
	return func(s *settings) { s.options = append(s.options, edit) }
}

// Start starts a server on a free port of the loopback interface, with its data
// in a temporary directory, and waits until it is ready.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	target, receiver := NewTarget(t), NewReceiver(t)
	s := settings{docs: map[string]string{
		config.PrometheusDocument:   defaultPrometheus(target.Addr()),
		config.AlertmanagerDocument: DefaultAlertmanagerConfig(receiver.URL),
	}}
	for _, opt := range opts {
		opt(&s)
	}
	o := srcprom.DefaultOptions()
	o.Logger = slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	o.Storage.Dir = t.TempDir()
	o.Web.ListenAddresses = []string{"127.0.0.1:0"}
	o.Builtin = srcprom.BuiltinNone
	o.Documents = s.docs
	o.Scrape.DiscoveryReloadInterval = 50 * time.Millisecond
	for _, edit := range s.options {
		edit(&o)
	}
	server, err := srcprom.New(o)
	if err != nil {
		t.Fatalf("srcpromtest: %v", err)
	}
	started := &Server{Server: server, Target: target, Receiver: receiver, URL: "http://" + server.Addr()}
	started.run(t)
	return started
}

// run starts Run and registers its end.
func (s *Server) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = s.Server.Run(ctx)
	}()
	s.stop = func() error {
		cancel()
		<-ended
		return err
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("srcpromtest: the server stopped with: %v", err)
		}
	})
	select {
	case <-s.Ready():
	case <-ended:
		t.Fatalf("srcpromtest: the server stopped before it was ready: %v", err)
	}
}

// Stop stops the server before the test ends, and returns what Run returned.
func (s *Server) Stop() error { return s.stop() }

func defaultPrometheus(target string) string {
	return fmt.Sprintf(`
global:
  scrape_interval: 500ms
  scrape_timeout: 500ms
  evaluation_interval: 100ms
scrape_configs:
  - job_name: target
    static_configs:
      - targets: [%q]
`, target)
}

// DefaultAlertmanagerConfig is an alertmanager.yml that sends every alert to a
// webhook at once, and tells of resolved ones.
func DefaultAlertmanagerConfig(webhook string) string {
	return fmt.Sprintf(`
route:
  receiver: test
  group_by: [...]
  group_wait: 0s
  group_interval: 100ms
  repeat_interval: 1h
receivers:
  - name: test
    webhook_configs:
      - url: %q
`, webhook)
}

// logWriter shows a server's log in the test's.
type logWriter struct{ t testing.TB }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Logf("%s", line)
	return len(line), nil
}
