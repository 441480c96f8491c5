package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest/proctest"
)

// freeAddress is an address that nothing listens on just now, for programs that
// cannot be given port 0.
func freeAddress(t *testing.T) string {
	t.Helper()
	return proctest.FreeAddress(t)
}

// startNodeExporter runs a real target and returns its address.
func startNodeExporter(t *testing.T) string {
	t.Helper()
	address := freeAddress(t)
	p := start(t, launch{program: nodeExporter, args: []string{
		"--web.listen-address=" + address, "--collector.disable-defaults", "--collector.loadavg", "--collector.meminfo",
	}})
	p.await("node_exporter to answer", func() bool {
		resp, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return address
}

// The whole way: a real target, a rule, a route, a webhook and a mail server.
func TestMainJob_RealTargetToWebhookAndMail(t *testing.T) {
	node, webhook, mail := startNodeExporter(t), srcpromtest.NewReceiver(t), newMailbox(t)
	p := serve(t, launch{program: srcprom, files: map[string]string{
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 1s, evaluation_interval: 1s, external_labels: { site: test } }
rule_files: [ "rules/*.yml" ]
scrape_configs:
  - job_name: node
    static_configs: [ { targets: [ %q ] } ]
`, node),
		"rules/node.yml": `
groups:
  - name: node
    rules:
      - record: node:memory:ratio
        expr: node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes
      - alert: MemoryThere
        expr: node:memory:ratio > 0
        labels: { severity: page }
        annotations: { summary: "{{ $value | humanizePercentage }} free on {{ $labels.instance }}" }
`,
		"alertmanager.yml": fmt.Sprintf(`
global: { smtp_smarthost: %q, smtp_from: srcprom@example.org, smtp_require_tls: false }
route:
  receiver: mail
  group_by: [ alertname ]
  group_wait: 0s
  routes:
    - matchers: [ severity="page" ]
      receiver: page
      continue: true
      group_wait: 0s
    - matchers: [ severity="page" ]
      receiver: mail
      group_wait: 0s
receivers:
  - name: page
    webhook_configs: [ { url: %q } ]
  - name: mail
    email_configs: [ { to: oncall@example.org } ]
`, mail.Addr, webhook.URL),
	}})

	n := webhook.Await("MemoryThere to fire", srcpromtest.Firing("MemoryThere"))
	require.Equal(t, "page", n.Receiver)
	require.Equal(t, "test", n.Alerts[0].Labels["site"], "external labels are added on the way to the receiver")
	require.Equal(t, node, n.Alerts[0].Labels["instance"])
	require.Contains(t, n.Alerts[0].Annotations["summary"], "free on "+node)
	require.Contains(t, n.Alerts[0].GeneratorURL, "/graph?g0.expr=")

	p.await("the mail", func() bool { return len(mail.received()) > 0 })
	require.Equal(t, "oncall@example.org", mail.received()[0].to)
	require.Contains(t, mail.received()[0].body, "MemoryThere")

	for _, link := range []string{n.Alerts[0].GeneratorURL, n.ExternalURL} {
		_, path, found := strings.Cut(strings.TrimPrefix(link, "http://"), "/")
		require.True(t, found, link)
		status, body := p.get("/" + path)
		require.Equal(t, http.StatusOK, status, "a link of the notification: %s", link)
		require.Contains(t, body, "<html")
	}
	p.stop()
}

func TestDefaultConfiguration_ScrapesItselfWhateverTheListenerAsksFor(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"plain":              nil,
		"TLS and basic auth": webConfigFiles(t),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"--web.listen-address=127.0.0.1:0"}
			if files != nil {
				args = append(args, "--web.config.file=web.yml")
			}
			p := start(t, launch{dir: dir, files: files, args: args})
			p.awaitListening()
			query := p.querier(files != nil)
			p.await("both jobs of the default configuration to be up", func() bool {
				return query(`count(up{job=~"srcprom|alertmanager"} == 1) == 2`) == "2"
			})
			p.await("the server to say that it is well", func() bool { return query(`max(srcprom_health_state)`) == "0" })
			require.Equal(t, "0", query(`sum(srcprom_health_problems)`))
			p.stop()
		})
	}
}

func TestInternalPorts_AnswerWhatDeployedFilesName(t *testing.T) {
	prometheusPort, alertmanagerPort := portOf(freeAddress(t)), portOf(freeAddress(t))
	p := serve(t, launch{env: []string{
		"PROMETHEUS_INTERNAL_PORT=" + prometheusPort, "ALERTMANAGER_INTERNAL_PORT=" + alertmanagerPort,
	}})
	for url, want := range map[string]string{
		"http://127.0.0.1:" + prometheusPort + "/metrics":                "prometheus_build_info",
		"http://127.0.0.1:" + alertmanagerPort + "/alertmanager/metrics": "alertmanager_build_info",
	} {
		resp, err := http.Get(url)
		require.NoError(t, err)
		status, body := readAll(t, resp)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, body, want)
	}
	status, _ := p.get("/metrics")
	require.Equal(t, http.StatusOK, status)
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address) // made by a listener
	return port
}

func TestStop_ReadinessGoesFirstAndNotificationsInFlightFinish(t *testing.T) {
	webhook := srcpromtest.NewReceiver(t)
	release := make(chan struct{})
	webhook.Respond(func(http.ResponseWriter, *http.Request) { <-release })
	p := serve(t, launch{files: map[string]string{"alertmanager.yml": srcpromtest.DefaultAlertmanagerConfig(webhook.URL)}})
	status, body := p.post("/alertmanager/api/v2/alerts", "application/json", `[{"labels":{"alertname":"Slow"}}]`)
	require.Equal(t, http.StatusOK, status, body)
	webhook.Await("the notification to be on its way", srcpromtest.Firing("Slow"))

	p.signal(syscall.SIGTERM)
	p.await("readiness to go, or the listener", func() bool {
		resp, err := http.Get(p.URL + "/-/ready")
		if err != nil {
			return true
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
	select {
	case <-p.exited:
		require.Fail(t, "exited while a notification was in flight")
	default:
	}
	close(release)
	require.Equal(t, 0, p.exit())
	require.Len(t, webhook.Notifications(), 1)
	require.NotContains(t, p.log.String(), "context canceled")
}

func TestStop_SecondStartFindsSilencesAndConfiguration(t *testing.T) {
	webhook := srcpromtest.NewReceiver(t)
	dir := t.TempDir()
	l := launch{dir: dir, args: []string{"--web.enable-config-api"}}
	p := serve(t, l)
	status, body := p.post("/api/srcprom/v1/config", "application/json", jsonOf(t, map[string]any{
		"documents": map[string]string{"alertmanager": srcpromtest.DefaultAlertmanagerConfig(webhook.URL)},
	}))
	require.Equal(t, http.StatusOK, status, body)
	silence := p.silence(t, "Planned")
	p.stop()

	p = serve(t, l)
	status, body = p.get("/alertmanager/api/v2/silence/" + silence)
	require.Equal(t, http.StatusOK, status, body)
	status, body = p.post("/alertmanager/api/v2/alerts", "application/json", `[{"labels":{"alertname":"Pushed"}}]`)
	require.Equal(t, http.StatusOK, status, body)
	webhook.Await("the pushed configuration to be there after a restart", srcpromtest.Firing("Pushed"))
	info, err := os.Stat(filepath.Join(dir, "data", "srcprom"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	p.stop()
}
