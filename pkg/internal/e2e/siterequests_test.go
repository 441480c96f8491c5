package e2e

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/receivers"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

var update = flag.Bool("update", false, "write testdata/siteconfig/requests anew")

// requireGolden compares with a file below testdata/siteconfig/requests.
func requireGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "siteconfig", "requests", name+".txt")
	if *update {
		write(t, path, got)
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, name)
}

// services are those of one level, by the names that everything.jsonc has for them.
func (s *everyService) services() map[string]*receivers.Service {
	return map[string]*receivers.Service{
		"SLACK": s.slack, "PAGERDUTY": s.pagerDuty, "OPSGENIE": s.opsgenie, "INCIDENTIO": s.incidentIO, "TEAMS": s.teams, "WEBHOOK": s.webhook,
	}
}

// everything is the site configuration with every type of notifier, and those who are
// to be notified.
type everything struct {
	levels                map[string]*everyService
	owners, quiet         *receivers.Service
	mail                  *receivers.MailServer
	webhookPassword, text string
}

func newEverything(t *testing.T) *everything {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "siteconfig", "everything.jsonc"))
	require.NoError(t, err)
	e := &everything{
		levels: map[string]*everyService{"critical": newEveryService(t), "warning": newEveryService(t)},
		owners: receivers.NewWebhook(t, canary+"-owners"), quiet: receivers.NewWebhook(t, canary+"-quiet"),
		webhookPassword: canary + "-webhook-password",
	}
	e.mail = e.levels["critical"].mail
	_, port, err := net.SplitHostPort(e.mail.Addr)
	require.NoError(t, err)
	filled := []string{
		"SMTP_PORT", port, "SMTP_PASSWORD", testPassword, "MAIL_KEY", canary + "-mail-key",
		"WEBHOOK_PASSWORD", e.webhookPassword, "WEBHOOK_TOKEN", canary + "-webhook-token",
		"OWNERS_WEBHOOK", e.owners.URL, "QUIET_WEBHOOK", e.quiet.URL,
	}
	for level, services := range e.levels {
		for name, service := range services.services() {
			name = strings.ToUpper(level) + "_" + name
			filled = append([]string{name + "_KEY", service.Secret, name, service.URL}, filled...)
		}
	}
	e.text = strings.NewReplacer(filled...).Replace(string(text))
	return e
}

// environment has the keys that notifiers of level warning have none of their own of,
// and trusts the mail server.
func (e *everything) environment(t *testing.T) []string {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, e.mail.CA)
	return []string{
		"SSL_CERT_FILE=" + ca,
		"OPSGENIE_API_KEY=" + e.levels["warning"].opsgenie.Secret,
		"INCIDENT_IO_ALERT_SOURCE_TOKEN=" + e.levels["warning"].incidentIO.Secret,
	}
}

// sourcegraphRules are two rules as the monitoring generator makes them, one at each
// level, that fire as series say. Some of the text has a meaning in HTML and JSON.
func sourcegraphRules(target *srcpromtest.Target) map[string]string {
	return map[string]string{
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
rule_files: [ rules.yml ]
scrape_configs: [ { job_name: t, static_configs: [ { targets: [ %q ] } ] } ]
`, target.Addr()),
		"rules.yml": `groups:
  - name: frontend
    rules:
      - alert: critical_frontend_search_latency
        expr: max((max by (level) (critical)) >= 1)
        labels: &critical
          alert_type: builtin
          description: 'frontend: 10s+ "hard" latency & <more>'
          grafana_panel_id: "100010"
          level: critical
          name: search_latency
          owner: search & <core>
          service_name: frontend
      - alert: warning_gitserver_disk_space_remaining
        expr: max((max by (level) (warning)) >= 1)
        labels: &warning
          alert_type: builtin
          description: 'gitserver: less than 25% disk space remaining'
          grafana_panel_id: "100001"
          level: warning
          name: disk_space_remaining
          owner: search
          service_name: gitserver
      - alert: critical_gitserver_owned
        expr: max((max by (level) (owned)) >= 1)
        labels:
          alert_type: builtin
          description: 'gitserver: owned'
          level: critical
          name: owned
          owner: core
          service_name: gitserver
`,
	}
}

// goldenRequests is what a service has got, firing first.
func goldenRequests(requests []receivers.Request, secrets ...string) string {
	var all strings.Builder
	for _, r := range requests {
		all.WriteString("=====\n" + r.Golden(secrets...))
	}
	return all.String()
}

// mailsTo are the mails to one address.
func mailsTo(mails []receivers.Mail, address string) []receivers.Mail {
	var all []receivers.Mail
	for _, m := range mails {
		if m.To[0] == address {
			all = append(all, m)
		}
	}
	return all
}

// awaitEach waits until every service of the levels has got n requests.
func (e *everything) awaitEach(n int) {
	for _, services := range e.levels {
		for _, service := range services.services() {
			service.Await(n)
		}
	}
	e.mail.Await(2 * n)
}

// Every type of notifier, at both levels, gets firing and resolved alerts as the
// sourcegraph/prometheus image sent them, without its mistakes. What each gets is in
// testdata/siteconfig/requests.
func TestSiteConfig_EveryServiceGetsWhatItAlwaysGot(t *testing.T) {
	e := newEverything(t)
	target := srcpromtest.NewTarget(t)
	target.Set("critical", 1)
	target.Set("warning", 1)
	i := newInstance(t, e.text, launch{
		files: sourcegraphRules(target), env: e.environment(t), args: []string{"--web.external-url=https://prometheus.example.com/"},
	})
	require.Nil(t, i.siteProblems())

	e.awaitEach(1)
	target.Set("critical", 0)
	target.Set("warning", 0)
	t.Parallel() // no earlier: while other tests run the minute passes until resolved alerts are told
	e.awaitEach(2)
	for level, services := range e.levels {
		for name, service := range services.services() {
			requests := service.Requests()
			require.Len(t, requests, 2)
			require.Empty(t, slices.Concat(requests[0].Faults, requests[1].Faults), "%s %s", level, name)
			requireGolden(t, level+"-"+strings.ToLower(name), goldenRequests(requests, e.webhookPassword))
		}
	}
	for level, address := range map[string]string{"critical": "oncall@example.com", "warning": "team@example.com"} {
		var all strings.Builder
		for _, mail := range mailsTo(e.mail.Mails(), address) {
			all.WriteString("=====\n" + mail.Golden(canary+"-mail-key"))
		}
		requireGolden(t, level+"-email", all.String())
	}
	require.Len(t, e.quiet.Requests(), 1, "it is not told of what has resolved")

	// Alerts of an owner go to the receivers of their level as well.
	require.Empty(t, e.owners.Requests(), "the alert's owner is another, of whose name an owner's is a part")
	target.Set("owned", 1)
	requireGolden(t, "owners-webhook", goldenRequests(e.owners.Await(1), canary+"-webhook-token"))
	e.levels["critical"].slack.Await(3)
	i.stop()
	require.NotContains(t, i.log.String(), canary)
}

// mailSite is a site configuration with one receiver of mail.
func mailSite(t *testing.T, server *receivers.MailServer, smtp string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(server.Addr)
	require.NoError(t, err)
	return fmt.Sprintf(`{
		"email.address": "alerts@example.com",
		"email.smtp": {"host": "127.0.0.1", "port": %s, "domain": "example.com", %s},
		"observability.alerts": [{"level": "critical", "notifier": {"type": "email", "address": "oncall@example.com"}}]
	}`, port, smtp)
}

// The mail server is believed only if its certificate is good, and logged in to as the
// site configuration says.
func TestSiteConfig_MailIsSentAsTheServerWants(t *testing.T) {
	t.Parallel()
	const login = `"username": "srcprom", "password": "` + testPassword + `"`
	for name, c := range map[string]struct {
		server  receivers.MailOptions
		smtp    string
		trusted bool
	}{
		"plain over STARTTLS": {
			server: receivers.MailOptions{StartTLS: true, Mechanisms: []string{"PLAIN"}}, smtp: `"authentication": "PLAIN", ` + login, trusted: true,
		},
		"CRAM-MD5 over STARTTLS": {
			server: receivers.MailOptions{StartTLS: true, Mechanisms: []string{"CRAM-MD5"}}, smtp: `"authentication": "CRAM-MD5", ` + login, trusted: true,
		},
		"CRAM-MD5 though PLAIN is offered": {
			server: receivers.MailOptions{StartTLS: true, Mechanisms: []string{"PLAIN", "CRAM-MD5"}}, smtp: `"authentication": "CRAM-MD5", ` + login, trusted: true,
		},
		"none over STARTTLS": {server: receivers.MailOptions{StartTLS: true}, smtp: `"authentication": "none"`, trusted: true},
		"none with a name": {
			server: receivers.MailOptions{StartTLS: true}, smtp: `"authentication": "none", ` + login, trusted: true,
		},
		"none without TLS": {server: receivers.MailOptions{}, smtp: `"authentication": "none", "noVerifyTLS": true`},
	} {
		t.Run(name, func(t *testing.T) {
			c.server.Username, c.server.Password = "srcprom", testPassword
			server := receivers.NewMailServer(t, c.server)
			l := launch{}
			if c.trusted {
				l.files, l.env = map[string]string{"ca.pem": server.CA}, []string{"SSL_CERT_FILE=ca.pem"}
			}
			i := newInstance(t, mailSite(t, server, c.smtp), l)
			require.Nil(t, i.siteProblems())
			i.postAlerts(sourcegraphAlert("critical", "mail"))
			mail := server.Await(1)[0]
			require.Equal(t, c.server.StartTLS, mail.TLS)
			want := ""
			if len(c.server.Mechanisms) > 0 {
				want = c.server.Mechanisms[len(c.server.Mechanisms)-1]
			}
			require.Equal(t, want, mail.Mechanism)
			require.Equal(t, "alerts@example.com", mail.From)
			require.Empty(t, server.Refused())
		})
	}
}
