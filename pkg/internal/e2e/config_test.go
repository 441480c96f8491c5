package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// pushConfig posts documents to the configuration API.
func (p *process) pushConfig(query string, documents map[string]any) (int, string) {
	p.t.Helper()
	return p.post("/api/srcprom/v1/config"+query, "application/json", jsonOf(p.t, map[string]any{"documents": documents}))
}

func TestConfigAPI_IsOffWithoutItsFlag(t *testing.T) {
	p := serve(t, launch{})
	status, body := p.get("/api/srcprom/v1/config")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "--web.enable-config-api")
	status, body = p.pushConfig("", nil)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "--web.enable-config-api")
	for path, flag := range map[string]string{
		"/-/reload":                           "--web.enable-lifecycle",
		"/-/quit":                             "--web.enable-lifecycle",
		"/alertmanager/-/reload":              "--web.enable-lifecycle",
		"/api/v1/admin/tsdb/snapshot":         "--web.enable-admin-api",
		"/api/v1/admin/tsdb/clean_tombstones": "--web.enable-admin-api",
	} {
		status, body = p.post(path, "", "")
		require.Equal(t, http.StatusForbidden, status, path)
		require.Contains(t, body, flag, path)
	}
}

func TestConfigAPI_PlanApplyConflictFaultsAndRedaction(t *testing.T) {
	target, webhook := srcpromtest.NewTarget(t), srcpromtest.NewReceiver(t)
	target.Set("pushed", 1)
	p := serve(t, launch{args: []string{"--web.enable-config-api"}})
	prometheus := fmt.Sprintf(`
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
scrape_configs:
  - job_name: pushed
    basic_auth: { username: u, password: canary-5ecret }
    static_configs: [ { targets: [ %q ] } ]
`, target.Addr())
	documents := map[string]any{
		"prometheus":   prometheus,
		"alertmanager": srcpromtest.DefaultAlertmanagerConfig(webhook.URL),
		"rules/pushed": "groups: [ { name: g, rules: [ { alert: Pushed, expr: pushed == 1 } ] } ]\n",
	}

	status, body := p.pushConfig("?dry_run=1", documents)
	require.Equal(t, http.StatusOK, status, body)
	before := p.config()
	require.NotContains(t, before.Documents, "rules/pushed", "a plan changes nothing")

	status, body = p.pushConfig("", documents)
	require.Equal(t, http.StatusOK, status, body)
	var applied client.ConfigResult
	require.NoError(t, json.Unmarshal([]byte(body), &applied))
	require.Greater(t, applied.Version, before.Version)
	require.NotEmpty(t, applied.Changes)
	webhook.Await("the pushed rule to fire", srcpromtest.Firing("Pushed"))

	now := p.config()
	require.Equal(t, applied.Version, now.Version)
	require.Contains(t, now.Documents["prometheus"].Content, "<secret>")
	require.NotContains(t, jsonOf(t, now), "canary-5ecret")

	status, body = p.post("/api/srcprom/v1/config", "application/json",
		jsonOf(t, map[string]any{"if_version": before.Version, "documents": map[string]any{"rules/pushed": nil}}))
	require.Equal(t, http.StatusConflict, status, body)

	status, body = p.pushConfig("", map[string]any{"rules/pushed": nil, "alertmanager": "route: { receiver: nobody }\n"})
	require.Equal(t, http.StatusUnprocessableEntity, status, body)
	require.Contains(t, body, `"document":"alertmanager"`)
	require.Equal(t, now.Version, p.config().Version, "a refused change changes nothing")

	status, body = p.pushConfig("", map[string]any{"prometheus": now.Documents["prometheus"].Content})
	require.Equal(t, http.StatusUnprocessableEntity, status, "a redaction mark in the place of a secret is refused")
	require.Contains(t, body, "redaction mark")

	bad := map[string]any{"rules/pushed": "groups: [ { name: g, rules: [ { alert: Pushed, expr: 'sum(' } ] } ]\n"}
	status, body = p.pushConfig("?strict=1", bad)
	require.Equal(t, http.StatusUnprocessableEntity, status, body)
	status, body = p.pushConfig("", bad)
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"document":"rules/pushed"`)
	require.Contains(t, body, `"name":"groups/g"`)
	query := p.querier(false)
	p.await("the accepted version of the group to go on", func() bool {
		return query(`count(ALERTS{alertname="Pushed",alertstate="firing"})`) == "1"
	})
	p.stop()
}

func (p *process) config() client.Config {
	p.t.Helper()
	status, body := p.get("/api/srcprom/v1/config")
	require.Equal(p.t, http.StatusOK, status, body)
	var c client.Config
	require.NoError(p.t, json.Unmarshal([]byte(body), &c))
	return c
}

// An apply of receivers restarts no scrape loop and no rule timer.
func TestApply_ReceiversLeaveScrapesAndRulesAlone(t *testing.T) {
	target, webhook := srcpromtest.NewTarget(t), srcpromtest.NewReceiver(t)
	target.Set("there", 1)
	p := serve(t, launch{args: []string{"--web.enable-config-api"}, files: map[string]string{
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }
rule_files: [ rules.yml ]
scrape_configs:
  - { job_name: t, static_configs: [ { targets: [ %q ] } ] }
`, target.Addr()),
		"rules.yml":        "groups: [ { name: g, rules: [ { record: r, expr: there } ] } ]\n",
		"alertmanager.yml": srcpromtest.DefaultAlertmanagerConfig(webhook.URL),
	}})
	query := p.querier(false)
	p.await("a first evaluation", func() bool { return query("r") == "1" })
	for i := range 10 {
		status, body := p.pushConfig("", map[string]any{
			"alertmanager": srcpromtest.DefaultAlertmanagerConfig(fmt.Sprintf("%s%d", webhook.URL, i)),
		})
		require.Equal(t, http.StatusOK, status, body)
		require.NotContains(t, body, "scrape")
		require.NotContains(t, body, "rules")
		before := query(`count_over_time(r[1h])`)
		p.await("the next evaluation", func() bool { return query(`count_over_time(r[1h])`) != before })
	}
	// A restarted scrape loop or rule group would begin at a new phase: the
	// distance of two samples would not be the interval.
	for _, series := range []string{"r", `up{job="t"}`} {
		timestamps := p.timestamps(series)[1:] // the first evaluation is by the clock
		require.Greater(t, len(timestamps), 5, series)
		for i := 1; i < len(timestamps); i++ {
			require.InDelta(t, 0.5, timestamps[i]-timestamps[i-1], 0.1, "%s: %v", series, timestamps)
		}
	}
	p.stop()
}

// timestamps are those of a series' raw samples, in seconds.
func (p *process) timestamps(series string) []float64 {
	p.t.Helper()
	status, body := p.get("/api/v1/query?query=" + strings.NewReplacer(`"`, "%22", "{", "%7B", "}", "%7D").Replace(series) + "[1h]")
	require.Equal(p.t, http.StatusOK, status, body)
	var answer struct {
		Data struct {
			Result []struct{ Values [][2]any }
		}
	}
	require.NoError(p.t, json.Unmarshal([]byte(body), &answer))
	require.Len(p.t, answer.Data.Result, 1, body)
	var timestamps []float64
	for _, value := range answer.Data.Result[0].Values {
		timestamps = append(timestamps, value[0].(float64))
	}
	return timestamps
}

// A pushed document stands until its file says something new.
func TestReload_PushedDocumentStandsUntilItsFileChanges(t *testing.T) {
	p := serve(t, launch{args: []string{"--web.enable-config-api", "--web.enable-lifecycle"}, files: map[string]string{
		"alertmanager.yml": "route: { receiver: from-file }\nreceivers: [ { name: from-file } ]\n",
	}})
	status, body := p.pushConfig("", map[string]any{"alertmanager": "route: { receiver: pushed }\nreceivers: [ { name: pushed } ]\n"})
	require.Equal(t, http.StatusOK, status, body)
	reload := func() string {
		status, body := p.post("/-/reload", "", "")
		require.Equal(t, http.StatusOK, status, body)
		_, body = p.get("/alertmanager/api/v2/receivers")
		return body
	}
	require.Contains(t, reload(), "pushed")
	write(t, filepath.Join(p.dir, "alertmanager.yml"), "route: { receiver: changed-file }\nreceivers: [ { name: changed-file } ]\n")
	require.Contains(t, reload(), "changed-file")
	p.stop()
}

func TestAutoReload_FollowsConfigMapSymlinkSwaps(t *testing.T) {
	dir := t.TempDir()
	receivers := func(name string) string {
		return fmt.Sprintf("route: { receiver: %s }\nreceivers: [ { name: %s } ]\n", name, name)
	}
	// A ConfigMap is a symbolic link to a directory that is exchanged as a whole.
	write(t, filepath.Join(dir, "..1", "alertmanager.yml"), receivers("one"))
	write(t, filepath.Join(dir, "..2", "alertmanager.yml"), receivers("two"))
	swap(t, dir, "..1")
	p := serve(t, launch{dir: dir, args: []string{
		"--alertmanager.config.file=..data/alertmanager.yml", "--config.auto-reload", "--config.auto-reload-interval=1s",
	}})
	_, body := p.get("/alertmanager/api/v2/receivers")
	require.Contains(t, body, "one")
	swap(t, dir, "..2")
	p.await("the other configuration", func() bool {
		_, body := p.get("/alertmanager/api/v2/receivers")
		return strings.Contains(body, "two")
	})
	p.stop()
}

// A change while the storage opens is a change, too.
func TestAutoReload_SeesWhatChangedDuringTheStart(t *testing.T) {
	receivers := func(name string) string {
		return fmt.Sprintf("route: { receiver: %s }\nreceivers: [ { name: %s } ]\n", name, name)
	}
	dir := t.TempDir()
	release := blockReplay(t, filepath.Join(dir, "data"))
	p := start(t, launch{dir: dir, files: map[string]string{"alertmanager.yml": receivers("one")}, args: []string{
		"--web.listen-address=127.0.0.1:0", "--config.auto-reload", "--config.auto-reload-interval=1s",
	}})
	p.awaitListening()
	p.await("the first configuration", func() bool {
		_, body := p.get("/alertmanager/api/v2/receivers")
		return strings.Contains(body, "one")
	})
	write(t, filepath.Join(dir, "alertmanager.yml"), receivers("two"))
	release()
	p.await("the other configuration", func() bool {
		_, body := p.get("/alertmanager/api/v2/receivers")
		return strings.Contains(body, "two")
	})
	p.stop()
}
