package alerting

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
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
	hook := newWebhook(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		return false
	})
	other := newWebhook(t, nil)
	h := newHarness(t, func(o *Options, _ *Deps) { o.DrainTimeout = 10 * time.Millisecond }).start()
	h.apply(effective(t, webhookYML(hook.URL)))
	h.fire("DiskFull")
	requireMetric(t, h.promReg, 1, "srcprom_alerting_failing_integrations")
	h.apply(effective(t, routeYML("other")+"receivers:\n"+webhookReceiver("other", other.URL)))
	require.Empty(t, h.FailingIntegrations())
}

func TestFailures_AttemptsThatMayYetSucceedCountAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, at := newFailures(), integrationID{"team", "webhook[0]"}
		f.failed(at, "first", false)
		time.Sleep(failingFrom - time.Second)
		f.failed(at, "second", false)
		require.Empty(t, f.list(time.Now()))
		time.Sleep(time.Second)
		require.Equal(t, []FailingIntegration{{
			Receiver: "team", Integration: "webhook[0]", Since: time.Now().Add(-failingFrom), Failures: 2, LastError: "second",
		}}, f.list(time.Now()))
		f.failed(integrationID{"a", "email[0]"}, "gave up", true)
		require.Len(t, f.list(time.Now()), 2)
		require.Equal(t, "a", f.list(time.Now())[0].Receiver)
		f.ended(at)
		require.Len(t, f.list(time.Now()), 1)
		f.failed(at, "again", false)
		require.Len(t, f.list(time.Now()), 1, "a success in between begins anew")
	})
}
