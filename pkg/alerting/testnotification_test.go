package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/receivers"
)

const testSecret = "canary5ecret-0123456789"

// service is one kind of service, and its integration at a URL.
type service struct {
	start       func(testing.TB, string) *receivers.Service
	integration string
	accepted    int
}

func services() map[string]service {
	return map[string]service{
		"slack":      {receivers.NewSlack, `slack_configs: [ { api_url: %q, channel: "#ops" } ]`, 200},
		"pagerduty":  {receivers.NewPagerDuty, `pagerduty_configs: [ { url: %q, routing_key: ` + testSecret + ` } ]`, 202},
		"opsgenie":   {receivers.NewOpsgenie, `opsgenie_configs: [ { api_url: %q, api_key: ` + testSecret + ` } ]`, 202},
		"incidentio": {receivers.NewIncidentIO, `incidentio_configs: [ { url: %q, alert_source_token: ` + testSecret + ` } ]`, 202},
		"msteamsv2":  {receivers.NewTeams, `msteamsv2_configs: [ { webhook_url: %q } ]`, 202},
		"webhook":    {receivers.NewWebhook, `webhook_configs: [ { url: %q, http_config: { basic_auth: { username: u, password: ` + testSecret + ` } } } ]`, 200},
	}
}

// teamYML is a configuration with one receiver, named team.
func teamYML(integrations ...string) string {
	return "route: { receiver: team }\nreceivers:\n  - name: team\n    " + strings.Join(integrations, "\n    ") + "\n"
}

// testReceiver sends a test notification through one receiver.
func (h *harness) testReceiver(on *config.Effective, name string) []client.TestedIntegration {
	h.t.Helper()
	result, err := h.TestNotification(h.t.Context(), on, client.TestNotificationRequest{Receiver: name})
	require.NoError(h.t, err)
	require.Len(h.t, result.Receivers, 1)
	require.Equal(h.t, name, result.Receivers[0].Receiver)
	require.Empty(h.t, result.Receivers[0].Route)
	return result.Receivers[0].Integrations
}

func TestTestNotification_TellsWhatEachServiceAnswered(t *testing.T) {
	for kind, s := range services() {
		t.Run(kind, func(t *testing.T) {
			to := s.start(t, testSecret)
			on := effective(t, teamYML(fmt.Sprintf(s.integration, to.URL)))
			h := newHarness(t, nil).start()
			h.apply(on)

			sent := h.testReceiver(on, "team")
			require.Equal(t, []client.TestedIntegration{{
				Integration: kind + "[0]", Sent: true, Status: s.accepted, LatencySeconds: sent[0].LatencySeconds,
			}}, sent)
			require.Positive(t, sent[0].LatencySeconds)
			got := to.Await(1)[0]
			require.Empty(t, got.Faults)
			require.Contains(t, string(got.Body), testMark, "it looks like a real one")

			to.Fail(receivers.Echoing)
			refused := h.testReceiver(on, "team")[0]
			require.False(t, refused.Sent)
			require.Equal(t, 400, refused.Status)
			require.Contains(t, refused.Error, "400")
			requireNoSecret(t, refused)

			to.Fail(receivers.RateLimited)
			require.Equal(t, 429, h.testReceiver(on, "team")[0].Status)
		})
	}
}

func requireNoSecret(t *testing.T, answer any) {
	t.Helper()
	text, err := json.Marshal(answer)
	require.NoError(t, err)
	require.NotContains(t, string(text), "canary5ecret")
	require.NotContains(t, string(text), "dTpjYW5hcnk1ZWNyZXQ", "basic authentication")
}

func TestTestNotification_LeavesNoTrace(t *testing.T) {
	webhook := newWebhook(t, nil)
	on := effective(t, webhookYML(webhook.URL))
	h := newHarness(t, nil).start()
	h.apply(on)
	before, promBefore := h.counted(h.reg), h.counted(h.promReg)
	for range 2 {
		require.True(t, h.testReceiver(on, "team")[0].Sent)
	}
	require.True(t, maps.Equal(before, h.counted(h.reg)))
	require.True(t, maps.Equal(promBefore, h.counted(h.promReg)))
	require.Empty(t, h.engine.knownAlerts())
	require.NoError(t, h.state.Flush(t.Context()))
	history, err := h.History(t.Context(), client.HistoryQuery{})
	require.NoError(t, err)
	require.Empty(t, history.Entries)
	require.Empty(t, h.FailingIntegrations())

	got := webhook.messages()
	require.Len(t, got, 2)
	require.NotEqual(t, got[0].GroupKey, got[1].GroupKey, "a service would put both into one incident")
	require.Equal(t, "firing", got[0].Status)
}

// counted is what moves with notifications, by name and labels.
func (h *harness) counted(reg prometheus.Gatherer) map[string]float64 {
	h.t.Helper()
	families, err := reg.Gather()
	require.NoError(h.t, err)
	all := map[string]float64{}
	for _, family := range families {
		if !strings.Contains(family.GetName(), "notif") {
			continue
		}
		for _, m := range family.GetMetric() {
			all[fmt.Sprint(family.GetName(), m.GetLabel())] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	require.NotEmpty(h.t, all)
	return all
}

func TestTestNotification_TakesTheRoutesOfItsLabels(t *testing.T) {
	webhook := newWebhook(t, nil)
	on := effective(t, `
route:
  receiver: none
  routes:
    - { matchers: [ level=critical, owner=search ], receiver: search, continue: true, group_by: [ level ] }
    - { matchers: [ level=critical, 'description="frontend: slow"' ], receiver: critical, group_by: [ description ] }
receivers:
- name: none
`+webhookReceiver("search", webhook.URL)+webhookReceiver("critical", webhook.URL))
	h := newHarness(t, nil).start()
	h.apply(on)
	test := func(labels map[string]string) []client.TestedReceiver {
		result, err := h.TestNotification(t.Context(), on, client.TestNotificationRequest{Labels: labels})
		require.NoError(t, err)
		return result.Receivers
	}

	both := test(map[string]string{"alertname": "Slow", "level": "critical", "owner": "search", "description": "frontend: slow", "empty": ""})
	require.Len(t, both, 2)
	require.Equal(t, `{}/{level="critical",owner="search"}/0`, both[0].Route)
	require.Equal(t, []string{"search", "critical"}, []string{both[0].Receiver, both[1].Receiver})
	require.True(t, both[0].Integrations[0].Sent)
	require.True(t, both[1].Integrations[0].Sent)
	webhook.requireMessages(t, 2)
	for _, message := range webhook.messages() {
		require.Equal(t, map[string]string{
			"alertname": "[TEST] Slow", "level": "critical", "owner": "search", "description": "[TEST] frontend: slow",
		}, message.Alerts[0].Labels)
	}

	nobody := test(map[string]string{"level": "warning"})
	require.Equal(t, []client.TestedReceiver{{
		Receiver: "none", Route: "{}", Integrations: []client.TestedIntegration{},
		Note: "nothing is sent: the receiver has no integrations",
	}}, nobody)
}

func TestTestNotification_IsNotHeldBack(t *testing.T) {
	webhook := newWebhook(t, nil)
	on := effective(t, webhookYML(webhook.URL, "routes: [ { matchers: [ team=a ], mute_time_intervals: [ always ], receiver: team } ]")+
		"time_intervals: [ { name: always, time_intervals: [ {} ] } ]\ninhibit_rules: [ { source_matchers: [ a=b ], target_matchers: [ team=a ] } ]\n")
	h := newHarness(t, nil).start()
	h.apply(on)
	h.silenceFor(testAlert, "test", time.Now(), time.Now().Add(time.Hour))
	result, err := h.TestNotification(t.Context(), on, client.TestNotificationRequest{Labels: map[string]string{"team": "a"}})
	require.NoError(t, err)
	require.True(t, result.Receivers[0].Integrations[0].Sent)
}

func TestTestNotification_GoesThroughWhatDoesNotRun(t *testing.T) {
	webhook, other := newWebhook(t, nil), newWebhook(t, nil)
	on := effective(t, webhookYML(webhook.URL))
	h := newHarness(t, nil).start()
	h.apply(on)
	candidate := effective(t, routeYML("team")+"receivers:\n"+webhookReceiver("team", other.URL)+webhookReceiver("unrouted", other.URL), func(e *config.Effective) {
		e.Templates = []config.Template{{Name: "mine.tmpl", Content: `{{ define "mine" }}x{{ end }}`}}
	})
	require.True(t, h.testReceiver(candidate, "team")[0].Sent)
	require.True(t, h.testReceiver(candidate, "unrouted")[0].Sent)
	other.requireMessages(t, 2)
	require.Empty(t, webhook.messages())
	require.Equal(t, webhook.URL, string(h.engine.stage.live.Load().conf.Receivers[0].WebhookConfigs[0].URL))
}

func TestTestNotification_SaysWhatIsWrongWithTheRequest(t *testing.T) {
	h := running(t, webhookYML("http://127.0.0.1:1"))
	on := effective(t, webhookYML("http://127.0.0.1:1"))
	for name, req := range map[string]client.TestNotificationRequest{
		"nothing":       {},
		"both":          {Receiver: "team", Labels: map[string]string{"a": "b"}},
		"no label name": {Labels: map[string]string{"": "b"}},
		"no UTF-8":      {Labels: map[string]string{"a": "\xff"}},
	} {
		_, err := h.TestNotification(t.Context(), on, req)
		require.ErrorAs(t, err, new(QueryError), name)
	}
	_, err := h.TestNotification(t.Context(), on, client.TestNotificationRequest{Receiver: "nobody"})
	require.Equal(t, UnknownReceiverError{"nobody"}, err)
}

func TestTestNotification_DoesNotTryWhatIsSetAsideOrCannotBeBuilt(t *testing.T) {
	webhook := newWebhook(t, nil)
	on := effective(t, teamYML(
		fmt.Sprintf("webhook_configs: [ { url: %q }, { url: %q, http_config: { tls_config: { ca_file: /not/there } } } ]", webhook.URL, webhook.URL)),
		func(e *config.Effective) {
			e.SetAside = []config.SetAside{
				{Document: config.AlertmanagerDocument, Name: "receivers/team/webhook_configs[1]", Reason: "bad URL"},
				{Document: config.AlertmanagerDocument, Name: "receivers/team/a/webhook_configs[0]", Reason: "of another receiver"},
			}
			e.Lost = []config.Integration{{Receiver: "team", Type: "webhook", Index: 1, Reason: "bad URL"}}
		})
	h := newHarness(t, nil).start()
	h.apply(effective(t, webhookYML(webhook.URL)))
	tested := h.testReceiver(on, "team")
	require.Len(t, tested, 3)
	require.True(t, tested[0].Sent)
	require.Equal(t, client.TestedIntegration{Integration: "webhook[1]", Error: "not tried, as it is set aside: bad URL"}, tested[1])
	require.Equal(t, "webhook[2]", tested[2].Integration)
	require.Contains(t, tested[2].Error, "not tried, as it cannot be built: ")
	webhook.requireMessages(t, 1)
}

func TestTestNotification_GivesUpAfterAWhileAndOthersAreAnswered(t *testing.T) {
	hanging, works := receivers.NewWebhook(t, testSecret), receivers.NewSlack(t, testSecret)
	hanging.Fail(receivers.Hanging)
	mail := receivers.NewMailServer(t, receivers.MailOptions{})
	mail.Hang()
	on := effective(t, teamYML(
		fmt.Sprintf("webhook_configs: [ { url: %q } ]", hanging.URL),
		fmt.Sprintf(`slack_configs: [ { api_url: %q, channel: "#c" } ]`, works.URL),
		fmt.Sprintf("email_configs: [ { to: a@example.org, from: b@example.org, smarthost: %q } ]", mail.Addr)))
	h := newHarness(t, nil).start()
	h.apply(on)
	h.engine.tests.timeout = 100 * time.Millisecond
	tested := h.testReceiver(on, "team")
	require.Equal(t, []string{"email[0]", "slack[0]", "webhook[0]"}, []string{tested[0].Integration, tested[1].Integration, tested[2].Integration})
	require.True(t, tested[1].Sent)
	for _, i := range []int{0, 2} {
		require.False(t, tested[i].Sent)
		require.Contains(t, tested[i].Error, "no answer within 100ms")
		require.Greater(t, tested[i].LatencySeconds, 0.09)
	}
	requireNoSecret(t, tested)
}

func TestTestNotification_SaysWhatTheMailServerAnswered(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "CRAM-MD5"} {
		t.Run(mechanism, func(t *testing.T) {
			server := receivers.NewMailServer(t, receivers.MailOptions{StartTLS: true, Mechanisms: []string{mechanism}, Username: "u", Password: testSecret})
			ca := filepath.Join(t.TempDir(), "ca.pem")
			require.NoError(t, os.WriteFile(ca, []byte(server.CA), 0o600))
			mail := func(password string) *config.Effective {
				return effective(t, teamYML(fmt.Sprintf("email_configs: [ { to: a@example.org, from: b@example.org, smarthost: %q, auth_username: u, auth_password: %s, auth_secret: %s, tls_config: { ca_file: %q } } ]",
					server.Addr, password, password, ca)))
			}
			h := newHarness(t, nil).start()
			h.apply(mail(testSecret))

			sent := h.testReceiver(mail(testSecret), "team")[0]
			require.True(t, sent.Sent, sent.Error)
			require.Equal(t, 250, sent.Status)
			got := server.Await(1)[0]
			require.Equal(t, mechanism, got.Mechanism)
			require.Contains(t, got.Golden(), "Subject: [FIRING:1] SrcpromTestNotification")

			wrong := h.testReceiver(mail("canary5ecret-wrong"), "team")[0]
			require.False(t, wrong.Sent)
			require.Equal(t, 535, wrong.Status)
			require.Contains(t, wrong.Error, "Authentication failed")
			requireNoSecret(t, wrong)
		})
	}
}

func TestTestNotification_WithoutTLSSaysSo(t *testing.T) {
	server := receivers.NewMailServer(t, receivers.MailOptions{})
	on := effective(t, teamYML(fmt.Sprintf("email_configs: [ { to: a@example.org, from: b@example.org, smarthost: %q } ]", server.Addr)))
	h := newHarness(t, nil).start()
	h.apply(on)
	tested := h.testReceiver(on, "team")[0]
	require.False(t, tested.Sent)
	require.Contains(t, tested.Error, "STARTTLS")
	require.Zero(t, tested.Status)
}

func TestTestNotification_MasksSecretsOfFilesToo(t *testing.T) {
	to := receivers.NewWebhook(t, testSecret)
	to.Fail(receivers.Echoing)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("canary5ecret-of-a-file\n"), 0o600))
	on := effective(t, teamYML(fmt.Sprintf("webhook_configs: [ { url: %q, http_config: { authorization: { credentials_file: %q } } } ]", to.URL, file)))
	h := newHarness(t, nil).start()
	h.apply(on)
	tested := h.testReceiver(on, "team")[0]
	require.Equal(t, 400, tested.Status)
	require.Equal(t, "Bearer canary5ecret-of-a-file", to.Await(1)[0].Header.Get("Authorization"))
	requireNoSecret(t, tested)
}

func TestTestNotification_EndsWithItsRequest(t *testing.T) {
	to := receivers.NewWebhook(t, testSecret)
	to.Fail(receivers.Hanging)
	on := effective(t, webhookYML(to.URL))
	h := newHarness(t, nil).start()
	h.apply(on)
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan *client.TestNotificationResult, 1)
	go func() {
		result, _ := h.TestNotification(ctx, on, client.TestNotificationRequest{Receiver: "team"})
		answered <- result
	}()
	require.Eventually(t, func() bool { return len(h.engine.tests.slots) == 1 }, patience, tick, "it is not tried")
	cancel()
	require.False(t, (<-answered).Receivers[0].Integrations[0].Sent)
}

func TestTestNotification_EndsAtAStop(t *testing.T) {
	to := receivers.NewWebhook(t, testSecret)
	to.Fail(receivers.Hanging)
	on := effective(t, webhookYML(to.URL))
	h := newHarness(t, nil).start()
	h.apply(on)
	var running sync.WaitGroup
	running.Go(func() {
		_, _ = h.TestNotification(context.Background(), on, client.TestNotificationRequest{Receiver: "team"})
	})
	require.Eventually(t, func() bool { return len(h.engine.tests.slots) == 1 }, patience, tick, "it is not tried")
	begin := time.Now()
	h.stop()
	running.Wait()
	require.Less(t, time.Since(begin), h.opts.DrainTimeout, "a stop has waited for a test")
	_, err := h.TestNotification(t.Context(), on, client.TestNotificationRequest{Receiver: "team"})
	require.ErrorIs(t, err, errStopping)
}

func TestTestNotification_ManyAtOnceOfTheSameReceiver(t *testing.T) {
	mail := receivers.NewMailServer(t, receivers.MailOptions{})
	pager := receivers.NewPagerDuty(t, testSecret)
	text := teamYML(
		fmt.Sprintf("email_configs: [ { to: a@example.org, from: b@example.org, smarthost: %q, require_tls: false } ]", mail.Addr),
		fmt.Sprintf("pagerduty_configs: [ { url: %q, routing_key: %s } ]", pager.URL, testSecret))
	on := effective(t, strings.Replace(text, "receivers:\n", "receivers:\n  - name: idle\n", 1))
	on.Alertmanager.Route.Receiver = "idle"
	h := newHarness(t, nil).start()
	h.apply(on)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			result, err := h.TestNotification(context.Background(), on, client.TestNotificationRequest{Receiver: "team"})
			if err != nil {
				t.Error(err)
				return
			}
			for _, tested := range result.Receivers[0].Integrations {
				if !tested.Sent {
					t.Error(tested.Error)
				}
			}
		})
	}
	all.Wait()
	require.Len(t, mail.Mails(), 8)
	require.Len(t, pager.Requests(), 8)
}

func TestNewTestAlert_IsMarkedInTheTitlesOfAllStyles(t *testing.T) {
	for name, asked := range map[string]model.LabelSet{
		"receiver": defaultTestLabels(),
		"labels":   {"alertname": "critical_frontend_slow", "level": "critical", "service_name": "frontend", "name": "slow", "description": "frontend: slow"},
		"bare":     {"alertname": "Disk"},
	} {
		a := newTestAlert(asked, "http://here")
		require.True(t, strings.HasPrefix(string(a.Labels["description"]), testMark), name)
		require.True(t, strings.HasPrefix(string(a.Annotations["summary"]), testMark), name)
		require.Contains(t, []model.LabelValue{testAlert, testMark + asked["alertname"]}, a.Labels["alertname"], name)
		require.Equal(t, asked["name"], a.Labels["name"], "links are made of it")
		require.NotEqual(t, asked.Fingerprint(), a.Fingerprint(), name)
		require.False(t, a.Resolved())
		require.Equal(t, model.LabelValue("true"), a.Annotations["srcprom_test"])
	}
}

func TestTestNotification_RendersLabelsOfTheRoute(t *testing.T) {
	to := receivers.NewSlack(t, testSecret)
	on := effective(t, fmt.Sprintf(`
route: { receiver: team, group_by: [ alertname ], labels: { runbook: "run {{ .GroupLabels.alertname }}", broken: "{{ template \"none\" . }}" } }
receivers: [ { name: team, slack_configs: [ { api_url: %q, channel: c, title: "{{ .RouteLabels.runbook }}" } ] } ]
`, to.URL))
	h := newHarness(t, nil).start()
	h.apply(on)
	result, err := h.TestNotification(t.Context(), on, client.TestNotificationRequest{Labels: map[string]string{"alertname": "Disk"}})
	require.NoError(t, err)
	require.True(t, result.Receivers[0].Integrations[0].Sent, result.Receivers[0].Integrations[0].Error)
	require.Contains(t, string(to.Await(1)[0].Body), `"title":"run [TEST] Disk"`)
}
