package tsdb

import (
	"context"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/features"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// effective is what a prometheus.yml with the given text loads as.
func effective(t testing.TB, text string) *config.Effective {
	t.Helper()
	c, err := promconfig.Load(text, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return &config.Effective{
		Documents:  config.Documents{config.PrometheusDocument: {Name: config.PrometheusDocument, Content: text}},
		Prometheus: c,
	}
}

type testStore struct {
	*Store
	registry *prometheus.Registry
	features features.Collector
}

// newStore returns a store that is not open; it is closed after the test.
func newStore(t testing.TB, edit func(*Options)) *testStore {
	t.Helper()
	opts := DefaultOptions()
	opts.Dir = t.TempDir()
	opts.RemoteFlushDeadline = time.Second
	if edit != nil {
		edit(&opts)
	}
	registry, registered := prometheus.NewRegistry(), features.NewRegistry()
	s, err := New(opts, Deps{Registerer: registry, Features: registered})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return &testStore{Store: s, registry: registry, features: registered}
}

// startStore returns a store that runs the given configuration.
func startStore(t testing.TB, text string, edit func(*Options)) *testStore {
	t.Helper()
	s := newStore(t, edit)
	first := effective(t, text)
	require.NoError(t, s.Open(t.Context(), first))
	s.apply(t, nil, first)
	return s
}

// apply runs a step that must have something to do, and returns its changes.
func (s *testStore) apply(t testing.TB, prev, next *config.Effective) []string {
	t.Helper()
	step, err := s.Prepare(prev, next)
	require.NoError(t, err)
	require.NotEmpty(t, step.Changes)
	require.NoError(t, step.Commit())
	return step.Changes
}

// append stores one sample.
func (s *testStore) append(t testing.TB, at time.Time, v float64, lbls ...string) error {
	t.Helper()
	app := s.Storage().Appender(t.Context())
	if _, err := app.Append(0, labels.FromStrings(lbls...), at.UnixMilli(), v); err != nil {
		return errors.Join(err, app.Rollback())
	}
	return app.Commit()
}

// query returns the values of an instant query by their series.
func (s *testStore) query(t testing.TB, at time.Time, expr string) map[string]float64 {
	t.Helper()
	q, err := s.Engine().NewInstantQuery(t.Context(), s.Storage(), nil, expr, at)
	require.NoError(t, err)
	defer q.Close()
	result := q.Exec(t.Context())
	require.NoError(t, result.Err)
	vector, err := result.Vector()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, sample := range vector {
		values[sample.Metric.String()] = sample.F
	}
	return values
}

func (s *testStore) queryErr(t testing.TB, expr string) error {
	t.Helper()
	q, err := s.Engine().NewInstantQuery(t.Context(), s.Storage(), promql.NewPrometheusQueryOpts(false, 0), expr, time.Now())
	if err != nil {
		return err
	}
	defer q.Close()
	return q.Exec(t.Context()).Err
}

// metric is the value of a metric without labels.
func (s *testStore) metric(t testing.TB, name string) float64 {
	t.Helper()
	families, err := s.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	require.Failf(t, "no such metric", "%s", name)
	return 0
}

func (s *testStore) countMetric(t testing.TB, name string) int {
	t.Helper()
	n, err := testutil.GatherAndCount(s.registry, name)
	require.NoError(t, err)
	return n
}

func pemOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}
