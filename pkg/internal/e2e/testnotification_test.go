package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/internal/receivers"
)

// everyService is one of each kind that notifications go to.
type everyService struct {
	slack, pagerDuty, opsgenie, incidentIO, teams, webhook *receivers.Service
	mail                                                   *receivers.MailServer
}

const testPassword = canary + "-smtp-password"

func newEveryService(t *testing.T) *everyService {
	return &everyService{
		slack:      receivers.NewSlack(t, canary+"-slack-token"),
		pagerDuty:  receivers.NewPagerDuty(t, canary+"-pagerduty-key"),
		opsgenie:   receivers.NewOpsgenie(t, canary+"-opsgenie-key"),
		incidentIO: receivers.NewIncidentIO(t, canary+"-incidentio-token"),
		teams:      receivers.NewTeams(t, canary+"-teams-signature"),
		webhook:    receivers.NewWebhook(t, canary+"-webhook-path"),
		mail:       receivers.NewMailServer(t, receivers.MailOptions{StartTLS: true, Mechanisms: []string{"PLAIN"}, Username: "srcprom", Password: testPassword}),
	}
}

// alertmanager has one receiver with all of them, and one that routes lead past.
func (s *everyService) alertmanager(password string) string {
	return fmt.Sprintf(`
route:
  receiver: nobody
  routes:
    - { matchers: [ level=critical ], receiver: all, group_by: [ alertname, level, owner ], continue: true }
    - { matchers: [ owner=search ], receiver: search }
receivers:
  - name: nobody
  - name: search
    webhook_configs: [ { url: %q } ]
  - name: all
    slack_configs: [ { api_url: %q, channel: "#ops" } ]
    pagerduty_configs: [ { url: %q, routing_key: %q } ]
    opsgenie_configs: [ { api_url: %q, api_key: %q } ]
    incidentio_configs: [ { url: %q, alert_source_token: %q } ]
    msteamsv2_configs: [ { webhook_url: %q } ]
    webhook_configs: [ { url: %q, http_config: { basic_auth: { username: u, password: canary5ecret-basic } } } ]
    email_configs:
      - { to: a@example.org, from: b@example.org, smarthost: %q, auth_username: srcprom, auth_password: %q, tls_config: { insecure_skip_verify: true } }
`, s.webhook.URL, s.slack.URL, s.pagerDuty.URL, s.pagerDuty.Secret, s.opsgenie.URL, s.opsgenie.Secret,
		s.incidentIO.URL, s.incidentIO.Secret, s.teams.URL, s.webhook.URL, s.mail.Addr, password)
}

// testNotification sends one, requires that it is answered, and that nothing but the
// services has learnt a secret.
func (p *process) testNotification(request client.TestNotificationRequest) *client.TestNotificationResult {
	p.t.Helper()
	status, body := p.post("/api/srcprom/v1/test-notification", "application/json", jsonOf(p.t, request))
	require.Equal(p.t, http.StatusOK, status, body)
	require.NotContains(p.t, body, canary)
	result := &client.TestNotificationResult{}
	require.NoError(p.t, json.Unmarshal([]byte(body), result))
	return result
}

// byKind are the integrations of the only receiver.
func byKind(t *testing.T, result *client.TestNotificationResult) map[string]client.TestedIntegration {
	t.Helper()
	require.Len(t, result.Receivers, 1)
	all := map[string]client.TestedIntegration{}
	for _, tested := range result.Receivers[0].Integrations {
		all[strings.TrimSuffix(tested.Integration, "[0]")] = tested
	}
	return all
}

// requireNoNotification requires that nothing looks as if there had been an alert.
func (p *process) requireNoNotification(metricsBefore string) {
	p.t.Helper()
	for path, want := range map[string]string{
		"/alertmanager/api/v2/alerts":        "[]\n",
		"/alertmanager/api/v2/alerts/groups": "[]\n",
		"/api/v1/alerts":                     `{"status":"success","data":{"alerts":[]}}`,
		"/api/srcprom/v1/history":            `{"entries":[],"next":""}` + "\n",
	} {
		status, body := p.get(path)
		require.Equal(p.t, http.StatusOK, status, body)
		require.JSONEq(p.t, want, body, path)
	}
	require.Equal(p.t, metricsBefore, p.notificationMetrics())
}

// notificationMetrics are those that a notification would move.
func (p *process) notificationMetrics() string {
	p.t.Helper()
	var all strings.Builder
	for _, path := range []string{"/metrics", "/alertmanager/metrics"} {
		_, body := p.get(path)
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "alertmanager_notif") || strings.HasPrefix(line, "alertmanager_alerts_received") ||
				strings.HasPrefix(line, "srcprom_alerting") || strings.HasPrefix(line, "prometheus_notifications_sent") {
				all.WriteString(line)
			}
		}
	}
	require.Contains(p.t, all.String(), "alertmanager_notifications_total")
	return all.String()
}

func TestTestNotification_IsTakenByEachServiceAndByNothingElse(t *testing.T) {
	all := newEveryService(t)
	p := serve(t, launch{args: []string{"--log.level=debug"}, files: map[string]string{"alertmanager.yml": all.alertmanager(testPassword)}})
	before := p.notificationMetrics()
	p.silence(t, "SrcpromTestNotification")

	tested := byKind(t, p.testNotification(client.TestNotificationRequest{Receiver: "all"}))
	for kind, status := range map[string]int{
		"slack": 200, "pagerduty": 202, "opsgenie": 202, "incidentio": 202, "msteamsv2": 202, "webhook": 200, "email": 250,
	} {
		require.True(t, tested[kind].Sent, "%s: %s", kind, tested[kind].Error)
		require.Equal(t, status, tested[kind].Status, kind)
		require.Positive(t, tested[kind].LatencySeconds, kind)
	}
	require.Len(t, tested, 7)
	for _, s := range []*receivers.Service{all.slack, all.pagerDuty, all.opsgenie, all.incidentIO, all.teams, all.webhook} {
		got := s.Requests()
		require.Len(t, got, 1)
		require.Empty(t, got[0].Faults)
		require.Contains(t, string(got[0].Body), "[TEST]")
	}
	require.Contains(t, all.mail.Mails()[0].Golden(), "[TEST] Test notification of srcprom")
	p.requireNoNotification(before)

	p.stop()
	require.NotContains(t, p.log.String(), canary)
	require.Contains(t, p.log.String(), `msg="Test notification"`)
}

func TestTestNotification_SaysInWordsWhatWentWrong(t *testing.T) {
	all := newEveryService(t)
	p := serve(t, launch{files: map[string]string{"alertmanager.yml": all.alertmanager(canary + "-wrong-password")}})
	before := p.notificationMetrics()
	all.slack.Fail(receivers.Rejected)
	all.pagerDuty.Fail(receivers.Rejected)
	all.opsgenie.Fail(receivers.Rejected)
	all.incidentIO.Fail(receivers.RateLimited)
	all.teams.Fail(receivers.Hanging)
	all.webhook.Fail(receivers.Echoing)

	tested := byKind(t, p.testNotification(client.TestNotificationRequest{Receiver: "all"}))
	for kind, want := range map[string]struct {
		status int
		words  string
	}{
		"slack":      {404, "no_service"},
		"pagerduty":  {400, "Length of 'routing_key' is incorrect"},
		"opsgenie":   {422, "Message can not be empty."},
		"incidentio": {429, "429"},
		"msteamsv2":  {0, "no answer within 10s"},
		"webhook":    {400, "cannot make sense of POST"},
		"email":      {535, "Authentication failed"},
	} {
		require.False(t, tested[kind].Sent, kind)
		require.Equal(t, want.status, tested[kind].Status, kind)
		require.Contains(t, tested[kind].Error, want.words, kind)
	}
	require.GreaterOrEqual(t, tested["msteamsv2"].LatencySeconds, 9.9)
	require.Less(t, tested["slack"].LatencySeconds, 9.0, "others are not waited for")
	require.Equal(t, []string{"PLAIN"}, all.mail.Refused())
	p.requireNoNotification(before)
	_, health := p.get("/api/srcprom/v1/health")
	require.NotContains(t, health, "SrcpromReceiverFailing")

	p.stop()
	require.NotContains(t, p.log.String(), canary)
}

func TestTestNotification_TakesTheRoutesOfLabels(t *testing.T) {
	all := newEveryService(t)
	p := serve(t, launch{files: map[string]string{"alertmanager.yml": all.alertmanager(testPassword)}})
	result := p.testNotification(client.TestNotificationRequest{Labels: map[string]string{
		"level": "critical", "owner": "search", "name": "slow", "service_name": "frontend", "description": "frontend: slow",
	}})
	require.Len(t, result.Receivers, 2)
	require.Equal(t, `{}/{level="critical"}/0`, result.Receivers[0].Route)
	require.Len(t, result.Receivers[0].Integrations, 7)
	require.Equal(t, "search", result.Receivers[1].Receiver)
	require.True(t, result.Receivers[1].Integrations[0].Sent)
	require.Contains(t, string(all.slack.Await(1)[0].Body), "[TEST] frontend: slow")

	nobody := p.testNotification(client.TestNotificationRequest{Labels: map[string]string{"level": "info"}})
	require.Equal(t, []client.TestedReceiver{{
		Receiver: "nobody", Route: "{}", Integrations: []client.TestedIntegration{}, Note: "nothing is sent: the receiver has no integrations",
	}}, nobody.Receivers)

	status, body := p.post("/api/srcprom/v1/test-notification", "application/json", `{"receiver":"nowhere"}`)
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, body, "nowhere")
}

func TestTestNotification_OfACandidateChangesNothing(t *testing.T) {
	saved, candidate := newEveryService(t), newEveryService(t)
	p := serve(t, launch{args: []string{"--web.enable-config-api"}, files: map[string]string{"alertmanager.yml": saved.alertmanager(testPassword)}})
	before := p.notificationMetrics()
	_, config := p.get("/api/srcprom/v1/config")

	text := candidate.alertmanager(testPassword)
	tested := byKind(t, p.testNotification(client.TestNotificationRequest{Receiver: "all", Documents: map[string]*string{"alertmanager": &text}}))
	for kind, one := range tested {
		require.True(t, one.Sent, "%s: %s", kind, one.Error)
	}
	require.Len(t, candidate.slack.Requests(), 1)
	require.Len(t, candidate.mail.Mails(), 1)
	require.Empty(t, saved.slack.Requests())
	_, after := p.get("/api/srcprom/v1/config")
	require.Equal(t, config, after)

	// One integration that is wrong is not tried, and others are.
	wrong := strings.Replace(text, "http://", "ftp://", 2) // of the webhook of search, and of slack
	partly := byKind(t, p.testNotification(client.TestNotificationRequest{Receiver: "all", Documents: map[string]*string{"alertmanager": &wrong}}))
	require.False(t, partly["slack"].Sent)
	require.Contains(t, partly["slack"].Error, "set aside")
	require.True(t, partly["pagerduty"].Sent)
	require.Empty(t, saved.slack.Requests(), "what runs in its place is not what was to be tested")

	for _, body := range []string{
		jsonOf(t, map[string]any{"receiver": "all", "documents": map[string]any{"alertmanager": "route: [" + canary}}),
		jsonOf(t, map[string]any{"receiver": "all", "documents": map[string]any{"siteconfig": "{}"}}),
	} {
		status, answer := p.post("/api/srcprom/v1/test-notification", "application/json", body)
		require.Equal(t, http.StatusUnprocessableEntity, status, answer)
		require.Contains(t, answer, `"faults"`)
		require.NotContains(t, answer, canary)
	}
	p.requireNoNotification(before)
	p.stop()
	require.NotContains(t, p.log.String(), canary)
}

func TestTestNotification_OfACandidateNeedsTheFlag(t *testing.T) {
	saved := newEveryService(t)
	p := serve(t, launch{files: map[string]string{"alertmanager.yml": saved.alertmanager(testPassword)}})
	status, body := p.post("/api/srcprom/v1/test-notification", "application/json",
		jsonOf(t, map[string]any{"receiver": "all", "documents": map[string]any{"alertmanager": saved.alertmanager("x")}}))
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "--web.enable-config-api")
	require.Empty(t, saved.slack.Requests())
}
