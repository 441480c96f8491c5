package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// canary begins every secret of the configuration below.
const canary = "canary5ecret"

// Secrets leave the process only towards their receiver: whatever else it says,
// and whatever it writes that others can read, has none of them.
func TestSecrets_LeaveTheProcessOnlyTowardsTheirReceiver(t *testing.T) {
	target, webhook := srcpromtest.NewTarget(t), srcpromtest.NewReceiver(t)
	target.Set("fire", 1)
	prometheus := fmt.Sprintf(`
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
rule_files: [ rules.yml ]
alerting:
  alertmanagers:
    - basic_auth: { username: u, password: canary5ecret-am }
      static_configs: [ { targets: [ "127.0.0.1:1" ] } ]
remote_write:
  - url: "http://user:canary5ecret-url@127.0.0.1:1/"
  - url: "http://127.0.0.1:1/"
    headers: { X-Key: canary5ecret-header }
    oauth2: { client_id: x, client_secret: canary5ecret-oauth, token_url: "http://127.0.0.1:1/" }
remote_read:
  - url: "http://127.0.0.1:1/"
    authorization: { credentials: canary5ecret-read }
scrape_configs:
  - job_name: target
    basic_auth: { username: u, password: canary5ecret-basic }
    static_configs: [ { targets: [ %q ] } ]
  - job_name: bearer
    authorization: { credentials: canary5ecret-bearer }
    http_headers: { X-Token: { secrets: [ canary5ecret-token ] } }
    static_configs: [ { targets: [ "127.0.0.1:1" ] } ]
  - job_name: proxied
    proxy_url: "http://user:canary5ecret-proxy@127.0.0.1:1/"
    static_configs: [ { targets: [ "127.0.0.1:1" ] } ]
`, target.Addr())
	alertmanager := fmt.Sprintf(`
global:
  smtp_smarthost: 127.0.0.1:1
  smtp_from: a@example.org
  smtp_auth_username: u
  smtp_auth_password: canary5ecret-smtp
  slack_api_url: "http://127.0.0.1:1/canary5ecret-slack"
route: { receiver: all, group_wait: 0s, group_interval: 1s }
receivers:
  - name: all
    webhook_configs:
      - url: "%scanary5ecret-webhook"
      - url: "http://127.0.0.1:1/canary5ecret-dead"
        http_config: { authorization: { credentials: canary5ecret-auth } }
    slack_configs: [ { channel: "#c" } ]
    email_configs: [ { to: b@example.org } ]
    pagerduty_configs: [ { routing_key: canary5ecret-pagerduty, url: "http://127.0.0.1:1/" } ]
    opsgenie_configs: [ { api_key: canary5ecret-opsgenie, api_url: "http://127.0.0.1:1/" } ]
    telegram_configs: [ { bot_token: canary5ecret-telegram, chat_id: 1, api_url: "http://127.0.0.1:1/" } ]
`, webhook.URL)
	p := serve(t, launch{args: []string{"--web.enable-config-api", "--web.enable-lifecycle", "--log.level=debug"}, files: map[string]string{
		"prometheus.yml":   prometheus,
		"alertmanager.yml": alertmanager,
		"rules.yml":        "groups: [ { name: g, rules: [ { alert: Fire, expr: fire == 1 } ] } ]\n",
	}})
	n := webhook.Await("the receiver itself to be reached", srcpromtest.Firing("Fire"))
	require.Contains(t, n.Path, canary)
	p.await("a failed notification in the log", func() bool { return strings.Contains(p.log.String(), "Notify attempt failed") })

	var said strings.Builder
	get := func(path string) {
		_, body := p.get(path)
		fmt.Fprintf(&said, "GET %s: %s\n", path, body)
	}
	for _, path := range []string{
		"/metrics", "/alertmanager/metrics", "/config", "/status", "/flags", "/", "/-/ready",
		"/api/v1/status/config", "/api/v1/status/flags", "/api/v1/targets", "/api/v1/alertmanagers", "/api/v1/rules", "/api/v1/scrape_pools",
		"/alertmanager/api/v2/status", "/alertmanager/api/v2/receivers", "/alertmanager/api/v2/alerts",
		"/api/srcprom/v1/config", "/api/srcprom/v1/config/history", "/api/srcprom/v1/history", "/api/srcprom/v1/health",
		"/api/srcprom/v1/explain?match[]=alertname%3DFire",
	} {
		get(path)
	}
	// Each of these is wrong beside a secret, or in the place of one.
	for _, wrong := range []map[string]any{
		{"prometheus": strings.Replace(prometheus, "password: canary5ecret-basic", "password: [ canary5ecret-list ]", 1)},
		{"prometheus": strings.Replace(prometheus, "http://user:canary5ecret-url@127.0.0.1:1/", "http://user:canary5ecret-url@[::1/", 1)},
		{"alertmanager": strings.Replace(alertmanager, "http://127.0.0.1:1/canary5ecret-slack", "ftp://canary5ecret-scheme", 1)},
		{"alertmanager": strings.Replace(alertmanager, "routing_key: canary5ecret-pagerduty", "routing_key: { a: canary5ecret-map }", 1)},
		{"alertmanager": alertmanager + "canary5ecret-tail"},
	} {
		status, body := p.pushConfig("", wrong)
		fmt.Fprintf(&said, "POST: %d %s\n", status, body)
		for name, text := range wrong {
			write(t, filepath.Join(p.dir, name+".yml"), text.(string))
		}
		_, body = p.post("/-/reload", "", "")
		fmt.Fprintf(&said, "reload: %s\n", body)
	}
	p.signal(15)
	require.Equal(t, 0, p.exit())
	for line := range strings.Lines(said.String() + p.log.String()) {
		require.NotContains(t, line, canary)
	}
	requireNoReadableSecret(t, filepath.Join(p.dir, "data"))
}

// requireNoReadableSecret looks into every file that others may read.
func requireNoReadableSecret(t *testing.T, dir string) {
	t.Helper()
	looked := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		looked++
		if info.Mode().Perm()&0o077 != 0 {
			require.NotContains(t, string(text), canary, "%s, which others may read", path)
		}
		return nil
	}))
	require.Positive(t, looked)
}
