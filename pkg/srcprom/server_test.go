package srcprom_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const fireRules = "groups: [ { name: g, rules: [ { alert: Fire, expr: fire == 1 } ] } ]\n"

// options are those of a server that is not to be started by srcpromtest.
func options(t *testing.T) srcprom.Options {
	t.Helper()
	opts := srcprom.DefaultOptions()
	opts.Logger = slog.New(slog.DiscardHandler)
	opts.Storage.Dir = t.TempDir()
	opts.Web.ListenAddresses = []string{"127.0.0.1:0"}
	return opts
}

func documents(named map[string]string) config.Change {
	change := config.Change{Documents: map[string]*string{}, Provenance: config.Provenance{Source: config.SourceGo}}
	for name, text := range named {
		change.Documents[name] = &text
	}
	return change
}

func TestServer_FromTargetToReceiverAndBack(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithRules(fireRules))
	server.Target.Set("fire", 1, "shard", "a")
	n := server.Receiver.Await("Fire to fire", srcpromtest.Firing("Fire"))
	require.Equal(t, "a", n.Alerts[0].Labels["shard"])
	server.Target.Set("fire", 0, "shard", "a")
	server.Receiver.Await("Fire to be resolved", srcpromtest.Resolved("Fire"))
}

func TestServer_TwoInOneProcessKnowNothingOfEachOther(t *testing.T) {
	one := srcpromtest.Start(t, srcpromtest.WithRules(fireRules))
	two := srcpromtest.Start(t, srcpromtest.WithRules(fireRules))
	one.Target.Set("fire", 1)
	one.Receiver.Await("Fire of the first server", srcpromtest.Firing("Fire"))
	require.NoError(t, one.Stop())

	two.Target.Set("fire", 1)
	two.Receiver.Await("Fire of the second server, after the first has stopped", srcpromtest.Firing("Fire"))
	require.Len(t, one.Receiver.Notifications(), 1)
	require.Len(t, two.Receiver.Notifications(), 1)
}

func TestServer_NewReportsEveryBadOption(t *testing.T) {
	opts := options(t)
	opts.Builtin = "everything"
	opts.StopTimeout = -time.Second
	opts.Storage.Dir = ""
	_, err := srcprom.New(opts)
	require.ErrorContains(t, err, `Options.Builtin is "everything"`)
	require.ErrorContains(t, err, "Options.StopTimeout is -1s")
	require.ErrorContains(t, err, "Options.Storage")
}

func TestServer_NewReleasesEverythingWhenTheConfigurationIsWrong(t *testing.T) {
	opts := options(t)
	opts.Documents = map[string]string{config.PrometheusDocument: "globl: {}\n"}
	for range 2 { // the second finds neither port nor state taken
		_, err := srcprom.New(opts)
		var faults config.Faults
		require.ErrorAs(t, err, &faults)
		require.Equal(t, config.PrometheusDocument, faults[0].Document)
		require.Equal(t, 1, faults[0].Line)
	}
}

func TestServer_CloseWithoutRunReleasesEverything(t *testing.T) {
	opts := options(t)
	for range 2 {
		server, err := srcprom.New(opts)
		require.NoError(t, err)
		require.NoError(t, server.Close())
		require.NoError(t, server.Close(), "twice")
		require.Error(t, server.Run(t.Context()), "Run after Close")
	}
}

func TestServer_ZeroValueReturnsErrors(t *testing.T) {
	var server srcprom.Server
	require.Error(t, server.Run(t.Context()))
	require.NoError(t, server.Close())
	_, err := server.Apply(t.Context(), config.Change{})
	require.ErrorContains(t, err, "not made by New")
	require.ErrorContains(t, server.Reload(t.Context()), "not made by New")
	_, err = server.AlertsStatus()
	require.ErrorContains(t, err, "not made by New")
	_, err = server.Silences(t.Context())
	require.ErrorContains(t, err, "not made by New")
	_, err = server.CreateSilence(t.Context(), client.Silence{})
	require.ErrorContains(t, err, "not made by New")
	require.ErrorContains(t, server.ExpireSilence(t.Context(), "id"), "not made by New")
}

func TestServer_RunTwiceFails(t *testing.T) {
	server := srcpromtest.Start(t)
	require.ErrorContains(t, server.Run(t.Context()), "called before")
}

func TestServer_RunWithAContextThatIsDoneStopsCleanly(t *testing.T) {
	opts := options(t)
	for range 2 {
		server, err := srcprom.New(opts)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, server.Run(ctx))
	}
}

func TestServer_ApplyAndReloadAfterStopFail(t *testing.T) {
	server := srcpromtest.Start(t)
	require.NoError(t, server.Stop())
	_, err := server.Apply(t.Context(), documents(nil))
	require.ErrorIs(t, err, srcprom.ErrNotRunning)
	_, err = server.Plan(t.Context(), documents(nil))
	require.ErrorIs(t, err, srcprom.ErrNotRunning)
	require.ErrorIs(t, server.Reload(t.Context()), srcprom.ErrNotRunning)
}

func TestServer_ApplyBeforeRunWaitsForTheCallersContext(t *testing.T) {
	server, err := srcprom.New(options(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = server.Apply(ctx, documents(nil))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestServer_ManyAppliesAtOnceAndAStop(t *testing.T) {
	server := srcpromtest.Start(t)
	var appliers sync.WaitGroup
	for i := range 8 {
		appliers.Go(func() {
			for j := range 20 {
				_, err := server.Apply(context.Background(), documents(map[string]string{
					fmt.Sprintf("rules/%d", i): fmt.Sprintf("groups: [ { name: g, rules: [ { record: r, expr: 'vector(%d)' } ] } ]\n", j),
				}))
				if err != nil {
					require.ErrorIs(t, err, srcprom.ErrNotRunning)
					return
				}
			}
		})
	}
	require.NoError(t, server.Stop())
	appliers.Wait()
}

func TestServer_ApplyThatChangesNothingDoesNothing(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithRules(fireRules))
	before, err := server.Plan(t.Context(), documents(nil))
	require.NoError(t, err)
	require.Empty(t, before.Changes)
	result, err := server.Apply(t.Context(), documents(nil))
	require.NoError(t, err)
	require.Empty(t, result.Changes)
	require.Equal(t, before.Version, result.Version)
}

func TestServer_RefusedApplyChangesNothing(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithRules(fireRules))
	before := server.Current()
	_, err := server.Apply(t.Context(), documents(map[string]string{
		"rules/more":                "groups: [ { name: more, rules: [ { alert: More, expr: fire == 1 } ] } ]\n",
		config.AlertmanagerDocument: "route: { receiver: nobody }\n",
	}))
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, config.AlertmanagerDocument, faults[0].Document)
	require.Equal(t, before, server.Current())

	server.Target.Set("fire", 1)
	server.Receiver.Await("what ran before to go on", srcpromtest.Firing("Fire"))
	for _, n := range server.Receiver.Notifications() {
		require.False(t, srcpromtest.Firing("More")(n))
	}
}

func TestServer_ApplyWithAnotherVersionIsRefused(t *testing.T) {
	server := srcpromtest.Start(t)
	change := documents(map[string]string{"rules/x": fireRules})
	version := server.Current().Version + 7
	change.IfVersion = &version
	_, err := server.Apply(t.Context(), change)
	require.ErrorIs(t, err, config.ErrVersion)
}

func TestServer_AcceptedConfigurationSurvivesWithoutItsFiles(t *testing.T) {
	target, receiver := srcpromtest.NewTarget(t), srcpromtest.NewReceiver(t)
	target.Set("fire", 1)
	dir := t.TempDir()
	opts := options(t)
	opts.ConfigFile, opts.AlertmanagerConfigFile = filepath.Join(dir, "prometheus.yml"), filepath.Join(dir, "alertmanager.yml")
	require.NoError(t, os.WriteFile(opts.ConfigFile, fmt.Appendf(nil, `
global: { scrape_interval: 100ms, scrape_timeout: 100ms, evaluation_interval: 100ms }
rule_files: [ "*_rules.yml" ]
scrape_configs: [ { job_name: t, static_configs: [ { targets: [ %q ] } ] } ]
`, target.Addr()), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fire_rules.yml"), []byte(fireRules), 0o644))
	require.NoError(t, os.WriteFile(opts.AlertmanagerConfigFile, []byte(srcpromtest.DefaultAlertmanagerConfig(receiver.URL)), 0o644))

	run(t, opts, func(server *srcprom.Server) {
		receiver.Await("Fire", srcpromtest.Firing("Fire"))
	})
	require.NoError(t, os.RemoveAll(dir))
	run(t, opts, func(server *srcprom.Server) {
		require.Contains(t, server.Current().Documents, "rules/fire_rules.yml")
	})
}

// run runs a server for the time of use.
func run(t *testing.T, opts srcprom.Options, use func(*srcprom.Server)) {
	t.Helper()
	server, err := srcprom.New(opts)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-ended)
	}()
	<-server.Ready()
	use(server)
}

func TestServer_HandlerServesTheWholeSurface(t *testing.T) {
	server := srcpromtest.Start(t)
	mux := http.NewServeMux()
	mux.Handle("/", server.Handler())
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/-/ready", nil))
	require.Equal(t, http.StatusOK, recorder.Code)
}

// gauge is the value of a metric of the server.
func gauge(t *testing.T, server *srcpromtest.Server, path, name string) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	server.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	_, after, found := strings.Cut(recorder.Body.String(), "\n"+name+" ")
	require.True(t, found, "%s on %s", name, path)
	value, _, _ := strings.Cut(after, "\n")
	return value
}

// What a caller asked for in vain says nothing of what runs.
func TestServer_ConflictsAndStrictRefusalsDoNotCountAsFailedReloads(t *testing.T) {
	server := srcpromtest.Start(t)
	change := documents(map[string]string{"rules/x": "groups: [ { name: g, rules: [ { record: r, expr: 'sum(' } ] } ]\n"})
	change.Strict = true
	_, err := server.Apply(t.Context(), change)
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	version := server.Current().Version + 7
	change.IfVersion = &version
	_, err = server.Apply(t.Context(), change)
	require.ErrorIs(t, err, config.ErrVersion)
	require.Equal(t, "1", gauge(t, server, "/metrics", "prometheus_config_last_reload_successful"))

	_, err = server.Apply(t.Context(), documents(map[string]string{config.PrometheusDocument: "globl: {}\n"}))
	require.ErrorAs(t, err, &faults)
	require.Equal(t, "0", gauge(t, server, "/metrics", "prometheus_config_last_reload_successful"))
	require.Equal(t, "1", gauge(t, server, "/alertmanager/metrics", "alertmanager_config_last_reload_successful"))
}

func TestServer_TracingThatCannotBeBuiltIsAFault(t *testing.T) {
	server := srcpromtest.Start(t)
	_, err := server.Apply(t.Context(), documents(map[string]string{
		config.PrometheusDocument: "tracing: { endpoint: localhost:1, tls_config: { ca_file: /does/not/exist } }\n",
	}))
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, config.PrometheusDocument, faults[0].Document)
	require.Contains(t, faults[0].Reason, "tracing: ")
}

func TestServer_ExpandsTheEnvironmentInExternalLabels(t *testing.T) {
	t.Setenv("SRCPROM_TEST_SITE", "north")
	server := srcpromtest.Start(t, srcpromtest.WithRules(fireRules))
	prometheus := server.Current().Documents[config.PrometheusDocument].Content
	_, err := server.Apply(t.Context(), documents(map[string]string{
		config.PrometheusDocument: strings.Replace(prometheus, "global:\n", "global:\n  external_labels: { site: \"${SRCPROM_TEST_SITE}\" }\n", 1),
	}))
	require.NoError(t, err)
	server.Target.Set("fire", 1)
	n := server.Receiver.Await("Fire", srcpromtest.Firing("Fire"))
	require.Equal(t, "north", n.Alerts[0].Labels["site"])
}

// An integration that has never worked is named in the log at each apply.
func TestServer_LogsWhatAlertingCannotSend(t *testing.T) {
	var log bytes.Buffer
	opts := options(t)
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	opts.Documents = map[string]string{config.AlertmanagerDocument: `
route: { receiver: r }
receivers: [ { name: r, webhook_configs: [ { url: "http://127.0.0.1:1/", http_config: { tls_config: { ca_file: /does/not/exist } } } ] } ]
`}
	run(t, opts, func(*srcprom.Server) {})
	require.Contains(t, log.String(), "Alerting is impaired")
	require.Contains(t, log.String(), `integration webhook[0] of receiver \"r\" is set aside`)
}
