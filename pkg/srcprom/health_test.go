package srcprom_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/prometheus/prometheus/discovery/file"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/health"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// watchful makes a server raise its alerts at once.
func watchful(edit ...func(*srcprom.Options)) srcpromtest.Option {
	return srcpromtest.WithOptions(func(o *srcprom.Options) {
		o.Health.Interval, o.Health.Pending = 20*time.Millisecond, 0
		for _, e := range edit {
			e(o)
		}
	})
}

// part is one part of a server's health, by its name.
func part(t *testing.T, h client.Health, name string) client.PartHealth {
	t.Helper()
	for _, p := range h.Parts {
		if p.Name == name {
			return p
		}
	}
	require.Failf(t, "no such part", "%s in %v", name, h.Parts)
	return client.PartHealth{}
}

func TestServer_HealthOfAServerThatWorks(t *testing.T) {
	server := srcpromtest.Start(t, watchful())
	resp, err := http.Get(server.URL + "/api/srcprom/v1/health")
	require.NoError(t, err)
	defer resp.Body.Close()
	var h client.Health
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&h))
	require.Equal(t, client.HealthOK, h.State, "%v", h.Parts)
	for _, name := range []string{"configuration", "state", "storage", "scraping", "rules", "alerting", "receivers", "external alertmanagers", "cluster"} {
		require.Equal(t, client.HealthOK, part(t, h, name).State, name)
	}
}

// heavy is a group that takes a good part of its interval: each evaluation makes
// more than a million steps.
const heavy = "groups: [ { name: heavy, interval: 500ms, rules: [ { record: heavy, expr: 'sum_over_time(vector(1)[20d:1s]) + on() group_left() max(up)' } ] } ]\n"

func TestServer_HealthNamesGroupsTooSlowToFollowScrapes(t *testing.T) {
	server := srcpromtest.Start(t, watchful(), srcpromtest.WithRules(heavy))
	require.Eventually(t, func() bool {
		for _, p := range part(t, server.Health(), "rules").Problems {
			if strings.Contains(p.Summary, `Group "heavy"`) && strings.Contains(p.Summary, "by the clock") {
				return true
			}
		}
		return false
	}, patience, 10*time.Millisecond)
}

// twins are two series for which this rule makes the same alert, which no rule may.
const twins = "groups: [ { name: g, rules: [ { alert: Twin, expr: twin == 1, labels: {shard: same} } ] } ]\n"

func TestServer_RulesThatFailRaiseAnAlertWithoutARule(t *testing.T) {
	server := srcpromtest.Start(t, watchful(), srcpromtest.WithRules(twins))
	server.Target.Set("twin", 1, "shard", "a")
	server.Target.Set("twin", 1, "shard", "b")
	n := server.Receiver.Await("the rule to fail", srcpromtest.Firing("SrcpromRulesFailing"))
	require.Equal(t, "critical", n.Alerts[0].Labels["level"])
	require.Equal(t, "prometheus", n.Alerts[0].Labels["service_name"])
	require.Contains(t, n.Alerts[0].Labels["subject"], ";g")
	require.Contains(t, n.Alerts[0].Annotations["summary"], `the first is "Twin"`)
	require.Equal(t, client.HealthFailing, part(t, server.Health(), "rules").State)

	server.Target.Delete("twin", "shard", "b")
	server.Receiver.Await("the rule to work", srcpromtest.Resolved("SrcpromRulesFailing"))
	require.Equal(t, client.HealthOK, part(t, server.Health(), "rules").State)
}

func TestServer_ConfigurationThatIsRefusedOrSetAsideShows(t *testing.T) {
	server := srcpromtest.Start(t, watchful())
	_, err := server.Apply(t.Context(), documents(map[string]string{config.PrometheusDocument: "globl: {}\n"}))
	require.Error(t, err)
	refused := part(t, server.Health(), "configuration")
	require.Equal(t, client.HealthDegraded, refused.State)
	require.Len(t, refused.Problems, 1)
	require.Contains(t, refused.Problems[0].Summary, "globl")
	server.Receiver.Await("the refusal", srcpromtest.Firing("SrcpromConfigurationRefused"))

	_, err = server.Apply(t.Context(), documents(map[string]string{"rules/bad": "groups: [ { name: bad, rules: [ { alert: A, expr: 'sum(' } ] } ]\n"}))
	require.NoError(t, err)
	aside := part(t, server.Health(), "configuration")
	require.Len(t, aside.Problems, 1, "what was refused before is no longer the last word")
	require.Equal(t, "rules/bad", aside.Problems[0].Subject)
	require.Contains(t, aside.Problems[0].Summary, "bad")
	server.Receiver.Await("another configuration", srcpromtest.Resolved("SrcpromConfigurationRefused"))
}

// withTargetsFile is a configuration with a job that reads its targets in a file
// which is wrong.
func withTargetsFile(t *testing.T) srcpromtest.Option {
	file := filepath.Join(t.TempDir(), "targets.yml")
	require.NoError(t, os.WriteFile(file, []byte("- targets: oops\n"), 0o600))
	return srcpromtest.WithPrometheusConfig(fmt.Sprintf("scrape_configs: [{job_name: app, file_sd_configs: [{files: [%q], refresh_interval: 100ms}]}]\n", file))
}

func TestServer_TargetsFileThatIsWrongShows(t *testing.T) {
	server := srcpromtest.Start(t, watchful(), withTargetsFile(t))
	n := server.Receiver.Await("the file", srcpromtest.Firing("SrcpromDiscoveryFailing"))
	require.Equal(t, "reading files of targets", n.Alerts[0].Labels["subject"])
	require.Equal(t, client.HealthDegraded, part(t, server.Health(), "scraping").State)
}

func TestServer_TargetsFileThatIsWrongOnceIsNotAlertedOf(t *testing.T) {
	server := srcpromtest.Start(t, watchful(func(o *srcprom.Options) { o.Health.Pending = time.Hour }), withTargetsFile(t))
	var found []client.HealthProblem
	require.Eventually(t, func() bool {
		found = part(t, server.Health(), "scraping").Problems
		return len(found) > 0
	}, patience, 5*time.Millisecond, "the file")
	require.Len(t, found, 1)
	require.Empty(t, found[0].Alert, "it may be read while it is written")
}

func TestServer_DiscoveryOfAlertmanagersThatFailsIsNotTakenForThatOfTargets(t *testing.T) {
	server := srcpromtest.Start(t, watchful(), srcpromtest.WithPrometheusConfig(
		"alerting: {alertmanagers: [{http_sd_configs: [{url: 'http://127.0.0.1:1/'}]}]}\n"))
	n := server.Receiver.Await("the discovery", srcpromtest.Firing("SrcpromDiscoveryFailing"))
	require.Equal(t, "refreshing service discovery: config-0", n.Alerts[0].Labels["subject"])
	h := server.Health()
	require.Empty(t, part(t, h, "scraping").Problems)
	found := part(t, h, "external alertmanagers").Problems
	require.Len(t, found, 1)
	require.Contains(t, found[0].Summary, "fails to find all external Alertmanagers")
}

func TestServer_GlobThatMatchesNothingShowsAndWakesNobody(t *testing.T) {
	dir := t.TempDir()
	empty := fmt.Sprintf("rule_files: [ %q ]\nscrape_config_files: [ %q ]\n", filepath.Join(dir, "*_rules.yml"), filepath.Join(dir, "*_jobs.yml"))
	server := srcpromtest.Start(t, watchful(), srcpromtest.WithPrometheusConfig(empty))
	found := part(t, server.Health(), "configuration")
	require.Equal(t, client.HealthDegraded, found.State)
	require.Len(t, found.Problems, 2)
	require.Equal(t, filepath.Join(dir, "*_rules.yml"), found.Problems[0].Subject)
	require.Contains(t, found.Problems[0].Summary, "rule_files matches no file")
	require.Contains(t, found.Problems[0].Remedy, "reload")
	require.Equal(t, filepath.Join(dir, "*_jobs.yml"), found.Problems[1].Subject)
	for _, problem := range found.Problems {
		require.Equal(t, "warning", problem.Level)
		require.Empty(t, problem.Alert)
	}

	for _, name := range []string{"a_rules.yml", "a_jobs.yml"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	_, err := server.Apply(t.Context(), documents(map[string]string{config.PrometheusDocument: empty + "global: {}\n"}))
	require.NoError(t, err)
	require.Equal(t, client.HealthOK, part(t, server.Health(), "configuration").State)
}

func TestServer_ReceiverThatFailsShows(t *testing.T) {
	broken := srcpromtest.NewReceiver(t)
	broken.Respond(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gone", http.StatusNotFound) })
	server := srcpromtest.Start(t, watchful(), srcpromtest.WithRules(fireRules),
		srcpromtest.WithAlertmanagerConfig(srcpromtest.DefaultAlertmanagerConfig(broken.URL)))
	server.Target.Set("fire", 1)
	require.Eventually(t, func() bool { return part(t, server.Health(), "receivers").State == client.HealthFailing }, patience, 5*time.Millisecond, "a receiver that fails")
	p := part(t, server.Health(), "receivers").Problems[0]
	require.Equal(t, "SrcpromReceiverFailing", p.Alert)
	require.Equal(t, "test/webhook[0]", p.Subject)
	require.Contains(t, p.Summary, "404")
}

func TestServer_ChecksOfOthersAreRaisedToo(t *testing.T) {
	server := srcpromtest.Start(t, watchful(func(o *srcprom.Options) {
		o.Source.Checks = []health.Check{{Part: "site configuration", Look: func() []client.HealthProblem {
			return []client.HealthProblem{{Alert: "SrcpromSiteConfigurationStale", Level: "warning", Summary: "It is old."}}
		}}}
	}))
	n := server.Receiver.Await("the alert of the check", srcpromtest.Firing("SrcpromSiteConfigurationStale"))
	require.Equal(t, "site_configuration_stale", n.Alerts[0].Labels["name"])
	require.NoError(t, server.Stop())
	for _, n := range server.Receiver.Notifications() {
		require.NotEqual(t, "resolved", n.Alerts[0].Status, "a stop resolves nothing")
	}
}

func TestServer_DeadMansSwitchIsHeardOfAgainAndAgain(t *testing.T) {
	server := srcpromtest.Start(t, watchful(func(o *srcprom.Options) {
		o.Alerting.DeadMansSwitchReceiver, o.Alerting.DeadMansSwitchInterval = "test", 200*time.Millisecond
	}))
	require.Eventually(t, func() bool {
		heard := 0
		for _, n := range server.Receiver.Notifications() {
			if n.Alerts[0].Labels["alertname"] == health.AlertDeadMansSwitch && n.Alerts[0].Status == "firing" {
				heard++
			}
		}
		return heard >= 3
	}, patience, 5*time.Millisecond, "three signs of life")
	require.Equal(t, client.HealthOK, server.Health().State, "it is no problem")
}

func TestServer_HealthBeforeRunAndOfAZeroValue(t *testing.T) {
	server, err := srcprom.New(options(t))
	require.NoError(t, err)
	require.Equal(t, client.HealthDegraded, part(t, server.Health(), "storage").State, "not open yet")
	require.NoError(t, server.Close())
	require.NotPanics(t, func() { server.Health() })
	var zero srcprom.Server
	require.Equal(t, client.HealthFailing, zero.Health().State)
}

func TestServer_AlertOfBeforeTheStartWaitsForFreshDataAndIsResolvedOnce(t *testing.T) {
	dir := t.TempDir()
	inDir := srcpromtest.WithOptions(func(o *srcprom.Options) { o.Storage.Dir = dir })
	forgetful := srcpromtest.WithOptions(func(o *srcprom.Options) { o.Storage.LookbackDelta = time.Second })
	before := srcpromtest.Start(t, inDir, srcpromtest.WithRules(fireRules))
	before.Target.Set("fire", 1)
	before.Receiver.Await("Fire to fire", srcpromtest.Firing("Fire"))
	require.NoError(t, before.Stop())

	opened := make(chan struct{})
	var scrapes atomic.Int64
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scrapes.Add(1)
		select { // longer than the lookback delta, so that queries find nothing
		case <-opened:
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, "fire 0\n")
	}))
	defer slow.Close()
	srcpromtest.Start(t, inDir, forgetful, srcpromtest.WithRules(fireRules),
		srcpromtest.WithAlertmanagerConfig(srcpromtest.DefaultAlertmanagerConfig(before.Receiver.URL)),
		srcpromtest.WithPrometheusConfig(fmt.Sprintf(`{global: {scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 100ms},
			scrape_configs: [{job_name: target, static_configs: [{targets: [%q], labels: {instance: %q}}]}]}`,
			strings.TrimPrefix(slow.URL, "http://"), before.Target.Addr())))
	require.Eventually(t, func() bool { return scrapes.Load() > 0 }, patience, time.Millisecond, "the first scrape")
	require.Never(t, func() bool { return len(before.Receiver.Notifications()) > 1 }, 1500*time.Millisecond, 10*time.Millisecond, "nothing is known yet")
	close(opened)
	before.Receiver.Await("Fire to be resolved", srcpromtest.Resolved("Fire"))
	require.Len(t, before.Receiver.Notifications(), 2)
}
