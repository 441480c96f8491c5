package srcprom_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// collector is an OTLP endpoint that keeps what it gets.
type collector struct {
	URL string

	mu  sync.Mutex
	got strings.Builder
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what was cut off is not counted
		c.mu.Lock()
		defer c.mu.Unlock()
		fmt.Fprintf(&c.got, "%s %s\n", r.URL.Path, body)
	}))
	t.Cleanup(server.Close)
	c.URL = strings.TrimPrefix(server.URL, "http://")
	return c
}

func (c *collector) received() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.String()
}

func tracingTo(c *collector) string {
	return fmt.Sprintf("tracing: { endpoint: %q, client_type: http, insecure: true, sampling_fraction: 1.0 }\n", c.URL)
}

// prometheus.yml's tracing serves both engines; alertmanager.yml's counts only
// where there is no other, and is reported then.
func TestServer_TracingHasOneProvider(t *testing.T) {
	prometheus, alertmanager := newCollector(t), newCollector(t)
	server := srcpromtest.Start(t, srcpromtest.WithRules(fireRules))
	withTracing := func(document, tracing string) map[string]string {
		return map[string]string{document: server.Current().Documents[document].Content + tracing}
	}

	result, err := server.Apply(t.Context(), documents(withTracing(config.AlertmanagerDocument, tracingTo(alertmanager))))
	require.NoError(t, err)
	require.Contains(t, result.Changes, "tracing")
	require.Empty(t, result.Warnings)
	result, err = server.Apply(t.Context(), documents(withTracing(config.PrometheusDocument, tracingTo(prometheus))))
	require.NoError(t, err)
	require.Contains(t, result.Warnings, "alertmanager: tracing is ignored: a process has one trace provider, and prometheus.yml configures it")

	server.Target.Set("fire", 1)
	server.Receiver.Await("Fire", srcpromtest.Firing("Fire"))
	require.NoError(t, server.Stop(), "which sends what is left")
	require.Contains(t, prometheus.received(), "/v1/traces")
	require.Contains(t, prometheus.received(), "rule group", "a span of Prometheus")
	require.Contains(t, prometheus.received(), "dispatch.", "a span of Alertmanager")
}
