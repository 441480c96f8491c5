package alerting

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/state"
)

func (h *harness) intents() (left []*decision) {
	h.t.Helper()
	require.NoError(h.t, h.engine.state.Flush(h.t.Context()))
	require.NoError(h.t, h.engine.state.Each(state.Intents, func(_ string, value []byte) error {
		d, err := unpack(value)
		left = append(left, d)
		return err
	}))
	return left
}

// holding is a receiver that answers when it is told to.
func holding(t *testing.T) (hook *webhookServer, begun chan struct{}, answer func()) {
	begun, release := make(chan struct{}, 10), make(chan struct{})
	hook = newWebhook(t, func(int, http.ResponseWriter, *http.Request) bool {
		begun <- struct{}{}
		<-release
		return true
	})
	return hook, begun, func() { close(release) }
}

func TestIntent_KilledWhileSendingIsInDoubtAndRepeatedOnce(t *testing.T) {
	hook, begun, answer := holding(t)
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	<-begun
	next := h.again(nil)
	answer()
	hook.requireMessages(t, 1)

	requireMetric(t, next.promReg, 1, "srcprom_notifications_in_doubt_total")
	entry := next.requireHistory(client.HistoryQuery{}, "DiskFull firing: failed team/webhook[0], first notification")[0]
	require.True(t, entry.InDoubt)
	require.Equal(t, "the server was killed between sending and the answer; it is sent once more", entry.Error)
	require.Len(t, next.intents(), 1, "it is kept until the repeat is decided")
	next = next.again(nil) // killed once more before
	requireMetric(t, next.promReg, 0, "srcprom_notifications_in_doubt_total")

	next.start()
	next.apply(effective(t, webhookYML(hook.URL)))
	next.requireHistory(client.HistoryQuery{},
		"DiskFull firing: failed team/webhook[0], first notification",
		"DiskFull firing: delivered team/webhook[0], first notification",
		"DiskFull firing: deduplicated team/webhook[0], repeat interval not elapsed",
	)
	require.Empty(t, next.intents())
	hook.requireMessages(t, 2)
}

func TestIntent_KilledAfterTheOutcomeIsNotRepeated(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
	require.Eventually(t, func() bool { return h.engine.stage.inFlight() == 0 }, patience, tick, "still sending")
	next := h.again(nil).start()
	next.apply(effective(t, webhookYML(hook.URL)))
	next.requireHistory(client.HistoryQuery{Matchers: []string{`alertname="DiskFull"`}, Outcome: client.OutcomeDeduplicated},
		"DiskFull firing: deduplicated team/webhook[0], repeat interval not elapsed")
	hook.requireMessages(t, 1)
	requireMetric(t, next.promReg, 0, "srcprom_notifications_in_doubt_total")
}

// The receiver may have got the notification in doubt: then it must be told of the
// end, although the notification log knows of no beginning.
func TestIntent_EndOfWhatWasInDoubtIsTold(t *testing.T) {
	hook, begun, answer := holding(t)
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	<-begun
	next := h.again(nil)
	answer()
	next.start()
	next.Send(resolved("DiskFull"))
	require.Eventually(t, func() bool { return next.firing() == 0 }, patience, tick, "the alert goes on firing")
	next.apply(effective(t, webhookYML(hook.URL)))
	hook.requireMessages(t, 2)
	require.Equal(t, "resolved", hook.messages()[1].Status)
	require.Eventually(t, func() bool { return len(next.intents()) == 0 }, patience, tick, "it stays in doubt")
}

// firing is how many alerts fire.
func (h *harness) firing() int {
	n := 0
	alerts := h.engine.alerts.GetPending()
	defer alerts.Close()
	for a := range alerts.Next() {
		if !a.Data.Resolved() {
			n++
		}
	}
	return n
}

// The receiver may have been told of the end, and not know that it fires again.
func TestIntent_FiringAgainAfterAnEndInDoubtIsTold(t *testing.T) {
	release := make(chan struct{})
	hook := newWebhook(t, func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 2 {
			<-release
		}
		return true
	})
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
	h.Send(resolved("DiskFull"))
	require.Eventually(t, func() bool { return hook.requests() == 2 }, patience, tick, "the end is not told")
	next := h.again(nil).start()
	close(release)
	next.fire("DiskFull")
	require.Eventually(t, func() bool { return next.firing() == 1 }, patience, tick, "the alert does not fire")
	next.apply(effective(t, webhookYML(hook.URL)))
	hook.requireMessages(t, 3)
	require.Equal(t, "firing", hook.messages()[2].Status)
	next.requireHistory(client.HistoryQuery{Matchers: []string{`alertname="DiskFull"`}},
		"DiskFull firing: delivered team/webhook[0], first notification",
		"DiskFull resolved: failed team/webhook[0], all alerts resolved",
		"DiskFull firing: delivered team/webhook[0], first notification",
		"DiskFull firing: deduplicated team/webhook[0], repeat interval not elapsed",
	)
}

func TestIntent_FailedRepeatStaysInDoubt(t *testing.T) {
	hook, begun, answer := holding(t)
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	<-begun
	next := h.again(nil).start()
	answer()
	refusing := newWebhook(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		return false
	})
	next.apply(effective(t, webhookYML(refusing.URL)))
	require.Eventually(t, func() bool { return refusing.requests() > 1 }, patience, tick, "the repeat is not tried")
	require.Eventually(t, func() bool {
		left := next.intents()
		return len(left) == 1 && left[0].InDoubt
	}, patience, tick, "it is not in doubt any more")
	next.apply(effective(t, routeYML("other")+"receivers:\n"+webhookReceiver("other", hook.URL)))
	require.Eventually(t, func() bool { return len(next.intents()) == 0 }, patience, tick, "it stays although its receiver is gone")
}

func TestIntent_OldDoubtIsForgotten(t *testing.T) {
	h := newHarness(t, nil)
	d := &decision{
		Receiver: "team", Integration: "webhook[0]", GroupKey: "g", InDoubt: true, Begun: time.Now().Add(-maxDoubt - time.Minute).UnixNano(),
		Alerts: []decidedAlert{{Labels: model.LabelSet{"alertname": "DiskFull"}}},
	}
	id := sendID{integrationID{"team", "webhook[0]"}, "g"}
	h.engine.pipelines.keepInDoubt(id, d)
	require.Len(t, h.intents(), 1)
	require.Empty(t, h.again(nil).intents())
	d.Begun = time.Now().UnixNano()
	h.engine.pipelines.keepInDoubt(id, d)
	require.Len(t, h.intents(), 1)
	require.Len(t, h.again(nil).intents(), 1)
}

func TestIntent_OutcomeRemovesIt(t *testing.T) {
	hook := newWebhook(t, func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/refuse" {
			w.WriteHeader(http.StatusNotFound)
		}
		return true
	})
	h := running(t, routeYML("team", "routes:", `- {matchers: [alertname="Refused"], receiver: refusing}`)+
		"receivers:\n"+webhookReceiver("team", hook.URL)+webhookReceiver("refusing", hook.URL+"/refuse"))
	h.fire("DiskFull", "Refused")
	h.requireEntries(3)
	require.Eventually(t, func() bool { return h.engine.stage.inFlight() == 0 && len(h.intents()) == 0 }, patience, tick,
		"intents are left")
	requireMetric(t, h.again(nil).promReg, 0, "srcprom_notifications_in_doubt_total")
}

func TestIntent_OnlyThatOfTheHangingIntegrationIsLeft(t *testing.T) {
	hook, begun, answer := holding(t)
	defer answer()
	quick := newWebhook(t, nil)
	h := newHarness(t, func(o *Options, _ *Deps) { o.DrainTimeout = 10 * time.Millisecond }).start()
	h.apply(effective(t, webhookYML(hook.URL)+"  - url: "+quick.URL+"\n"))
	h.fire("DiskFull")
	<-begun
	h.requireHistory(client.HistoryQuery{}, "DiskFull firing: delivered team/webhook[1], first notification")
	left := h.intents()
	require.Len(t, left, 1)
	require.Equal(t, "team", left[0].Receiver)
	require.Equal(t, "webhook[0]", left[0].Integration)
	require.Equal(t, `{}:{alertname="DiskFull"}`, left[0].GroupKey)
}

// The write of the entry in the notification log may come before that of the rest.
func TestIntent_KilledAfterTheLogEntryIsDelivered(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	delivered := h.requireHistory(client.HistoryQuery{Outcome: client.OutcomeDelivered},
		"DiskFull firing: delivered team/webhook[0], first notification")[0]
	for _, c := range []struct {
		name  string
		begun int64
		want  int
	}{
		{"and after the history", h.lastBegun(), 1},
		{"and before the history", h.lastBegun() - 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.engine.pipelines.recoverIntent(t.Context(), &decision{
				Outcome: client.OutcomeDelivered, Receiver: "team", Integration: "webhook[0]", GroupKey: delivered.GroupKey, Begun: c.begun,
				Alerts: []decidedAlert{{Labels: model.LabelSet{"alertname": "DiskFull"}}},
			})
			require.Len(t, h.history(client.HistoryQuery{Outcome: client.OutcomeDelivered}), c.want)
			require.Empty(t, h.history(client.HistoryQuery{Outcome: client.OutcomeFailed}))
		})
	}
}

// lastBegun is when the last notification was begun.
func (h *harness) lastBegun() int64 {
	entries, err := h.engine.state.History(h.t.Context(), 0, 100)
	require.NoError(h.t, err)
	for _, entry := range entries {
		d, err := unpack(entry.Value)
		require.NoError(h.t, err)
		if d.Outcome == client.OutcomeDelivered {
			return d.Begun
		}
	}
	return 0
}

func TestIntent_UnreadableIsLeftOut(t *testing.T) {
	h := newHarness(t, nil)
	h.engine.state.Put(state.Intents, "a", []byte("?"))
	h.engine.state.Put(state.Intents, "b", []byte("j{}"))
	require.NoError(t, h.engine.state.Flush(t.Context()))
	next := h.again(nil)
	require.Empty(t, next.intents())
	require.Empty(t, next.history(client.HistoryQuery{}))
}

func TestIntent_NotificationIsSentWhereItCannotBeWritten(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	h.disk.fail(errDiskFull)
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
	requireMetric(t, h.promReg, 1, "srcprom_notification_intents_unwritten_total")
	h.fire("Other")
	hook.requireMessages(t, 2)
	requireMetric(t, h.promReg, 2, "srcprom_notification_intents_unwritten_total")
	require.Equal(t, map[string]int{"DiskFull": 1, "Other": 1}, hook.names(), "what was sent is not repeated either")
	h.disk.mend()
}

func TestIntent_ResolvedThatWasToldIsNotRepeatedWhileNothingCanBeWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)))
		h.Send(fresh("a"), fresh("b"))
		n.at(time.Second)
		h.disk.fail(errDiskFull)
		h.Send(ended("b"))
		n.at(7 * time.Second)
		h.Send(fresh("c"))
		n.at(13 * time.Second)
		h.Send(fresh("d"))
		n.at(20 * time.Second)
		h.disk.mend()
		require.Equal(t, []string{
			toldTeam("500ms", "a b"), toldTeam("6.5s", "(b) a"), toldTeam("12.5s", "a c"), toldTeam("18.5s", "a c d"),
		}, texts(n.notifications()))
		requireMetric(t, h.promReg, 3, "srcprom_notification_intents_unwritten_total")
	})
}

func TestIntent_DiskThatHangsDelaysOnlyForAWhile(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	h.engine.pipelines.patience = 10 * time.Millisecond
	h.disk.slow(time.Second)
	begin := time.Now()
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
	require.Less(t, time.Since(begin), time.Second)
	h.disk.slow(0)
	require.Eventually(t, func() bool { return len(h.intents()) == 0 }, patience, tick, "the intent is left")
	hook.requireMessages(t, 1)
}
