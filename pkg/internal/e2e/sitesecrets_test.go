package e2e

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/internal/frontend"
	"github.com/sourcegraph/srcprom/pkg/internal/receivers"
)

// wrongSites are site configurations in which something is wrong beside each secret, in
// its place, or around it. What is no secret by its meaning, such as an unknown type, is
// shown.
func wrongSites(text string) []string {
	replaced := func(old, by string) string { return strings.Replace(text, old, by, 1) }
	return []string{
		replaced(`"type": "slack", "url": "`, `"type": "slack", "url": "ftp://`+canary+`/`),
		replaced(`"type": "slack", "url": "`, `"type": "slack", "url": ["`+canary+`"], "URL": "://`+canary),
		replaced(`"integrationKey": `, `"integrationKey": {"a": "`+canary+`"}, "key": `),
		replaced(`"type": "opsgenie"`, `"type": "incidentio"`),
		replaced(`"type": "incidentio"`, `"type": "webhook", "bearerToken": "`+canary+`", "password": "`+canary+`"`),
		replaced(`"host": "127.0.0.1"`, `"host": "smtp://user:`+canary+`@host"`),
		replaced(`"port": `, `"port": "`+canary+`", "porte": `),
		replaced(`"key": "X-Routing-Key", "value"`, `"key": "X-Routing-Key", "value": {"a": "`+canary+`"}, "secret"`),
		replaced(`"externalURL": "https://`, `"externalURL": "https://user:`+canary+`@`),
		strings.Replace(text, `"integrationKey": "`, `"integrationKey": "`+canary+"\n", 1),
		text[:len(text)-20] + canary,
		text + canary,
		`"` + canary + `"`,
		`{"observability.alerts": "` + canary + `", "email.smtp": "` + canary + `", "email.address": {"` + canary + `": 1}}`,
	}
}

// Every secret of a site configuration, and all that a frontend tells beside it, is a
// canary: it reaches its receiver and appears nowhere else, whatever happens.
func TestSiteSecrets_LeaveTheProcessOnlyTowardsTheirReceiver(t *testing.T) {
	t.Parallel()
	e := newEverything(t)
	env := append(e.environment(t), "OPSGENIE_API_KEY_OF_NOBODY="+canary)
	i := newInstance(t, e.text, launch{args: []string{"--log.level=debug", "--web.enable-lifecycle"}, env: env})
	var said strings.Builder
	note := func(what string, status int, body string) { fmt.Fprintf(&said, "%s: %d %s\n", what, status, body) }
	look := func() {
		for _, path := range []string{
			"/metrics", "/alertmanager/metrics", "/config", "/status", "/flags", "/", "/-/ready", "/alerts", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2",
			"/api/v1/status/config", "/api/v1/status/flags", "/api/v1/status/runtimeinfo", "/api/v1/alertmanagers", "/api/v1/rules",
			"/alertmanager/api/v2/status", "/alertmanager/api/v2/receivers", "/alertmanager/api/v2/alerts", "/alertmanager/api/v2/alerts/groups", "/alertmanager/api/v2/silences",
			"/api/srcprom/v1/config", "/api/srcprom/v1/config/history?limit=100", "/api/srcprom/v1/history", "/api/srcprom/v1/health",
			"/api/srcprom/v1/explain?match[]=level%3Dcritical", client.ConfigStatusPath, client.AlertsStatusPath, client.AlertsHistoryPath,
		} {
			status, body := i.get(path)
			note(path, status, body)
		}
		for _, receiver := range []string{"src-critical-receiver", "src-warning-receiver", "src-critical-on-search|core"} {
			status, body := i.post("/api/srcprom/v1/test-notification", "application/json", jsonOf(t, client.TestNotificationRequest{Receiver: receiver}))
			note("test of "+receiver, status, body)
		}
	}
	fire := func(name string) {
		i.postAlerts(sourcegraphAlert("critical", name, "owner", "core"), sourcegraphAlert("warning", name))
	}
	fire("works")
	for _, services := range e.levels {
		for _, service := range services.services() {
			require.Empty(t, service.Await(1)[0].Faults)
		}
	}
	e.owners.Await(1)
	e.mail.Await(2)
	look()

	// Each receiver fails in each of its ways.
	for _, how := range []receivers.Failure{receivers.Hanging, receivers.Rejected, receivers.Echoing} {
		for _, services := range e.levels {
			for _, service := range services.services() {
				service.Fail(how)
			}
		}
		e.owners.Fail(how)
		fire(fmt.Sprintf("fails_%d", how))
		if how != receivers.Hanging {
			i.await("failures to be on record", func() bool {
				return len(i.history(fmt.Sprintf("critical_frontend_fails_%d", how))) >= len(e.levels["critical"].services())
			})
			look()
		}
	}
	// Each text is pushed, as a candidate too, and some of them are fetched.
	for n, wrong := range wrongSites(e.text) {
		status, body := i.post("/api/srcprom/v1/siteconfig", "application/jsonc", wrong)
		note("push", status, body)
		require.Contains(t, []int{http.StatusOK, http.StatusUnprocessableEntity}, status, body)
		status, body = i.post("/api/srcprom/v1/siteconfig?dry_run=1", "application/jsonc", wrong)
		note("plan", status, body)
		status, body = i.get(client.ConfigStatusPath)
		note("problems", status, body)
		if n%4 == 0 {
			i.setSite(wrong)
			look()
		}
	}
	i.frontend.Set(frontend.Answer{Garbage: true, Site: e.text})
	awaitFetches(i.frontend, 2)
	status, body := i.post("/-/reload", "", "")
	note("reload", status, body)
	look()
	first := i.log.String()
	i.restart(syscall.SIGKILL)
	look()
	i.endWith(syscall.SIGTERM)
	for line := range strings.Lines(said.String() + first + i.log.String()) {
		for _, secret := range []string{canary, frontend.Secret} {
			require.NotContains(t, line, secret)
		}
	}
	requireNoReadableSecret(t, filepath.Join(i.dir, "data"))
}

// A file that the old image has written has secrets in clear, and receivers of a site
// configuration that is no more.
func TestSiteSecrets_FileOfTheOldImageIsReadAndNotShown(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	old := fmt.Sprintf(`global:
  resolve_timeout: 5m
  http_config: { follow_redirects: true, enable_http2: true }
  smtp_from: old@example.com
  smtp_hello: localhost
  smtp_smarthost: 127.0.0.1:1
  smtp_auth_username: old
  smtp_auth_password: canary5ecret-old-smtp
  smtp_require_tls: false
route:
  receiver: src-noop-receiver
  group_by: [ alertname, level, service_name, name, owner, description ]
  routes:
    - { receiver: "src-critical-on-search", match: { level: critical }, match_re: { owner: "^(search)$" }, continue: true }
    - { receiver: src-warning-receiver, match: { level: warning }, continue: false }
    - { receiver: src-critical-receiver, match: { level: critical }, continue: false }
  group_wait: 1s
  group_interval: 1m
  repeat_interval: 1w
receivers:
  - name: src-noop-receiver
  - name: src-critical-on-search
    webhook_configs:
      - { send_resolved: true, http_config: { basic_auth: { username: u, password: canary5ecret-old-basic } }, url: %[1]q }
  - name: src-warning-receiver
    slack_configs:
      - { send_resolved: true, api_url: %[1]q, username: Sourcegraph Alerts }
  - name: src-critical-receiver
    webhook_configs: [ { send_resolved: true, url: %[1]q } ]
    email_configs:
      - { to: a@example.com, from: old@example.com, smarthost: 127.0.0.1:1, auth_username: old, auth_password: canary5ecret-old-mail, require_tls: false }
    opsgenie_configs: [ { api_key: canary5ecret-old-opsgenie, api_url: "http://127.0.0.1:1/" } ]
templates: []
`, sink.URL+"/old/canary5ecret-old-url")
	f := frontend.Start(t)
	f.Down() // so that nothing but the file is known at first
	s := newServer(t, launch{
		env:   []string{"SRC_FRONTEND_INTERNAL=" + f.Address(), "ALERTMANAGER_CONFIG_PATH=old.yml"},
		args:  []string{"--log.level=debug", "--siteconfig.poll-interval=200ms", "--web.enable-config-api"},
		files: map[string]string{"old.yml": old},
	}, sink)
	s.postAlerts(sourcegraphAlert("critical", "before", "owner", "search"))
	f.SetSite(siteWith(toWebhook("critical", sink.URL+"/new")))
	f.Up()
	awaitFetches(f, 2)
	s.postAlerts(sourcegraphAlert("critical", "after", "owner", "search"), sourcegraphAlert("warning", "after"))
	sink.awaitTold("new", "critical_frontend_after")
	require.Empty(t, sink.matching(func(d delivery) bool { return d.receiver() == "old" }))
	require.Nil(t, s.siteProblems(), "nothing is said of what the old image has written")
	var said strings.Builder
	for _, path := range []string{"/alertmanager/api/v2/status", "/api/srcprom/v1/config", "/api/srcprom/v1/config/history", "/api/srcprom/v1/health", "/api/srcprom/v1/history", "/config", "/status"} {
		_, body := s.get(path)
		_, _ = io.WriteString(&said, body)
	}
	_, status := s.get("/alertmanager/api/v2/status")
	require.NotContains(t, status, "src-critical-on-search")
	require.NotContains(t, status, "old@example.com")
	s.stop()
	require.NotContains(t, said.String(), canary)
	require.NotContains(t, s.log.String(), canary)
	requireNoReadableSecret(t, filepath.Join(s.dir, "data"))
}
