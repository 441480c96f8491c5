package scrape

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/features"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

func effective(t testing.TB, text string) *config.Effective {
	t.Helper()
	c, err := promconfig.Load(text, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return &config.Effective{
		Documents:  config.Documents{config.PrometheusDocument: {Name: config.PrometheusDocument, Content: text}},
		Prometheus: c,
	}
}

// testManager is a manager that runs, over a database of its own.
type testManager struct {
	*Manager
	db       *tsdb.DB
	engine   *promql.Engine
	registry *prometheus.Registry
	features features.Collector
	stop     func() // waits until Run has returned
}

func newManager(t testing.TB) *testManager {
	t.Helper()
	options := DefaultOptions()
	options.DiscoveryReloadInterval = 50 * time.Millisecond
	return newManagerWith(t, options)
}

func newManagerWith(t testing.TB, options Options) *testManager {
	t.Helper()
	opts := tsdb.DefaultOptions()
	opts.EnableExemplarStorage, opts.MaxExemplars = true, 100
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, opts, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	registry, registered := prometheus.NewRegistry(), features.NewRegistry()
	m, err := New(options, Deps{Appendable: db, Registerer: registry, Features: registered})
	require.NoError(t, err)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, EnableAtModifier: true})
	return &testManager{Manager: m, db: db, engine: engine, registry: registry, features: registered}
}

// start runs the manager until the end of the test.
func (m *testManager) start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	var stopped atomic.Bool
	m.stop = func() {
		cancel()
		if !stopped.Swap(true) {
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(m.stop)
}

func startManager(t testing.TB, text string) *testManager {
	t.Helper()
	m := newManager(t)
	m.start(t)
	m.apply(t, nil, effective(t, text))
	return m
}

func (m *testManager) apply(t testing.TB, prev, next *config.Effective) []string {
	t.Helper()
	step, err := m.Prepare(prev, next)
	require.NoError(t, err)
	require.NotEmpty(t, step.Changes)
	require.NoError(t, step.Commit())
	return step.Changes
}

// query returns what an instant query finds now.
func (m *testManager) query(t testing.TB, expr string) promql.Vector {
	t.Helper()
	q, err := m.engine.NewInstantQuery(t.Context(), m.db, nil, expr, time.Now())
	require.NoError(t, err)
	defer q.Close()
	vector, err := q.Exec(t.Context()).Vector()
	require.NoError(t, err)
	found := make(promql.Vector, len(vector))
	copy(found, vector)
	return found
}

// eventually waits until a query finds the given number of series.
func (m *testManager) eventually(t testing.TB, expr string, series int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(m.query(t, expr)) == series }, patience, 10*time.Millisecond,
		"%d series for %s", series, expr)
}

// metric is the sum over all series of a metric.
func (m *testManager) metric(t testing.TB, name string) float64 {
	t.Helper()
	families, err := m.registry.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, family := range families {
		for _, series := range family.GetMetric() {
			if family.GetName() == name {
				sum += series.GetGauge().GetValue() + series.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// target serves a page of metrics and counts the scrapes.
type target struct {
	*httptest.Server
	scrapes atomic.Int64
}

func newTarget(t testing.TB, handler http.HandlerFunc) *target {
	t.Helper()
	served := &target{}
	served.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.scrapes.Add(1)
		handler(w, r)
	}))
	t.Cleanup(served.Close)
	return served
}

func page(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte(text))
	}
}

func (s *target) address() string { return strings.TrimPrefix(s.URL, "http://") }

// scraping is a configuration that scrapes the given jobs often.
func scraping(jobs ...string) string {
	return "global: {scrape_interval: 100ms, scrape_timeout: 100ms}\nscrape_configs:\n" + strings.Join(jobs, "")
}

// job is one static target with further settings.
func job(name string, target *target, extra string) string {
	return fmt.Sprintf("- {job_name: %q, static_configs: [{targets: [%q]}] %s}\n", name, target.address(), extra)
}
