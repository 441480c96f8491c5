package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// clientFiles configure a server for the clients: a secret that none may see,
// and a route tree for `amtool config routes`.
var clientFiles = map[string]string{
	"alertmanager.yml": `
route:
  receiver: team-a
  group_wait: 0s
  routes:
    - matchers: [ severity="page" ]
      receiver: team-b
receivers:
  - name: team-a
  - name: team-b
    webhook_configs: [ { url: "http://127.0.0.1:1/canary-5ecret" } ]
`,
}

// Debian's amtool 0.25 cannot read a current configuration, so it does
// everything else.
func TestAmtool_AlertsSilencesAndConfiguration(t *testing.T) {
	for _, variable := range []string{amtool, debianAmtool} {
		t.Run(variable, func(t *testing.T) {
			p := serve(t, launch{files: clientFiles})
			tool := func(args ...string) string {
				t.Helper()
				return mustRun(t, program(t, variable), append([]string{"--alertmanager.url=" + p.URL + "/alertmanager"}, args...)...)
			}

			tool("alert", "add", "ByAmtool", "severity=page")
			p.await("the alert to be listed", func() bool {
				return strings.Contains(tool("alert", "query", "ByAmtool"), "ByAmtool")
			})
			id := strings.TrimSpace(tool("silence", "add", "alertname=ByAmtool", "--comment=test", "--duration=1h"))
			require.Contains(t, tool("silence", "query", "alertname=ByAmtool"), id[:8])
			p.await("the alert to be silenced", func() bool {
				return strings.Contains(tool("alert", "query", "--silenced", "ByAmtool"), "ByAmtool")
			})
			tool("silence", "expire", id)
			require.NotContains(t, tool("silence", "query", "alertname=ByAmtool"), id[:8])

			shown := tool("config", "show")
			require.Contains(t, shown, "team-b")
			require.NotContains(t, shown, "canary-5ecret")
			require.Contains(t, shown, "<secret>")
		})
	}
}

func TestAmtool_RoutesAndCluster(t *testing.T) {
	p := serve(t, launch{files: clientFiles})
	tool := func(args ...string) string {
		t.Helper()
		return mustRun(t, program(t, amtool), append([]string{"--alertmanager.url=" + p.URL + "/alertmanager"}, args...)...)
	}
	require.Contains(t, tool("config", "routes", "show"), "team-b")
	require.Equal(t, "team-b", strings.TrimSpace(tool("config", "routes", "test", "severity=page")))
	require.Contains(t, tool("cluster", "show"), "disabled")
}

func TestPromtool_Queries(t *testing.T) {
	p := serve(t, launch{})
	query := p.querier(false)
	p.await("a sample of each job", func() bool { return query("count(up)") == "2" })
	for _, variable := range []string{promtool, debianPromtool} {
		t.Run(variable, func(t *testing.T) {
			tool := func(args ...string) string {
				t.Helper()
				return mustRun(t, program(t, variable), args...)
			}
			require.Contains(t, tool("query", "instant", p.URL, "up"), `up{`)
			require.Contains(t, tool("query", "range", "--step=1s", p.URL, "up"), `up{`)
			require.Contains(t, tool("query", "series", "--match=up", p.URL), `job="srcprom"`)
			require.Contains(t, tool("query", "labels", p.URL, "job"), "srcprom")
		})
	}
}

func TestPromtool_HealthyAndReady(t *testing.T) {
	p := serve(t, launch{})
	mustRun(t, program(t, promtool), "check", "healthy", "--url="+p.URL)
	mustRun(t, program(t, promtool), "check", "ready", "--url="+p.URL)
}

// Under a prefix the same clients are given the prefixed URL.
func TestRoutePrefix_HoldsForTheWholeSurface(t *testing.T) {
	p := start(t, launch{files: clientFiles, args: []string{
		"--web.listen-address=127.0.0.1:0", "--web.external-url=http://example.org/metrics-and-alerts/",
	}})
	p.awaitListening()
	root := p.URL
	p.URL += "/metrics-and-alerts"
	p.awaitReady()
	for _, path := range []string{
		"/", "/metrics", "/-/healthy", "/version", "/federate?match[]=up", "/api/v1/status/buildinfo", "/query",
		"/alertmanager/", "/alertmanager/metrics", "/alertmanager/-/ready", "/alertmanager/api/v2/status",
	} {
		status, body := p.get(path)
		require.Equalf(t, http.StatusOK, status, "%s: %s", path, body)
		if path == "/" {
			continue
		}
		resp, err := http.Get(root + path)
		require.NoError(t, err)
		status, _ = readAll(t, resp)
		require.Equalf(t, http.StatusNotFound, status, "%s without the prefix", path)
	}
	mustRun(t, program(t, amtool), "--alertmanager.url="+p.URL+"/alertmanager", "alert", "query")
	mustRun(t, program(t, promtool), "query", "labels", p.URL, "job")
	query := p.querier(false)
	p.await("the default configuration to scrape below the prefix", func() bool { return query(`count(up == 1)`) == "2" })
}
