package alerting

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestLostIntegrations_AreThoseThatRoutesLeadTo(t *testing.T) {
	hook := newWebhook(t, nil)
	h := newHarness(t, nil).start()
	require.Empty(t, h.LostIntegrations(), "before the first configuration")
	lost := []config.Integration{{Receiver: "team", Type: "webhook", Index: 0, Reason: "no such file"}}
	h.apply(effective(t, webhookYML(hook.URL), func(next *config.Effective) { next.Lost = lost }))
	require.Equal(t, lost, h.LostIntegrations())
}

func TestDroppedAlerts_OfExternalAlertmanagersOnly(t *testing.T) {
	hook := newWebhook(t, nil)
	am := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) }))
	t.Cleanup(am.Close)
	h := newExternalHarness(t, nil)
	h.apply(effective(t, webhookYML(hook.URL), withAlertmanagers(t, am.URL)))
	h.requireAlertmanagers(2)
	h.fire("DiskFull")
	target := am.URL + "/api/v2/alerts"
	require.Eventually(t, func() bool { return h.DroppedAlerts()[target] == 1 }, patience, tick, "the alert is not dropped")
	require.NotContains(t, h.DroppedAlerts(), h.engine.target().String())
}

func TestFailedPeers_ThatDoNotAnswer(t *testing.T) {
	hook := newWebhook(t, nil)
	alone := newHarness(t, nil).start()
	require.Zero(t, alone.FailedPeers())

	first := newMember(t)
	first.apply(effective(t, webhookYML(hook.URL)))
	second := newMember(t, first.clusterAddress())
	second.apply(effective(t, webhookYML(hook.URL)))
	require.Eventually(t, func() bool { return first.engine.peer.ClusterSize() == 2 }, patience, tick, "the second has not joined")
	require.Zero(t, first.FailedPeers())
	second.stop()
	require.Eventually(t, func() bool { return first.FailedPeers() == 1 }, patience, tick, "the second has not been missed")
}
