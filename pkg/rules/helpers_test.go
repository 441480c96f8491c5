package rules

import (
	"context"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/features"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// effective is a configuration with rule files; each is its ID and its text.
func effective(t testing.TB, prometheus string, files ...[2]string) *config.Effective {
	t.Helper()
	c, err := promconfig.Load(prometheus, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	e := &config.Effective{Prometheus: c, Documents: config.Documents{}}
	for _, file := range files {
		groups, errs := rulefmt.Parse([]byte(file[1]), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		require.Empty(t, errs)
		e.RuleFiles = append(e.RuleFiles, config.RuleFile{ID: file[0], Groups: groups.Groups})
		e.Documents["rules/"+file[0]] = config.Document{Name: "rules/" + file[0], Content: file[1], Provenance: config.Provenance{Path: file[0]}}
	}
	return e
}

// fast is the global section of a configuration whose groups run often.
const fast = "global: {evaluation_interval: 50ms}\n"

type testManager struct {
	*Manager
	db       *tsdb.DB
	engine   *promql.Engine
	registry *prometheus.Registry
	features features.Collector
	stop     func() // waits until Run has returned

	closeDB func() // once

	mu     sync.Mutex
	alerts []rules.Alert // as they left, copied
	// sampled has the newest sample of each evaluation with which alerts left.
	sampled []time.Time
	sentAt  []time.Time // when each of them did
}

func openDB(t testing.TB, dir string) *tsdb.DB {
	t.Helper()
	opts := tsdb.DefaultOptions()
	opts.BlockReloadInterval = time.Hour // of virtual time, of which tests take a lot
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, opts, nil)
	require.NoError(t, err)
	return db
}

// newManager returns a manager over the database of a directory.
func newManager(t testing.TB, dir string, edit func(*Options, *Deps)) *testManager {
	t.Helper()
	return newManagerOver(t, openDB(t, dir), edit)
}

// newManagerOver returns a manager over a database, which it closes in the end.
func newManagerOver(t testing.TB, db *tsdb.DB, edit func(*Options, *Deps)) *testManager {
	t.Helper()
	p := parser.NewParser(parser.Options{})
	m := &testManager{
		db:       db,
		engine:   promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: p, EnableAtModifier: true, EnableNegativeOffset: true}),
		registry: prometheus.NewRegistry(),
		features: features.NewRegistry(),
		closeDB:  sync.OnceFunc(func() { require.NoError(t, db.Close()) }),
	}
	t.Cleanup(m.closeDB)
	opts := DefaultOptions()
	opts.ForGracePeriod, opts.ResendDelay = 0, 0
	deps := Deps{
		Appendable: db, Queryable: db, QueryFunc: rules.EngineQueryFunc(m.engine, db), Notify: m.record, Parser: p,
		ExternalURL: &url.URL{Scheme: "http", Host: "srcprom.example"}, Registerer: m.registry, Features: m.features,
	}
	if edit != nil {
		edit(&opts, &deps)
	}
	var err error
	m.Manager, err = New(opts, deps)
	require.NoError(t, err)
	return m
}

func (m *testManager) record(ctx context.Context, _ string, alerts ...*rules.Alert) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(alerts) > 0 {
		m.sampled = append(m.sampled, NewestSample(ctx))
	}
	for _, a := range alerts {
		m.alerts = append(m.alerts, *a)
		m.sentAt = append(m.sentAt, time.Now())
	}
}

// sent returns the last alert that left by that name.
func (m *testManager) sent(name string) (rules.Alert, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range slices.Backward(m.alerts) {
		if v.Labels.Get("alertname") == name {
			return v, true
		}
	}
	return rules.Alert{}, false
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

func startManager(t testing.TB, e *config.Effective) *testManager {
	t.Helper()
	m := newManager(t, t.TempDir(), nil)
	m.start(t)
	m.apply(t, e)
	return m
}

func (m *testManager) apply(t testing.TB, next *config.Effective) []string {
	t.Helper()
	step, err := m.Prepare(nil, next)
	require.NoError(t, err)
	require.NotEmpty(t, step.Changes)
	require.NoError(t, step.Commit())
	return step.Changes
}

// append stores a sample.
func (m *testManager) append(t testing.TB, at time.Time, v float64, lbls ...string) {
	t.Helper()
	app := m.db.Appender(t.Context())
	_, err := app.Append(0, labels.FromStrings(lbls...), at.UnixMilli(), v)
	require.NoError(t, err)
	require.NoError(t, app.Commit())
}

// query returns the values of an instant query by their series.
func (m *testManager) query(t testing.TB, expr string) map[string]float64 {
	t.Helper()
	q, err := m.engine.NewInstantQuery(t.Context(), m.db, nil, expr, time.Now())
	require.NoError(t, err)
	defer q.Close()
	vector, err := q.Exec(t.Context()).Vector()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, sample := range vector {
		values[sample.Metric.String()] = sample.F
	}
	return values
}

// group returns the engine's group by its name.
func (m *testManager) group(t testing.TB, name string) *rules.Group {
	t.Helper()
	for _, g := range m.Upstream().RuleGroups() {
		if g.Name() == name {
			return g
		}
	}
	require.Failf(t, "no such group", "%s", name)
	return nil
}

// evaluated waits until a group has been evaluated so many times more.
func (m *testManager) evaluated(t testing.TB, name string, times int) {
	t.Helper()
	last := m.group(t, name).GetLastEvalTimestamp()
	require.Eventually(t, func() bool {
		if at := m.group(t, name).GetLastEvalTimestamp(); !at.Equal(last) {
			last = at
			times--
		}
		return times <= 0
	}, patience, time.Millisecond, "evaluations of group %q", name)
}

// active returns the only active alert of a rule, copied.
func (m *testManager) active(t testing.TB, rule string) (rules.Alert, bool) {
	t.Helper()
	for _, r := range m.Upstream().AlertingRules() {
		if alerts := r.ActiveAlerts(); r.Name() == rule && len(alerts) == 1 {
			return *alerts[0], true
		}
	}
	return rules.Alert{}, false
}
