package alerting

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// rules stand for the rules of a server, and say how alerts stand.
type rules struct {
	mu sync.Mutex          // guards what follows
	by map[string]Standing // by the name of the alert
}

func (r *rules) set(name string, s Standing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[string]Standing{}
	}
	r.by[name] = s
}

func (r *rules) standing(lset labels.Labels) Standing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.by[lset.Get("alertname")]
}

func (r *rules) deps(_ *Options, d *Deps) { d.Standing = r.standing }

func (h *harness) fireRule(value float64, alerts ...*notifier.Alert) {
	for _, a := range alerts {
		h.SendRuleAlerts(RuleAlert{Alert: a, Value: value})
	}
}

// alertNamed is the alert of that name in the provider; nil when there is none.
func (h *harness) alertNamed(name string, more ...string) *model.Alert {
	lset := model.LabelSet{"alertname": model.LabelValue(name)}
	for i := 0; i < len(more); i += 2 {
		lset[model.LabelName(more[i])] = model.LabelValue(more[i+1])
	}
	a, err := h.engine.alerts.Get(lset.Fingerprint())
	if err != nil {
		return nil
	}
	return &a.Alert
}

func (h *harness) post(path, body string) (status int, answer string) {
	return request(h.t, http.MethodPost, h.serve().URL+"/alertmanager/api/v2/"+path, body)
}

// silencesNow are the silences by their comment, with their states.
func (h *harness) silencesNow() map[string]string {
	h.t.Helper()
	all, _, err := h.engine.silences.Query(h.t.Context())
	require.NoError(h.t, err)
	now, states := time.Now(), map[string]string{}
	for _, s := range all {
		states[s.Comment] = "active"
		if !s.EndsAt.AsTime().After(now) {
			states[s.Comment] = "expired"
		}
	}
	return states
}

func TestRestore_SilencesAndNotificationsSurviveACrash(t *testing.T) {
	hook := newWebhook(t, nil)
	first := running(t, webhookYML(hook.URL))
	first.fire("DiskFull")
	hook.requireMessages(t, 1)
	first.silence(silenceText("", "Noise", "test", time.Now().Add(time.Hour)))
	require.Eventually(t, func() bool { return len(stored(t, first.state, state.NotificationLog)) == 1 }, patience, tick, "the entry is not written")

	second := first.again(nil).start()
	requireMetric(t, second.promReg, 1, "srcprom_alerting_restored_records", "kind", "silences")
	requireMetric(t, second.promReg, 1, "srcprom_alerting_restored_records", "kind", "nflog")
	requireMetric(t, second.promReg, 1, "srcprom_alerting_restored_records", "kind", "alerts")
	second.apply(effective(t, webhookYML(hook.URL)))
	second.fire("DiskFull", "Noise", "New")
	hook.requireMessages(t, 2)
	require.Equal(t, map[string]int{"DiskFull": 1, "New": 1}, hook.names())
}

func TestRestore_BadRecordIsSetAsideAlone(t *testing.T) {
	s := openState(t, t.TempDir())
	s.Put(state.Silences, "good", framed(t, silenced("good", "Good")))
	s.Put(state.Silences, "bad", framed(t, silenced("bad", "Bad", func(m *silencepb.MeshSilence) {
		m.Silence.MatcherSets[0].Matchers[0].Type = silencepb.Matcher_REGEXP
		m.Silence.MatcherSets[0].Matchers[0].Pattern = "("
	})))
	s.Put(state.Silences, "other", framed(t, silenced("misplaced", "Misplaced")))
	s.Put(state.NotificationLog, "bad", []byte("nonsense"))
	s.Put(state.Alerts, "bad", []byte("nonsense"))
	require.NoError(t, s.Flush(t.Context()))

	var log bytes.Buffer
	h := newHarness(t, func(_ *Options, d *Deps) {
		d.State, d.Logger = s, slog.New(slog.NewTextHandler(&log, nil))
	}).start()
	hook := newWebhook(t, nil)
	h.apply(effective(t, webhookYML(hook.URL)))
	h.fire("Good", "Bad")
	hook.requireMessages(t, 1)
	require.Equal(t, map[string]int{"Bad": 1}, hook.names(), "the good silence works")
	requireMetric(t, h.promReg, 2, "srcprom_alerting_set_aside_records", "kind", "silences")
	requireMetric(t, h.promReg, 1, "srcprom_alerting_set_aside_records", "kind", "nflog")
	requireMetric(t, h.promReg, 1, "srcprom_alerting_set_aside_records", "kind", "alerts")
	h.stop()
	require.Contains(t, log.String(), `key=bad`)
	require.Contains(t, log.String(), `read silence \"bad\": matcher of \"alertname\"`)
	require.Len(t, stored(t, s, state.Silences), 3, "what is set aside stays for who wants to look at it")
}

func TestRestore_RecordWithALongKeyIsTakenUpAlsoUnderItsOldOne(t *testing.T) {
	s := openState(t, t.TempDir())
	older, newer := strings.Repeat("older", 1000), strings.Repeat("newer", 1000)
	s.Put(state.Silences, oldKey(older), framed(t, silenced(older, "Older")))
	s.Put(state.Silences, newer, framed(t, silenced(newer, "Newer")))
	require.NoError(t, s.Flush(t.Context()))
	h := newHarness(t, func(_ *Options, d *Deps) { d.State = s })
	require.NotNil(t, h.silenceByID(older))
	require.NotNil(t, h.silenceByID(newer))
	all := stored(t, s, state.Silences)
	require.Len(t, all, 2)
	require.Contains(t, all, state.Key(older))
	require.NoError(t, h.Close())

	again := newHarness(t, func(_ *Options, d *Deps) { d.State = s })
	require.NotNil(t, again.silenceByID(older))
	again.engine.silenceJournal.sweep(time.Now().Add(24 * time.Hour))
	require.Empty(t, stored(t, s, state.Silences))
}

func TestRestore_WhatHasExpiredLeavesTheState(t *testing.T) {
	s := openState(t, t.TempDir())
	s.Put(state.Silences, "old", framed(t, silenced("old", "Old", func(m *silencepb.MeshSilence) {
		m.ExpiresAt = m.Silence.UpdatedAt
	})))
	old := alertRecord{
		Labels:   model.LabelSet{"alertname": "Old"},
		StartsAt: time.Now().Add(-1000 * time.Hour),
		EndsAt:   time.Now().Add(-999 * time.Hour),
		Ended:    true,
		Source:   sourceClient,
	}
	value, err := encodeAlert(old.alert(), old.origin(), true)
	require.NoError(t, err)
	s.Put(state.Alerts, old.Labels.Fingerprint().String(), value)
	require.NoError(t, s.Flush(t.Context()))
	newHarness(t, func(_ *Options, d *Deps) { d.State = s })
	require.Empty(t, stored(t, s, state.Silences))
	require.Empty(t, stored(t, s, state.Alerts))
}

func TestRestore_AlertsAboveTheLimitLeaveTheState(t *testing.T) {
	first := running(t, webhookYML(newWebhook(t, nil).URL))
	first.Send(firing("A", "job", "1"), firing("A", "job", "2"))
	require.Eventually(t, func() bool { return len(stored(t, first.state, state.Alerts)) == 2 }, patience, tick, "the alerts are not written")
	second := first.again(func(o *Options, _ *Deps) { o.PerAlertNameLimit = 1 })
	require.Len(t, stored(t, second.state, state.Alerts), 1)
}

func TestAlertRecord_RestoredEnds(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		record  alertRecord
		end     time.Time
		timeout bool
		wait    bool
	}{
		"resolved by its source": {
			record: alertRecord{Source: sourceRule, EndsAt: now.Add(-time.Hour), UpdatedAt: now.Add(-time.Hour), Ended: true},
			end:    now.Add(-time.Hour),
		},
		"of a client, with an end": {
			record: alertRecord{Source: sourceClient, EndsAt: now.Add(-time.Minute), UpdatedAt: now.Add(-time.Hour)},
			end:    now.Add(-time.Minute),
		},
		"of a client, without an end": {
			record:  alertRecord{Source: sourceClient, EndsAt: now.Add(-time.Minute), UpdatedAt: now.Add(-6 * time.Minute), Timeout: true},
			end:     now.Add(restoreGrace),
			timeout: true,
			wait:    true,
		},
		"of a rule": {
			record:  alertRecord{Source: sourceRule, EndsAt: now.Add(-time.Hour), UpdatedAt: now.Add(-2 * time.Hour)},
			end:     now.Add(time.Hour),
			timeout: true,
			wait:    true,
		},
		"of a rule, and later than needed": {
			record: alertRecord{Source: sourceRule, EndsAt: now.Add(10 * time.Hour), UpdatedAt: now.Add(9 * time.Hour)},
			end:    now.Add(10 * time.Hour),
			wait:   true,
		},
	} {
		a, wait := c.record.restored(now)
		require.Equal(t, c.end, a.EndsAt, name)
		require.Equal(t, c.timeout, a.Timeout, name)
		require.Equal(t, c.wait, wait, name)
		require.False(t, a.UpdatedAt.After(now), name)
	}
}

func TestRestore_ResolvedButNotSentIsSentOnce(t *testing.T) {
	hook := newWebhook(t, nil)
	first := running(t, strings.Replace(webhookYML(hook.URL), "group_interval: 200ms", "group_interval: 1h", 1))
	first.Send(firing("A"))
	hook.requireMessages(t, 1)
	status, _ := first.post("alerts", fmt.Sprintf(`[{"labels":{"alertname":"A"},"startsAt":%q,"endsAt":%q}]`,
		time.Now().Add(-time.Minute).Format(time.RFC3339), time.Now().Add(-time.Second).Format(time.RFC3339)))
	require.Equal(t, http.StatusOK, status)

	second := first.again(nil).start()
	second.apply(effective(t, webhookYML(hook.URL)))
	hook.requireMessages(t, 2)
	require.Equal(t, "resolved", hook.messages()[1].Status)

	require.Eventually(t, func() bool { return second.engine.stage.inFlight() == 0 }, patience, tick, "still sending")
	third := second.again(nil).start()
	third.apply(effective(t, webhookYML(hook.URL)))
	third.fire("B")
	hook.requireMessages(t, 3)
	require.Equal(t, map[string]int{"A": 2, "B": 1}, hook.names())
}

// The provider drops what has resolved at its next collection, be that before
// anybody is told.
func TestRestore_ResolvedThatWasCollectedBeforeItWasSentIsSentOnce(t *testing.T) {
	for name, receiverFails := range map[string]bool{"waits for its group": false, "receiver fails": true} {
		t.Run(name, func(t *testing.T) {
			virtual.Test(t, func(t *testing.T) {
				n := newMemoryNet(t)
				n.answer = func(at time.Duration, _, _ string) (int, time.Duration) {
					if receiverFails && at > 2*time.Second && at < 20*time.Second {
						return http.StatusNotFound, 0
					}
					return http.StatusOK, 0
				}
				often := func(o *Options, _ *Deps) { o.AlertGCInterval, o.DispatchMaintenanceInterval = time.Second, time.Second }
				first := virtualHarness(t, n, often).start()
				first.apply(effective(t, virtualYML(sixSeconds...)))
				first.Send(fresh("a"), fresh("b"))
				n.at(1500 * time.Millisecond)
				first.Send(ended("a"))
				down := 4 * time.Second
				if receiverFails {
					down = 20 * time.Second
				}
				n.at(down)
				require.Nil(t, first.alertNamed("A", "n", "a"), "the provider has dropped it")
				second := first.again(often) // as after a SIGKILL
				first.stop()
				told := len(n.notifications())

				second.engine.conns.connect = n.dial
				second.start().apply(effective(t, virtualYML(sixSeconds...)))
				n.at(down + time.Minute)
				after := n.notifications()[told:]
				require.Len(t, after, 1)
				require.Equal(t, "(a) b", after[0].Alerts)
				require.Len(t, stored(t, second.state, state.Alerts), 1, "what was told leaves the state")
			})
		})
	}
}

func TestRestore_EndIsToldAlsoAfterDays(t *testing.T) {
	inBubble(t, func(t *testing.T, first *harness, n *memoryNet) {
		yml := virtualYML("group_interval: 5m", "repeat_interval: 1h")
		first.apply(effective(t, yml))
		a := fresh("a")
		a.EndsAt = time.Now().Add(2 * time.Hour)
		first.Send(a)
		n.at(time.Minute)
		first.stop()
		told := len(n.notifications())
		n.at(100 * time.Hour)
		second := first.again(nil)
		second.engine.conns.connect = n.dial
		second.start().apply(effective(t, yml))
		n.at(101 * time.Hour)
		require.Len(t, n.notifications(), told+1)
		require.Equal(t, "(a)", n.notifications()[told].Alerts)
	})
}

func TestRestore_ResolvedThatWasNeverNotifiedIsNotSent(t *testing.T) {
	hook := newWebhook(t, nil)
	first := newHarness(t, nil).start()
	first.apply(effective(t, strings.Replace(webhookYML(hook.URL), "group_wait: 10ms", "group_wait: 1h", 1)))
	fresh := firing("A")
	fresh.StartsAt = time.Now()
	first.fireRule(1, fresh)
	require.Eventually(t, func() bool { return len(stored(t, first.state, state.Alerts)) == 1 }, patience, tick, "the alert is not written")
	var r rules
	r.set("A", StandingInactive)
	second := first.again(r.deps).start()
	second.apply(effective(t, strings.Replace(webhookYML(hook.URL), "group_wait: 10ms", "group_wait: 2s", 1)))
	require.Eventually(t, func() bool { return second.alertNamed("A").Resolved() }, patience, tick, "it is not resolved")
	second.requireHistory(client.HistoryQuery{}, "A resolved: deduplicated team/webhook[0], resolved before it was notified")
	require.Empty(t, hook.messages())
}

// Its end passed while the server ran, although nobody said so.
func TestRestore_AlertThatTimedOutStaysResolved(t *testing.T) {
	hook := newWebhook(t, nil)
	var r rules
	first := newHarness(t, r.deps).start()
	first.apply(effective(t, webhookYML(hook.URL)))
	short := firing("A")
	short.EndsAt = time.Now().Add(500 * time.Millisecond)
	first.fireRule(1, short)
	hook.requireMessages(t, 2)
	require.Equal(t, "resolved", hook.messages()[1].Status)
	require.Eventually(t, func() bool { return first.engine.stage.inFlight() == 0 }, patience, tick, "still sending")

	second := first.again(r.deps).start()
	second.apply(effective(t, webhookYML(hook.URL)))
	require.True(t, second.alertNamed("A").Resolved())
	second.fire("B")
	hook.requireMessages(t, 3)
	require.Equal(t, map[string]int{"A": 2, "B": 1}, hook.names())
}

func TestOrigin_SurvivesACrash(t *testing.T) {
	var r rules
	first := newHarness(t, r.deps).start()
	withLabels := effective(t, webhookYML(newWebhook(t, nil).URL), func(next *config.Effective) {
		next.Prometheus = prometheusYML(t, "global: {external_labels: {site: berlin}}")
	})
	first.apply(withLabels)
	first.fireRule(math.Inf(1), firing("Rule"))
	first.SendHealth(firing("Health"))
	status, _ := first.post("alerts", alertsJSON("Client"))
	require.Equal(t, http.StatusOK, status)
	fp := func(pairs model.LabelSet) model.Fingerprint { return pairs.Fingerprint() }
	rule, health := fp(model.LabelSet{"alertname": "Rule", "site": "berlin"}), fp(model.LabelSet{"alertname": "Health", "site": "berlin"})
	posted := fp(model.LabelSet{"alertname": "Client"})
	check := func(h *harness) {
		require.Eventually(t, func() bool { return len(stored(t, h.state, state.Alerts)) == 3 }, patience, tick, "the alerts are not written")
		o := h.engine.origin(rule)
		require.Equal(t, sourceRule, o.Source)
		require.True(t, math.IsInf(o.Value, 1))
		require.Equal(t, labels.FromStrings("alertname", "Rule"), o.RuleLabels)
		require.WithinDuration(t, time.Now(), o.ReceivedAt, patience)
		require.Equal(t, sourceHealth, h.engine.origin(health).Source)
		require.Equal(t, sourceClient, h.engine.origin(posted).Source)
		require.Empty(t, h.engine.origin(1))
	}
	check(first)
	second := first.again(r.deps).start()
	second.apply(withLabels)
	check(second)
	second.fireRule(2, firing("Rule"))
	require.Eventually(t, func() bool { return second.engine.origin(rule).Value == 2 }, patience, tick, "the value is not that of the last evaluation")
}

func TestAlertJournal_MovedEndIsWrittenOnlyWhereItIsNeeded(t *testing.T) {
	var r rules
	h := newHarness(t, r.deps).start()
	h.apply(effective(t, webhookYML(newWebhook(t, nil).URL)))
	written := func(send func()) bool {
		before := fmt.Sprint(stored(t, h.state, state.Alerts))
		at := time.Now()
		send()
		require.Eventually(t, func() bool {
			a := h.engine.origin(model.LabelSet{"alertname": "A"}.Fingerprint())
			return a.ReceivedAt.After(at)
		}, patience, tick, "the alert has not come in")
		return before != fmt.Sprint(stored(t, h.state, state.Alerts))
	}
	a := func(annotation string) *notifier.Alert {
		next := firing("A")
		next.StartsAt = h.startedAt()
		next.Annotations = labels.FromStrings("text", annotation)
		return next
	}
	require.True(t, written(func() { h.fireRule(1, a("x")) }), "new")
	require.False(t, written(func() { h.fireRule(2, a("x")) }), "its end moved")
	require.True(t, written(func() { h.fireRule(2, a("y")) }), "its annotation changed")
	ended := a("y")
	ended.EndsAt = time.Now()
	require.True(t, written(func() { h.fireRule(2, ended) }), "it ended")
	require.False(t, written(func() { h.fireRule(2, ended) }), "it ended as before")
	require.True(t, written(func() { h.Send(a("y")) }), "from somebody else")
	require.True(t, written(func() { h.Send(a("y")) }), "an end that a client set is kept")
}

func (h *harness) startedAt() time.Time { return h.engine.start.Add(-time.Minute) }

func TestAlertJournal_CollectedAlertLeavesTheState(t *testing.T) {
	hook := newWebhook(t, nil) // closed after the harness: a stop would wait for its attempts
	h := newHarness(t, func(o *Options, _ *Deps) {
		o.AlertGCInterval, o.DispatchMaintenanceInterval = 20*time.Millisecond, 20*time.Millisecond
	}).start()
	h.apply(effective(t, webhookYML(hook.URL)))
	h.fire("Stays")
	h.Send(resolved("Goes"))
	require.Eventually(t, func() bool {
		all := stored(t, h.state, state.Alerts)
		_, stays := all[model.LabelSet{"alertname": "Stays"}.Fingerprint().String()]
		return len(all) == 1 && stays
	}, patience, tick, "the resolved alert does not leave the state")
}

func TestAlertJournal_AlertThatCameBackIsNotDeleted(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	h.fire("A")
	require.Eventually(t, func() bool { return len(stored(t, h.state, state.Alerts)) == 1 }, patience, tick, "the alert is not written")
	fp := model.LabelSet{"alertname": "A"}.Fingerprint()
	current, err := h.engine.alerts.Get(fp)
	require.NoError(t, err)
	old := *current // as if collected, and put again since
	h.engine.alertJournal.PostDelete(&old)
	require.Len(t, stored(t, h.state, state.Alerts), 1)
	require.Equal(t, sourceClient, h.engine.origin(fp).Source)
}

func TestManager_StopWritesAll(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	for i := range 1000 {
		h.fire("A" + strings.Repeat("x", i%7) + fmt.Sprint(i))
	}
	h.stop()
	second := h.again(nil)
	requireMetric(t, second.promReg, 1000, "srcprom_alerting_restored_records", "kind", "alerts")
}

func TestManager_StopSaysWhatIsNotWritten(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	h.disk.fail(errDiskFull)
	h.fire("A")
	require.Eventually(t, func() bool { return h.alertNamed("A") != nil }, patience, tick, "the alert has not come in")
	require.ErrorContains(t, h.engine.releases.Unwind(), "write the last changes")
	h.disk.mend()
}
