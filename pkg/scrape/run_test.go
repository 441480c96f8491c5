package scrape

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/stretchr/testify/require"
)

func TestNew_RefusesWrongOptions(t *testing.T) {
	_, err := New(Options{DiscoveryReloadInterval: -1}, Deps{})
	require.EqualError(t, err, "scrape: DiscoveryReloadInterval is -1ns: it must not be negative")
	_, err = New(DefaultOptions(), Deps{})
	require.EqualError(t, err, "scrape: Deps.Appendable is nil: there is nowhere to put samples")
}

func TestNew_SameRegistryTwiceFails(t *testing.T) {
	m := newManager(t)
	_, err := New(DefaultOptions(), Deps{Appendable: m.db, Registerer: m.registry})
	require.ErrorContains(t, err, "scrape: metrics of service discovery: ")
}

func TestNew_ReportsFeatures(t *testing.T) {
	m := newManager(t)
	require.Contains(t, m.features.Get()["scrape"], "type_and_unit_labels")
	require.Contains(t, m.features.Get()["service_discovery_providers"], "file")
}

func TestManager_SideBySide(t *testing.T) {
	s := newTarget(t, page("m 1\n"))
	a, b := startManager(t, scraping(job("a", s, ""))), startManager(t, scraping(job("b", s, "")))
	a.eventually(t, `up{job="a"}`, 1)
	b.eventually(t, `up{job="b"}`, 1)
	require.Empty(t, a.query(t, `up{job="b"}`))
}

func TestManager_CommitBeforeRun(t *testing.T) {
	s := newTarget(t, page("m 1\n"))
	m := newManager(t)
	m.apply(t, nil, effective(t, scraping(job("a", s, ""))))
	m.start(t)
	m.eventually(t, `up{job="a"}`, 1)
}

func TestManager_RunWithDoneContextReturnsAtOnce(t *testing.T) {
	s := newTarget(t, page("m 1\n"))
	done, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, newManager(t).Run(done))

	m := newManager(t)
	m.apply(t, nil, effective(t, scraping(job("a", s, ""))))
	require.NoError(t, m.Run(done), "and ends what the commit has started")
	require.Zero(t, s.scrapes.Load())
}

func TestManager_RunTwiceFails(t *testing.T) {
	m := newManager(t)
	m.start(t)
	m.stop()
	require.EqualError(t, m.Run(t.Context()), "scrape: Run has been called before")
}

func TestManager_CommitAfterStopFails(t *testing.T) {
	s := newTarget(t, page("m 1\n"))
	m := newManager(t)
	m.start(t)
	step, err := m.Prepare(nil, effective(t, scraping(job("a", s, ""))))
	require.NoError(t, err)
	m.stop()
	require.EqualError(t, step.Commit(), "scrape: the manager has stopped")
}

func TestManager_StopEndsAScrapeThatHangs(t *testing.T) {
	entered := make(chan struct{}, 100)
	s := newTarget(t, func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	})
	m := startManager(t, "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"+job("a", s, ""))
	<-entered
	m.stop()
	scrapes := s.scrapes.Load()
	require.Never(t, func() bool { return s.scrapes.Load() > scrapes }, 200*time.Millisecond, 20*time.Millisecond, "no scrape after Run has returned")
}

func TestManager_UsesTheGivenClientOptions(t *testing.T) {
	s := newTarget(t, page("m 1\n"))
	options := DefaultOptions()
	options.HTTPClientOptions = []commoncfg.HTTPClientOption{
		commoncfg.WithDialContextFunc(func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, s.address())
		}),
	}
	m := newManagerWith(t, options)
	m.start(t)
	m.apply(t, nil, effective(t, scraping("- {job_name: self, static_configs: [{targets: ['self.invalid:80']}]}\n")))
	m.eventually(t, `up{job="self", instance="self.invalid:80"} == 1`, 1)
}

func TestDiscovery_SharesMetricsAndHidesTheEndOfItsContext(t *testing.T) {
	m := newManager(t)
	d, err := m.NewDiscovery("notify")
	require.NoError(t, err)
	_, err = m.NewDiscovery("notify")
	require.EqualError(t, err, `scrape: there is a discovery named "notify" already`)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	sets := effective(t, "alerting: {alertmanagers: [{static_configs: [{targets: [a:9093, b:9093]}]}]}").Prometheus.AlertingConfig.AlertmanagerConfigs
	require.NoError(t, d.ApplyConfig(map[string]discovery.Configs{"config-0": sets[0].ServiceDiscoveryConfigs}))
	found := <-d.SyncCh()
	require.Len(t, found["config-0"], 1)
	require.Len(t, found["config-0"][0].Targets, 2)
	require.Equal(t, 2.0, m.metric(t, "prometheus_sd_discovered_targets"))

	cancel()
	require.NoError(t, <-done)
	_, open := <-d.SyncCh()
	require.False(t, open)
	require.EqualError(t, d.ApplyConfig(nil), "scrape: the discovery has stopped")
}

func TestDiscovery_RunWithDoneContextReturnsAtOnce(t *testing.T) {
	d, err := newManager(t).NewDiscovery("notify")
	require.NoError(t, err)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, d.Run(done))
}
