package siteconfig_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/receivers"
)

const testCanary = "canary5ecret"

// A site configuration can be tried out before it is saved: each of its notifiers
// makes a message that its service takes and that says that it is a test.
func TestTestNotification_OfASiteConfigurationReachesEachNotifier(t *testing.T) {
	s := subscribe(t)
	mail := receivers.NewMailServer(t, receivers.MailOptions{StartTLS: true, Mechanisms: []string{"CRAM-MD5"}, Username: "u", Password: testCanary + "-smtp"})
	host, port, err := net.SplitHostPort(mail.Addr)
	require.NoError(t, err)
	secret := testCanary + "-0123456789"
	services := map[string]*receivers.Service{
		"slack": receivers.NewSlack(t, secret), "pagerduty": receivers.NewPagerDuty(t, secret), "opsgenie": receivers.NewOpsgenie(t, secret),
		"incidentio": receivers.NewIncidentIO(t, secret), "msteamsv2": receivers.NewTeams(t, secret), "webhook": receivers.NewWebhook(t, secret),
	}
	var alerts []string
	for _, notifier := range []string{
		fmt.Sprintf(`{"type": "slack", "url": %q}`, services["slack"].URL),
		fmt.Sprintf(`{"type": "pagerduty", "integrationKey": %q, "apiUrl": %q}`, secret, services["pagerduty"].URL),
		fmt.Sprintf(`{"type": "opsgenie", "apiKey": %q, "apiUrl": %q}`, secret, services["opsgenie"].URL),
		fmt.Sprintf(`{"type": "incidentio", "url": %q, "alertSourceToken": %q}`, services["incidentio"].URL, secret),
		fmt.Sprintf(`{"type": "msteams", "url": %q}`, services["msteamsv2"].URL),
		fmt.Sprintf(`{"type": "webhook", "url": %q, "bearerToken": %q}`, services["webhook"].URL, secret),
		`{"type": "email", "address": "oncall@example.com"}`,
		`{"type": "carrier-pigeon"}`,
	} {
		alerts = append(alerts, fmt.Sprintf(`{"level": "critical", "notifier": %s} /* one */`, notifier))
	}
	text := fmt.Sprintf(`{"observability.alerts": [%s], "externalURL": "https://sourcegraph.example.com", "email.address": "a@example.com",
		"email.smtp": {"host": %q, "port": %s, "authentication": "CRAM-MD5", "username": "u", "password": %q, "noVerifyTLS": true}}`,
		strings.Join(alerts, ",\n"), host, port, testCanary+"-smtp")

	for _, request := range []client.TestNotificationRequest{
		{Receiver: "src-critical-receiver"},
		{Labels: map[string]string{
			"alertname": "critical_frontend_slow", "level": "critical", "service_name": "frontend", "name": "slow",
			"owner": "search", "description": "frontend: 10s+ slow", "grafana_panel_id": "100100",
		}},
	} {
		request.SiteConfig = &text
		result, err := s.TestNotification(t.Context(), request)
		require.NoError(t, err)
		require.Len(t, result.Problems, 1)
		require.Contains(t, result.Problems[0].Description, "carrier-pigeon")
		require.Len(t, result.Receivers, 1)
		require.Equal(t, "src-critical-receiver", result.Receivers[0].Receiver)
		require.Len(t, result.Receivers[0].Integrations, 7)
		for _, tested := range result.Receivers[0].Integrations {
			require.True(t, tested.Sent, "%s: %s", tested.Integration, tested.Error)
		}
		answer, err := json.Marshal(result)
		require.NoError(t, err)
		require.NotContains(t, string(answer), testCanary)
	}
	for kind, service := range services {
		got := service.Requests()
		require.Len(t, got, 2, kind)
		for i, title := range []string{"[TEST] test notification of srcprom", "[TEST] frontend: 10s+ slow"} {
			require.Empty(t, got[i].Faults, kind)
			require.Contains(t, string(got[i].Body), title, kind)
		}
	}
	require.Contains(t, mail.Mails()[1].Golden(), "Subject: [CRITICAL] [TEST] frontend: 10s+ slow")
	require.NotContains(t, s.Current().Documents, config.SiteConfigDocument, "nothing is applied")

	unreadable := `{"observability.alerts": [`
	_, err = s.TestNotification(t.Context(), client.TestNotificationRequest{Receiver: "src-critical-receiver", SiteConfig: &unreadable})
	require.ErrorAs(t, err, new(config.Faults))
}
