package srcprom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	amtracing "github.com/prometheus/alertmanager/tracing"
	commoncfg "github.com/prometheus/common/config"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/tracing"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/lifecycle"
)

// tracer owns the one trace provider. OpenTelemetry's provider is a global of
// the process, so it is left alone until a configuration asks for tracing.
//
// It takes the managers of both engines: Prometheus's installs the provider
// that is used; Alertmanager's own spans are made only after its manager has been
// configured too.
type tracer struct {
	log *slog.Logger

	mu           sync.Mutex // guards what follows
	prometheus   *tracing.Manager
	alertmanager *amtracing.Manager
	running      sync.WaitGroup
	started      bool // both managers' Run has been called
}

func newTracer(log *slog.Logger) *tracer {
	return &tracer{log: log, prometheus: tracing.NewManager(log), alertmanager: amtracing.NewManager(log)}
}

// Run returns when ctx is done and the provider has been shut down.
func (t *tracer) Run(ctx context.Context) error {
	<-ctx.Done()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.started {
		return nil
	}
	t.prometheus.Stop()
	t.alertmanager.Stop()
	t.running.Wait()
	return nil
}

// Prepare follows the part contract of [Server.plan].
func (t *tracer) Prepare(prev, next *config.Effective) (*lifecycle.Step, error) {
	want, err := tracingConfig(next)
	if err != nil {
		return nil, err
	}
	var have promconfig.TracingConfig
	if prev != nil {
		if have, err = tracingConfig(prev); err != nil {
			return nil, err
		}
	}
	if reflect.DeepEqual(have, want) {
		return &lifecycle.Step{}, nil
	}
	if _, err := commoncfg.NewTLSConfig(&want.TLSConfig); err != nil {
		return nil, tracingFault(config.PrometheusDocument, "%v", err)
	}
	return &lifecycle.Step{
		Changes: []string{"tracing"},
		Commit:  func() error { return t.change(have, want) },
		Undo:    func() error { return t.change(want, have) },
	}, nil
}

// change installs next. The managers shut the old provider down before they
// build the new one, so a failure has to put the old one back.
func (t *tracer) change(old, next promconfig.TracingConfig) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.started {
		t.started = true
		t.running.Go(t.alertmanager.Run)
		t.running.Go(t.prometheus.Run)
	}
	err := t.install(next)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("tracing: %w", err), t.install(old))
}

func (t *tracer) install(c promconfig.TracingConfig) error {
	if err := t.alertmanager.ApplyConfig(toAlertmanager(c)); err != nil {
		return err
	}
	return t.prometheus.ApplyConfig(&promconfig.Config{TracingConfig: c})
}

func tracingFault(document, format string, args ...any) config.Faults {
	return config.Faults{{Document: document, Reason: "tracing: " + fmt.Sprintf(format, args...)}}
}

// tracingConfig is the tracing section that counts: prometheus.yml's, else
// alertmanager.yml's.
func tracingConfig(e *config.Effective) (promconfig.TracingConfig, error) {
	if e.Prometheus.TracingConfig.Endpoint != "" || e.Alertmanager == nil {
		return e.Prometheus.TracingConfig, nil
	}
	return fromAlertmanager(e.Alertmanager.TracingConfig)
}

// tracingWarnings reports the section that does not count.
func tracingWarnings(e *config.Effective) []string {
	if e.Alertmanager == nil || e.Prometheus.TracingConfig.Endpoint == "" || e.Alertmanager.TracingConfig.Endpoint == "" {
		return nil
	}
	return []string{"alertmanager: tracing is ignored: a process has one trace provider, and prometheus.yml configures it"}
}

// fromAlertmanager follows alertmanager's tracing.headersToMap for what its
// headers may be.
func fromAlertmanager(in amtracing.TracingConfig) (promconfig.TracingConfig, error) {
	out := promconfig.TracingConfig{
		ClientType:       promconfig.TracingClientType(in.ClientType),
		Endpoint:         in.Endpoint,
		SamplingFraction: in.SamplingFraction,
		Insecure:         in.Insecure,
		Compression:      in.Compression,
		Timeout:          in.Timeout,
	}
	if in.TLSConfig != nil {
		out.TLSConfig = *in.TLSConfig
	}
	if in.Headers == nil {
		return out, nil
	}
	out.Headers = make(map[string]string, len(in.Headers.Headers))
	for name, header := range in.Headers.Headers {
		switch {
		case len(header.Values) > 0:
			out.Headers[name] = header.Values[0]
		case len(header.Secrets) > 0:
			out.Headers[name] = string(header.Secrets[0])
		default:
			return out, tracingFault(config.AlertmanagerDocument, "header %q has neither values nor secrets; headers from files are not supported here", name)
		}
	}
	return out, nil
}

func toAlertmanager(in promconfig.TracingConfig) amtracing.TracingConfig {
	out := amtracing.TracingConfig{
		ClientType:       amtracing.TracingClientType(in.ClientType),
		Endpoint:         in.Endpoint,
		SamplingFraction: in.SamplingFraction,
		Insecure:         in.Insecure,
		TLSConfig:        &in.TLSConfig,
		Compression:      in.Compression,
		Timeout:          in.Timeout,
	}
	if len(in.Headers) == 0 {
		return out
	}
	out.Headers = &commoncfg.Headers{Headers: make(map[string]commoncfg.Header, len(in.Headers))}
	for name, value := range in.Headers {
		out.Headers.Headers[name] = commoncfg.Header{Secrets: []commoncfg.Secret{commoncfg.Secret(value)}}
	}
	return out
}
