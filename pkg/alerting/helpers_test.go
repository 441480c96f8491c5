package alerting

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/state"
)

const (
	patience = 10 * time.Second
	tick     = 5 * time.Millisecond
)

// harness is a Manager with its registries and whether it runs.
type harness struct {
	*Manager
	t       testing.TB
	reg     *prometheus.Registry // Alertmanager's
	promReg *prometheus.Registry
	disk    *testDisk
	state   *state.State
	path    string // of the state file
	stop    func() // ends Run and waits for it; may be called again
}

func newHarness(t testing.TB, edit func(*Options, *Deps)) *harness {
	t.Helper()
	opts := DefaultOptions()
	opts.DataDir = t.TempDir()
	h := &harness{t: t, reg: prometheus.NewRegistry(), promReg: prometheus.NewRegistry(), disk: &testDisk{}}
	deps := Deps{
		Logger:               slog.New(slog.DiscardHandler),
		Registerer:           h.reg,
		PrometheusRegisterer: h.promReg,
		ExternalURL:          parseURL(t, "http://here:9090/alertmanager"),
		ProcessID:            t.Name() + opts.DataDir,
		State:                openStateOn(t, opts.DataDir, h.disk),
	}
	if edit != nil {
		edit(&opts, &deps)
	}
	if dir := opts.DataDir; dir != "" && deps.State == nil {
		deps.State = openStateOn(t, dir, h.disk)
	}
	h.state, h.path = deps.State, statePath(opts.DataDir)
	m, err := New(opts, deps)
	require.NoError(t, err)
	h.Manager = m
	h.stop = func() { require.NoError(t, m.Close()) }
	t.Cleanup(func() { h.stop() })
	return h
}

// again is a Manager that finds the state file as it is now, as after a SIGKILL.
func (h *harness) again(edit func(*Options, *Deps)) *harness {
	h.t.Helper()
	content, err := os.ReadFile(h.path)
	require.NoError(h.t, err)
	dir := h.t.TempDir()
	require.NoError(h.t, os.Mkdir(filepath.Dir(statePath(dir)), 0o700))
	require.NoError(h.t, os.WriteFile(statePath(dir), content, 0o600))
	return newHarness(h.t, func(o *Options, d *Deps) {
		o.DataDir, d.State = dir, nil
		if edit != nil {
			edit(o, d)
		}
	})
}

func statePath(dir string) string { return filepath.Join(dir, "srcprom", "state.db") }

// testDisk is under a state file.
type testDisk struct {
	fault atomic.Pointer[error]  // of each commit; nil: none
	delay atomic.Int64           // of each commit, a duration
	stuck atomic.Pointer[func()] // called by the next commit; nil: nothing is
}

var errDiskFull = errors.New("no space left on device")

func (d *testDisk) fail(err error)        { d.fault.Store(&err) }
func (d *testDisk) mend()                 { d.fault.Store(nil) }
func (d *testDisk) slow(by time.Duration) { d.delay.Store(int64(by)) }

func (d *testDisk) hang(until func()) { d.stuck.Store(&until) }

func (d *testDisk) commit() error {
	if until := d.stuck.Swap(nil); until != nil {
		(*until)()
	}
	time.Sleep(time.Duration(d.delay.Load()))
	if fault := d.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// openState opens the state file in a directory until the test ends, and lets it
// write what nobody waits for.
func openState(t testing.TB, dir string) *state.State { return openStateOn(t, dir, &testDisk{}) }

func openStateOn(t testing.TB, dir string, disk *testDisk) *state.State {
	t.Helper()
	s, err := state.Open(statePath(dir), state.Options{BeforeCommit: disk.commit})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var writing sync.WaitGroup
	writing.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		writing.Wait()
		require.NoError(t, s.Close())
	})
	return s
}

// start runs the Manager until the test ends or stop is called.
func (h *harness) start() *harness {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- h.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-result:
			require.NoError(h.t, err)
		case <-time.After(3 * patience):
			require.FailNow(h.t, "Run has not returned")
		}
	})
	return h
}

// apply commits a configuration and returns what changed.
func (h *harness) apply(next *config.Effective) []string {
	h.t.Helper()
	step, err := h.Prepare(nil, next)
	require.NoError(h.t, err)
	if step.Commit != nil {
		require.NoError(h.t, step.Commit())
	}
	return step.Changes
}

// running is a started Manager with the given alertmanager.yml.
func running(t testing.TB, alertmanager string) *harness {
	t.Helper()
	h := newHarness(t, nil).start()
	h.apply(effective(t, alertmanager))
	return h
}

func effective(t testing.TB, alertmanager string, edit ...func(*config.Effective)) *config.Effective {
	t.Helper()
	InitMatchers(promslog.NewNopLogger(), nil)
	am, err := amconfig.Load(alertmanager)
	require.NoError(t, err)
	next := &config.Effective{
		Documents:    config.Documents{config.AlertmanagerDocument: {Name: config.AlertmanagerDocument, Content: alertmanager}},
		Prometheus:   prometheusYML(t, ""),
		Alertmanager: am,
	}
	for _, f := range edit {
		f(next)
	}
	return next
}

func prometheusYML(t testing.TB, text string) *promconfig.Config {
	t.Helper()
	conf, err := promconfig.Load(text, promslog.NewNopLogger())
	require.NoError(t, err)
	return conf
}

// webhookYML has one receiver, named team, at the given URL. The extra lines are
// of the route.
func webhookYML(url string, extra ...string) string {
	return routeYML("team", extra...) + "receivers:\n" + webhookReceiver("team", url)
}

func routeYML(receiver string, extra ...string) string {
	lines := append([]string{
		"receiver: " + receiver,
		"group_by: [alertname]",
		"group_wait: 10ms",
		"group_interval: 200ms",
		"repeat_interval: 1h",
	}, extra...)
	return "route:\n  " + strings.Join(lines, "\n  ") + "\n"
}

func webhookReceiver(name, url string) string {
	return fmt.Sprintf("- name: %s\n  webhook_configs:\n  - url: %s\n", name, url)
}

// fire sends alerts of the given names as the rule engine does.
func (h *harness) fire(names ...string) {
	for _, name := range names {
		h.Send(firing(name))
	}
}

func firing(name string, more ...string) *notifier.Alert {
	return &notifier.Alert{
		Labels:       labels.FromStrings(append([]string{"alertname", name}, more...)...),
		StartsAt:     time.Now().Add(-time.Minute),
		EndsAt:       time.Now().Add(time.Hour),
		GeneratorURL: "http://here:9090/graph",
	}
}

func resolved(name string, more ...string) *notifier.Alert {
	a := firing(name, more...)
	a.EndsAt = time.Now()
	return a
}

// metric is the value of a series that the given registry shows, or false.
func metric(t testing.TB, reg prometheus.Gatherer, name string, labelPairs ...string) (float64, bool) {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
	series:
		for _, m := range family.GetMetric() {
			have := map[string]string{}
			for _, pair := range m.GetLabel() {
				have[pair.GetName()] = pair.GetValue()
			}
			for i := 0; i < len(labelPairs); i += 2 {
				if have[labelPairs[i]] != labelPairs[i+1] {
					continue series
				}
			}
			switch {
			case m.GetCounter() != nil:
				return m.GetCounter().GetValue(), true
			case m.GetGauge() != nil:
				return m.GetGauge().GetValue(), true
			case m.GetHistogram() != nil:
				return float64(m.GetHistogram().GetSampleCount()), true
			case m.GetSummary() != nil:
				return float64(m.GetSummary().GetSampleCount()), true
			}
		}
	}
	return 0, false
}

func requireMetric(t testing.TB, reg prometheus.Gatherer, want float64, name string, labelPairs ...string) {
	t.Helper()
	require.Eventually(t, func() bool {
		have, ok := metric(t, reg, name, labelPairs...)
		return ok && have == want
	}, patience, tick, "%s%v is never %v", name, labelPairs, want)
}

func parseURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

// receiver is a webhook receiver that keeps what it has got.
type webhookServer struct {
	*httptest.Server
	mu   sync.Mutex // guards what follows
	got  []webhookMessage
	seen int // requests, refused ones included
}

type webhookMessage struct {
	Status   string
	GroupKey string
	Alerts   []struct {
		Status string
		Labels map[string]string
	}
}

// newWebhook starts a receiver. answer, which may be nil, decides about the n-th
// request, from 1; a message counts as got if it returns true.
func newWebhook(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request) bool) *webhookServer {
	s := &webhookServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen++
		n := s.seen
		s.mu.Unlock()
		if answer != nil && !answer(n, w, r) {
			return
		}
		var message webhookMessage
		if json.Unmarshal(body, &message) != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, message)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *webhookServer) messages() []webhookMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]webhookMessage(nil), s.got...)
}

func (s *webhookServer) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// names counts the messages by the alert's name.
func (s *webhookServer) names() map[string]int {
	counts := map[string]int{}
	for _, message := range s.messages() {
		counts[message.Alerts[0].Labels["alertname"]]++
	}
	return counts
}

func (s *webhookServer) requireMessages(t testing.TB, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.messages()) >= n }, patience, tick,
		"the receiver has not got %d messages", n)
	require.Len(t, s.messages(), n)
}

// mailServer is a mail server that speaks as much SMTP as it takes to receive.
type mailServer struct {
	listener net.Listener
	silent   bool        // accepts and says nothing
	refuse   atomic.Bool // takes no recipient
	handlers sync.WaitGroup

	mu    sync.Mutex // guards what follows
	mails []string
	conns []net.Conn
}

func newMailServer(t testing.TB, silent bool) *mailServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &mailServer{listener: listener, silent: silent}
	s.handlers.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

func (s *mailServer) addr() string { return s.listener.Addr().String() }

func (s *mailServer) close() {
	s.listener.Close()
	s.mu.Lock()
	for _, conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.handlers.Wait()
}

func (s *mailServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		if !s.silent {
			s.handlers.Go(func() { s.serve(conn) })
		}
	}
}

func (s *mailServer) serve(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	say := func(text string) { fmt.Fprint(conn, text+"\r\n") }
	say("220 mail.test ready")
	for lines.Scan() {
		verb, _, _ := strings.Cut(strings.ToUpper(lines.Text()), " ")
		if verb == "RCPT" && s.refuse.Load() {
			verb = "REFUSE"
		}
		switch verb {
		case "REFUSE":
			say("451 try later")
		case "DATA":
			say("354 go on")
			s.keep(readMail(lines))
			say("250 kept")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func readMail(lines *bufio.Scanner) string {
	var mail strings.Builder
	for lines.Scan() && lines.Text() != "." {
		mail.WriteString(lines.Text() + "\n")
	}
	return mail.String()
}

func (s *mailServer) keep(mail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, mail)
}

func (s *mailServer) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

func (s *mailServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// serve serves the API of a Manager under /alertmanager.
func (h *harness) serve() *httptest.Server {
	server := httptest.NewServer(h.Handler("/alertmanager"))
	h.t.Cleanup(server.Close)
	return server
}

// request does one HTTP request and returns status and body.
func request(t testing.TB, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer)
}
