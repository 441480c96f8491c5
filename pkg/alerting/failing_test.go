package alerting

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

func TestManager_FailingIntegrationIsListedUntilItsNextSuccess(t *testing.T) {
	var works atomic.Bool
	hook := newWebhook(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		if !works.Load() {
			http.Error(w, "no such hook", http.StatusNotFound)
		}
		return works.Load()
	})
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	requireMetric(t, h.promReg, 1, "srcprom_alerting_failing_integrations")
	failing := h.FailingIntegrations()
	require.Len(t, failing, 1)
	require.Equal(t, "team", failing[0].Receiver)
	require.Equal(t, "webhook[0]", failing[0].Integration)
	require.Equal(t, "unexpected status code 404: no such hook", failing[0].LastError)
	require.True(t, failing[0].GaveUp)
	require.Positive(t, failing[0].Failures)
	require.WithinDuration(t, time.Now(), failing[0].Since, patience)
	works.Store(true)
	hook.requireMessages(t, 1)
	requireMetric(t, h.promReg, 0, "srcprom_alerting_failing_integrations")
}

func TestManager_FailingIntegrationThatIsRemovedIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		n.answer = func(_ time.Duration, receiver, _ string) (int, time.Duration) {
			if receiver == "team" {
				return http.StatusInternalServerError, 0
			}
			return http.StatusOK, 0
		}
		h.apply(effective(t, virtualYML("group_wait: 1s", "group_interval: 10m")))
		h.Send(fresh("a"))
		n.at(2 * time.Minute)
		require.Len(t, h.FailingIntegrations(), 1)
		h.apply(effective(t, routeYML("other")+"receivers:\n"+webhookReceiver("other", "http://other")))
		before := len(n.notifications())
		n.at(9 * time.Minute)
		require.True(t, slices.ContainsFunc(n.notifications()[before:], func(one told) bool { return one.Receiver == "team" }), "what was begun is tried on")
		require.Empty(t, h.FailingIntegrations())
	})
}

func TestFailures_AttemptsThatMayYetSucceedCountAfterAMinute(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		f, at, other := newFailures(), integrationID{"team", "webhook[0]"}, integrationID{"a", "email[0]"}
		f.keep(map[integrationID]bool{at: true, other: true})
		f.failed(at, "first", false)
		time.Sleep(failingFrom - time.Second)
		f.failed(at, "second", false)
		require.Empty(t, f.list(time.Now()))
		time.Sleep(time.Second)
		require.Equal(t, []FailingIntegration{{
			Receiver: "team", Integration: "webhook[0]", Since: time.Now().Add(-failingFrom), Failures: 2, LastError: "second",
		}}, f.list(time.Now()))
		f.failed(other, "gave up", true)
		require.Len(t, f.list(time.Now()), 2)
		require.Equal(t, "a", f.list(time.Now())[0].Receiver)
		f.ended(at)
		require.Len(t, f.list(time.Now()), 1)
		f.failed(at, "again", false)
		require.Len(t, f.list(time.Now()), 1, "a success in between begins anew")
	})
}
