package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/api"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/features"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest/proctest"
)

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// testServer is a running server on a free port, with a real database, query
// engine and Alertmanager API.
type testServer struct {
	*Server
	base       string // scheme, address and route prefix
	state      *readiness
	configurer *fakeConfigurer
	answers    *fakeAnswers
	db         *tsdb.DB
	log        *proctest.Output
	quit       chan struct{}
	http       *http.Client // follows no redirect
	stop       func() error // ends Run and returns its error
}

type edit func(*Options, *Deps)

func startServer(t *testing.T, edits ...edit) *testServer {
	t.Helper()
	s := newTestServer(t, edits...)
	s.start(t)
	return s
}

func (s *testServer) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			t.Error("Run did not return")
			return nil
		}
	})
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	t.Cleanup(s.http.CloseIdleConnections)
}

func newTestServer(t *testing.T, edits ...edit) *testServer {
	t.Helper()
	opts, deps, s := testDeps(t)
	for _, e := range edits {
		e(&opts, &deps)
	}
	var err error
	s.Server, err = New(opts, deps)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	s.base = "http://" + s.Addr() + s.prefix
	return s
}

func testDeps(t testing.TB) (Options, Deps, *testServer) {
	t.Helper()
	dir := t.TempDir()
	log := &proctest.Output{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db, err := tsdb.Open(dir, nil, nil, tsdb.DefaultOptions(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })

	s := &testServer{
		state:      &readiness{},
		configurer: &fakeConfigurer{},
		answers:    &fakeAnswers{},
		db:         db,
		log:        log,
		quit:       make(chan struct{}),
		http: &http.Client{
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	opts := DefaultOptions()
	opts.ListenAddresses = []string{"127.0.0.1:0"}
	opts.StorageDir = dir
	opts.Flags = map[string]string{"storage.tsdb.path": "data"}
	reg, amReg := prometheus.NewRegistry(), prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector())
	return opts, Deps{
		Logger:                 logger,
		Registerer:             reg,
		Gatherer:               reg,
		ProcessGatherer:        prometheus.DefaultGatherer,
		AlertmanagerRegisterer: amReg,
		AlertmanagerGatherer:   amReg,
		Storage:                storage.NewFanout(logger, db),
		Local:                  adminDB{db},
		Exemplars:              db,
		Engine:                 engine,
		Parser:                 parser.NewParser(parser.Options{}),
		Retention:              func() string { return "15d" },
		Scrape:                 noTargets{},
		Rules:                  noRules{},
		Alertmanagers:          noAlertmanagers{},
		AlertmanagerAPI:        alertmanagerAPI(t, amReg),
		Config: func() *promconfig.Config {
			c, err := promconfig.Load("global: {external_labels: {region: north}}", logger)
			require.NoError(t, err)
			return c
		},
		Configurer: s.configurer,
		Ready:      s.state.get,
		Quit:       func() { close(s.quit) },
		Health:     s.answers.health,
		History:    s.answers.history,
		Explain:    s.answers.explain,

		TestNotification: s.answers.test,

		Backup:   s.answers.backup,
		Features: features.NewRegistry(),
		Version:  apiv1.PrometheusVersion{Version: "1.2.3"},
	}, s
}

// alertmanagerAPI is Alertmanager's own.
func alertmanagerAPI(t testing.TB, reg prometheus.Registerer) http.Handler {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	alerts, err := mem.NewAlerts(ctx, time.Hour, 0, nil, slog.New(slog.DiscardHandler), eventrecorder.NopRecorder(), reg, featurecontrol.NoopFlags{})
	require.NoError(t, err)
	t.Cleanup(func() { alerts.Close(); cancel() })
	silences, err := silence.New(silence.Options{Retention: time.Hour, Metrics: reg})
	require.NoError(t, err)
	a, err := api.New(api.Options{
		Alerts:         alerts,
		Silences:       silences,
		GroupMutedFunc: func(string, string) ([]string, bool) { return nil, false },
		Registry:       reg,
		RequestDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "alertmanager_http_request_duration_seconds",
		}, []string{"handler", "method", "code"}),
		GroupFunc: func(context.Context, func(*dispatch.Route) bool, func(*alert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
			return nil, nil, nil
		},
	})
	require.NoError(t, err)
	c, err := amconfig.Load("route: {receiver: none}\nreceivers: [{name: none}]")
	require.NoError(t, err)
	a.Update(c, func(context.Context, model.LabelSet) {})
	return a.Register(route.New(), "/")
}

// adminDB is what pkg/tsdb makes of a database.
type adminDB struct{ *tsdb.DB }

func (a adminDB) Stats(label string, limit int) (*tsdb.Stats, error) {
	return a.Head().Stats(label, limit), nil
}
func (a adminDB) BlockMetas() ([]tsdb.BlockMeta, error) { return a.DB.BlockMetas(), nil }
func (adminDB) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return tsdb.WALReplayStatus{Min: 1, Max: 9, Current: 3}, nil
}

type noTargets struct{}

func (noTargets) ScrapePools() []string                       { return []string{} }
func (noTargets) TargetsActive() map[string][]*scrape.Target  { return nil }
func (noTargets) TargetsDropped() map[string][]*scrape.Target { return nil }
func (noTargets) TargetsDroppedCounts() map[string]int        { return nil }
func (noTargets) ScrapePoolConfig(string) (*promconfig.ScrapeConfig, error) {
	return &promconfig.ScrapeConfig{}, nil
}

type noRules struct{}

func (noRules) RuleGroups() []*rules.Group           { return nil }
func (noRules) AlertingRules() []*rules.AlertingRule { return nil }

type noAlertmanagers struct{}

func (noAlertmanagers) Alertmanagers() []*url.URL        { return nil }
func (noAlertmanagers) DroppedAlertmanagers() []*url.URL { return nil }

// readiness is what Deps.Ready says.
type readiness struct {
	mu       sync.Mutex
	reasons  []string
	stopping bool
}

func (r *readiness) get() ([]string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reasons, r.stopping
}

func (r *readiness) set(stopping bool, reasons ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reasons, r.stopping = reasons, stopping
}

// fakeConfigurer records what it is asked to do.
type fakeConfigurer struct {
	mu      sync.Mutex
	current *config.Accepted
	planned []config.Change
	applied []config.Change
	reloads int
	result  config.Result
	history client.ConfigHistory
	pages   [][2]uint64 // before and limit of each that was asked for
	err     error

	plannedBack, rolledBack []config.Rollback
	// onReload replaces the counting.
	onReload func(context.Context) error
}

func (c *fakeConfigurer) Current() *config.Accepted {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

func (c *fakeConfigurer) Plan(_ context.Context, change config.Change) (*config.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.planned = append(c.planned, change)
	return &c.result, c.err
}

func (c *fakeConfigurer) Apply(_ context.Context, change config.Change) (*config.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applied = append(c.applied, change)
	return &c.result, c.err
}

func (c *fakeConfigurer) Reload(ctx context.Context) error {
	if c.onReload != nil {
		return c.onReload(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reloads++
	return c.err
}

func (c *fakeConfigurer) ConfigHistory(_ context.Context, before uint64, limit int) (*client.ConfigHistory, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages = append(c.pages, [2]uint64{before, uint64(limit)})
	return &c.history, c.err
}

func (c *fakeConfigurer) PlanRollback(_ context.Context, to config.Rollback) (*config.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plannedBack = append(c.plannedBack, to)
	return &c.result, c.err
}

func (c *fakeConfigurer) Rollback(_ context.Context, to config.Rollback) (*config.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rolledBack = append(c.rolledBack, to)
	return &c.result, c.err
}

// fakeAnswers answers every question with the same, and records the questions.
type fakeAnswers struct {
	mu           sync.Mutex
	histories    []client.HistoryQuery
	explained    []client.ExplainQuery
	page         client.History
	explanations client.Explanations
	parts        client.Health
	tests        []client.TestNotificationRequest
	tested       client.TestNotificationResult
	err          error
	// onBackup is Deps.Backup.
	onBackup func(context.Context, io.Writer) error
}

func (a *fakeAnswers) history(_ context.Context, query client.HistoryQuery) (*client.History, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.histories = append(a.histories, query)
	return &a.page, a.err
}

func (a *fakeAnswers) explain(_ context.Context, query client.ExplainQuery) (*client.Explanations, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.explained = append(a.explained, query)
	return &a.explanations, a.err
}

func (a *fakeAnswers) test(_ context.Context, req client.TestNotificationRequest) (*client.TestNotificationResult, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tests = append(a.tests, req)
	return &a.tested, a.err
}

func (a *fakeAnswers) health() client.Health { return a.parts }

func (a *fakeAnswers) backup(ctx context.Context, w io.Writer) error { return a.onBackup(ctx, w) }

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (s *testServer) get(t *testing.T, path string) answer {
	t.Helper()
	return s.do(t, http.MethodGet, path, "", nil)
}

func (s *testServer) do(t *testing.T, method, path, body string, header map[string]string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(body))
	require.NoError(t, err)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	return send(t, s.http, req)
}

func send(t *testing.T, c *http.Client, req *http.Request) answer {
	t.Helper()
	resp, err := c.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}
