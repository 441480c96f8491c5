package srcprom_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// oneWebhook is an overlay: a site configuration that is the URL of a webhook.
type oneWebhook struct{}

func (oneWebhook) Read(text string) (string, error) {
	if text == "" {
		return "", errors.New("it is empty")
	}
	document, err := json.Marshal(map[string]string{"$secret": text})
	return string(document), err
}

func (oneWebhook) Alertmanager(u config.Underlay) config.Overlaid {
	if u.Site == "" {
		return config.Overlaid{Root: u.Root}
	}
	var site map[string]string
	_ = json.Unmarshal([]byte(u.Site), &site) // it was made by Read
	var root yaml.Node
	_ = yaml.Unmarshal([]byte(fmt.Sprintf("{route: {receiver: site}, receivers: [{name: site, webhook_configs: [{url: %q}]}]}", site["$secret"])), &root)
	return config.Overlaid{Root: root.Content[0], Problems: []string{"`observability.alerts`: alert 1 has no notifier"}}
}

func withOverlay() srcpromtest.Option {
	return srcpromtest.WithOptions(func(o *srcprom.Options) { o.Source.Overlay = oneWebhook{} })
}

func sent(t *testing.T, server *srcpromtest.Server, req client.TestNotificationRequest) *client.TestNotificationResult {
	t.Helper()
	result, err := server.TestNotification(t.Context(), req)
	require.NoError(t, err)
	require.True(t, result.Receivers[0].Integrations[0].Sent, result.Receivers[0].Integrations[0].Error)
	return result
}

func TestServer_TestNotificationGoesThroughWhatRuns(t *testing.T) {
	server := srcpromtest.Start(t)
	sent(t, server, client.TestNotificationRequest{Receiver: "test"})
	sent(t, server, client.TestNotificationRequest{Labels: map[string]string{"alertname": "Any"}})
	require.Len(t, server.Receiver.Notifications(), 2)
	_, err := server.TestNotification(t.Context(), client.TestNotificationRequest{Receiver: "nobody"})
	require.ErrorAs(t, err, new(alerting.UnknownReceiverError))
}

func TestServer_TestNotificationOfACandidateAppliesNothing(t *testing.T) {
	server, other := srcpromtest.Start(t), srcpromtest.NewReceiver(t)
	before := server.Current()
	candidate := srcpromtest.DefaultAlertmanagerConfig(other.URL)
	sent(t, server, client.TestNotificationRequest{Receiver: "test", Documents: map[string]*string{config.AlertmanagerDocument: &candidate}})
	require.Len(t, other.Notifications(), 1)
	require.Empty(t, server.Receiver.Notifications())
	require.Equal(t, before, server.Current())

	wrong := "route: {}"
	_, err := server.TestNotification(t.Context(), client.TestNotificationRequest{Receiver: "test", Documents: map[string]*string{config.AlertmanagerDocument: &wrong}})
	require.ErrorAs(t, err, new(config.Faults))
	require.Equal(t, client.HealthOK, part(t, server.Health(), "configuration").State, "nothing that runs was refused")
}

func TestServer_TestNotificationOfASiteConfiguration(t *testing.T) {
	server, other := srcpromtest.Start(t, withOverlay()), srcpromtest.NewReceiver(t)
	request := client.TestNotificationRequest{Receiver: "site", SiteConfig: &other.URL}
	result := sent(t, server, request)
	require.Equal(t, []client.ConfigProblem{{Description: "`observability.alerts`: alert 1 has no notifier", Kind: "SiteConfig"}}, result.Problems)
	require.Len(t, other.Notifications(), 1)
	require.NotContains(t, server.Current().Documents, config.SiteConfigDocument)

	_, err := server.TestNotification(t.Context(), client.TestNotificationRequest{Receiver: "site", SiteConfig: new(string)})
	require.Equal(t, config.Faults{{Document: config.SiteConfigDocument, Reason: "it is empty"}}, err)
	request.Documents = map[string]*string{config.SiteConfigDocument: &other.URL}
	_, err = server.TestNotification(t.Context(), request)
	require.ErrorAs(t, err, new(config.Faults))
	_, err = server.TestNotification(t.Context(), client.TestNotificationRequest{Receiver: "site", Documents: request.Documents})
	require.ErrorAs(t, err, new(config.Faults), "a site configuration comes in as one")
}

func TestServer_TestNotificationWithoutWhatItNeeds(t *testing.T) {
	server := srcpromtest.Start(t)
	_, err := server.TestNotification(t.Context(), client.TestNotificationRequest{Receiver: "test", SiteConfig: new(string)})
	require.ErrorAs(t, err, new(alerting.QueryError))
	require.ErrorContains(t, err, "reads no site configuration")

	require.NoError(t, server.Stop())
	text := "{}"
	for _, req := range []client.TestNotificationRequest{{Receiver: "test"}, {Receiver: "test", Documents: map[string]*string{"rules/a": &text}}} {
		_, err = server.TestNotification(t.Context(), req)
		require.Error(t, err)
	}
	_, err = (&srcprom.Server{}).TestNotification(t.Context(), client.TestNotificationRequest{Receiver: "test"})
	require.ErrorContains(t, err, "was not made by New")
}
