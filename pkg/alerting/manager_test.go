package alerting

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func newInputs(t *testing.T) (Options, Deps) {
	opts := DefaultOptions()
	opts.DataDir = t.TempDir()
	return opts, Deps{
		Logger:               slog.New(slog.DiscardHandler),
		Registerer:           prometheus.NewRegistry(),
		PrometheusRegisterer: prometheus.NewRegistry(),
		ExternalURL:          parseURL(t, "http://here/alertmanager"),
		ProcessID:            "here",
		State:                openState(t, opts.DataDir),
	}
}

func TestNew_MissingDepsAreAllNamed(t *testing.T) {
	_, err := New(DefaultOptions(), Deps{})
	for _, name := range []string{"Logger", "Registerer", "PrometheusRegisterer", "ExternalURL", "ProcessID", "State"} {
		require.ErrorContains(t, err, name)
	}
}

func TestNew_FailureReleasesEverything(t *testing.T) {
	opts, deps := newInputs(t)
	deps.PrometheusRegisterer.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: discoveredMetric, Help: "Taken."}))
	_, err := New(opts, deps)
	require.ErrorContains(t, err, "register metrics of alerting")
}

func TestManager_RunWithDoneContextReturnsAtOnce(t *testing.T) {
	h := newHarness(t, nil)
	h.apply(effective(t, webhookYML("http://127.0.0.1:1")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, h.Run(ctx))
	require.ErrorIs(t, h.Run(ctx), errBegun)
	require.NoError(t, h.Close())
	require.NoError(t, h.Close())
}

func TestManager_RunAfterCloseFails(t *testing.T) {
	h := newHarness(t, nil)
	require.NoError(t, h.Close())
	require.ErrorIs(t, h.Run(t.Context()), errBegun)
}

func TestManager_CommitAfterStopFails(t *testing.T) {
	h := running(t, webhookYML("http://127.0.0.1:1"))
	step, err := h.Prepare(nil, effective(t, webhookYML("http://127.0.0.1:2")))
	require.NoError(t, err)
	h.stop()
	h.stop()
	require.ErrorIs(t, step.Commit(), errStopped)
	require.Equal(t, "alerting is stopped", h.NotReady())
	h.fire("TooLate")
	requireMetric(t, h.promReg, 1, "prometheus_notifications_dropped_total", "alertmanager", "http://here:9090/alertmanager/api/v2/alerts")
}

func TestManager_TwoInOneProcessKnowNothingOfEachOther(t *testing.T) {
	hooks := []*webhookServer{newWebhook(t, nil), newWebhook(t, nil)}
	managers := []*harness{running(t, webhookYML(hooks[0].URL)), running(t, webhookYML(hooks[1].URL))}
	managers[0].fire("A")
	managers[1].fire("B")
	hooks[0].requireMessages(t, 1)
	hooks[1].requireMessages(t, 1)
	managers[0].stop()
	managers[1].fire("C")
	hooks[1].requireMessages(t, 2)
	require.Equal(t, map[string]int{"A": 1}, hooks[0].names())
	require.Equal(t, map[string]int{"B": 1, "C": 1}, hooks[1].names())
}

func TestManager_BuiltInAlertmanagerIsATarget(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	const target = "http://here:9090/alertmanager/api/v2/alerts"
	require.Equal(t, target, h.Alertmanagers()[0].String())
	require.Empty(t, h.DroppedAlertmanagers())
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
	for name, want := range map[string]float64{
		"sent_total": 1, "errors_total": 0, "dropped_total": 0, "queue_length": 0,
		"latency_seconds": 1, "latency_histogram_seconds": 1,
	} {
		requireMetric(t, h.promReg, want, "prometheus_notifications_"+name, "alertmanager", target)
	}
	requireMetric(t, h.promReg, 1, discoveredMetric)
	requireMetric(t, h.reg, 1, "alertmanager_alerts_received_total", "status", "firing", "version", "v2")
	requireMetric(t, h.reg, 0, "alertmanager_cluster_enabled")
	requireMetric(t, h.reg, 1, "alertmanager_receivers")
	requireMetric(t, h.reg, 1, "alertmanager_build_info")
}

func TestManager_ConfigHashIsUpstreams(t *testing.T) {
	h := newHarness(t, nil)
	next := effective(t, webhookYML("http://127.0.0.1:1"))
	h.ConfigAccepted(next)
	requireMetric(t, h.reg, hashValue(next.Documents[config.AlertmanagerDocument].Content), "alertmanager_config_hash")
}

func TestManager_DisabledServesOnlyExternal(t *testing.T) {
	h := newHarness(t, func(o *Options, _ *Deps) { o.Disabled, o.DataDir = true, "" }).start()
	require.Empty(t, h.NotReady())
	require.NotEmpty(t, h.apply(&config.Effective{Prometheus: prometheusYML(t, "")}))
	require.Empty(t, h.Alertmanagers())
	require.Empty(t, h.Impaired())
	h.fire("A")
	status, body := request(t, http.MethodGet, h.serve().URL+"/alertmanager/api/v2/status", "")
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, body, "disabled")
	requireMetric(t, h.promReg, 0, discoveredMetric)
}

func TestInitMatchers_LaterWishIsWarnedAbout(t *testing.T) {
	InitMatchers(slog.New(slog.DiscardHandler), nil)
	var out strings.Builder
	InitMatchers(slog.New(slog.NewTextHandler(&out, nil)), []string{"classic-mode"})
	require.Contains(t, out.String(), "as the first server of this process wants it")
}

func TestParseFeatures_UnknownIsWarnedAbout(t *testing.T) {
	var out strings.Builder
	flags := parseFeatures(slog.New(slog.NewTextHandler(&out, nil)), []string{"nonsense", "alert-names-in-metrics"})
	require.True(t, flags.EnableAlertNamesInMetrics())
	require.Contains(t, out.String(), "feature=nonsense")
}

func TestManager_RuleEvaluationIsNotHeldUpByFullProvider(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	// A subscriber that takes nothing makes Put of the provider block after 200 alerts.
	stuck := h.engine.alerts.Subscribe("stuck")
	begin := time.Now()
	for range 3 {
		for i := range 1000 {
			h.Send(firing("A", "instance", string(rune('a'+i%26))+string(rune('a'+i/26))))
		}
	}
	require.Less(t, time.Since(begin), 5*time.Second)
	stuck.Close()
	requireMetric(t, h.promReg, 0, "prometheus_notifications_queue_length", "alertmanager", h.engine.intake.target)
}

func TestManager_EventRecorderFollowsConfiguration(t *testing.T) {
	hook := newWebhook(t, nil)
	path := filepath.Join(t.TempDir(), "events.jsonl")
	h := newHarness(t, func(o *Options, _ *Deps) { o.Features = []string{"event-recorder"} }).start()
	h.apply(effective(t, webhookYML(hook.URL)))
	require.Equal(t, []string{"event_recorder"}, h.apply(effective(t, webhookYML(hook.URL)+"event_recorder: {file_outputs: [{path: "+path+"}]}\n")))
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
	h.stop()
	events, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(events), "DiskFull")
}

func TestManager_RepeatSoonerThanGroupIntervalIsWarnedAbout(t *testing.T) {
	var out strings.Builder
	h := newHarness(t, func(_ *Options, d *Deps) { d.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	h.apply(effective(t, "route: {receiver: team, group_interval: 5m, repeat_interval: 1m}\nreceivers: [{name: team}]"))
	h.stop()
	require.Contains(t, out.String(), "repeat_interval is less than group_interval")
}
