package alerting

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// crashed is a Manager that starts after one that had notified of alert A, made by
// a rule, was killed. edit may age what the state knows.
func crashed(t *testing.T, hook *webhookServer, r *rules, edit ...func(*alertRecord)) *harness {
	t.Helper()
	first := newHarness(t, r.deps).start()
	first.apply(effective(t, webhookYML(hook.URL)))
	first.fireRule(1, firing("A"))
	hook.requireMessages(t, 1)
	require.Eventually(t, func() bool { return len(stored(t, first.state, state.Alerts)) == 1 }, patience, tick, "the alert is not written")
	require.Eventually(t, func() bool { return first.engine.stage.inFlight() == 0 }, patience, tick, "still sending")
	for key, value := range stored(t, first.state, state.Alerts) {
		record, err := decodeAlert(key, value)
		require.NoError(t, err)
		for _, f := range edit {
			f(&record)
		}
		value, err = encodeAlert(record.alert(), record.origin(), record.Ended)
		require.NoError(t, err)
		first.state.Put(state.Alerts, key, value)
	}
	require.NoError(t, first.state.Flush(t.Context()))
	return first.again(r.deps)
}

// downLong ages an alert as if the server had been down past its end.
func downLong(r *alertRecord) {
	r.StartsAt, r.EndsAt, r.UpdatedAt = r.StartsAt.Add(-24*time.Hour), r.UpdatedAt.Add(-24*time.Hour+4*time.Minute), r.UpdatedAt.Add(-24*time.Hour)
}

// look makes a look happen and waits until it has.
func (h *harness) look() {
	h.t.Helper()
	due := h.engine.reconciler.due
	for range 2 { // the second begins when the first has ended
		h.engine.reconciler.nudge()
		require.Eventually(h.t, func() bool { return len(due) == 0 }, patience, tick, "no look at restored alerts")
	}
}

// handedOver waits until all that was sent has been delivered.
func (h *harness) handedOver() {
	h.t.Helper()
	requireMetric(h.t, h.promReg, 0, "prometheus_notifications_queue_length", "alertmanager", h.engine.intake.target)
	h.look() // in the same goroutine as the delivery
}

func TestReconcile_AlertStaysUntilItsRuleKnows(t *testing.T) {
	for name, edit := range map[string][]func(*alertRecord){"down shortly": nil, "down past its end": {downLong}} {
		hook := newWebhook(t, nil)
		var r rules
		h := crashed(t, hook, &r, edit...).start()
		started := h.alertNamed("A").StartsAt
		h.apply(effective(t, webhookYML(hook.URL)))
		h.look()
		require.False(t, h.alertNamed("A").Resolved(), name)
		requireMetric(t, h.promReg, 1, "srcprom_alerting_undecided_alerts")
		r.set("A", StandingActive)
		h.look()
		require.False(t, h.alertNamed("A").Resolved(), name)
		require.Len(t, hook.messages(), 1, name)

		r.set("A", StandingInactive)
		hook.requireMessages(t, 2)
		require.Equal(t, "resolved", hook.messages()[1].Status, name)
		require.True(t, h.alertNamed("A").StartsAt.Equal(started), name)
		requireMetric(t, h.promReg, 0, "srcprom_alerting_undecided_alerts")
		h.fireRule(1, firing("B"))
		hook.requireMessages(t, 3)
		h.stop()
		require.Equal(t, map[string]int{"A": 2, "B": 1}, hook.names(), name)
	}
}

func TestReconcile_AlertOfRuleThatIsGoneIsResolved(t *testing.T) {
	hook := newWebhook(t, nil)
	var r rules
	h := crashed(t, hook, &r).start()
	r.set("A", StandingGone)
	h.look()
	require.False(t, h.alertNamed("A").Resolved(), "before the first configuration nothing is decided")
	h.apply(effective(t, webhookYML(hook.URL)))
	hook.requireMessages(t, 2)
	require.Equal(t, "resolved", hook.messages()[1].Status)
}

func TestReconcile_ClaimedAlertBelongsToItsRule(t *testing.T) {
	hook := newWebhook(t, nil)
	var r rules
	h := crashed(t, hook, &r).start()
	started := h.alertNamed("A").StartsAt
	h.apply(effective(t, webhookYML(hook.URL)))
	r.set("A", StandingActive)
	again := firing("A")
	again.StartsAt = time.Now()
	again.EndsAt = time.Now().Add(time.Minute)
	h.fireRule(1, again)
	h.handedOver()
	h.look()
	requireMetric(t, h.promReg, 0, "srcprom_alerting_undecided_alerts")
	current := h.alertNamed("A")
	require.True(t, current.StartsAt.Equal(started), "it goes on")
	require.True(t, current.EndsAt.Equal(again.EndsAt), "its end is the rule's again")
	r.set("A", StandingInactive)
	h.look()
	require.False(t, h.alertNamed("A").Resolved(), "its rule says when it ends")
	h.fireRule(1, resolved("A"))
	hook.requireMessages(t, 2)
	require.Equal(t, "resolved", hook.messages()[1].Status)
}

// A short lookback, and a first scrape that takes long.
func TestReconcile_ResolvedForLackOfDataIsHeldBack(t *testing.T) {
	hook := newWebhook(t, nil)
	var r rules
	h := crashed(t, hook, &r).start()
	h.apply(effective(t, webhookYML(hook.URL)))
	h.fireRule(1, firing("A")) // the last sample before the crash
	h.handedOver()
	h.fireRule(1, resolved("A")) // which is too old by now
	h.handedOver()
	require.False(t, h.alertNamed("A").Resolved())
	r.set("A", StandingActive) // data is there; "for" begins anew
	h.look()
	h.fireRule(1, resolved("A")) // said again
	h.handedOver()
	require.False(t, h.alertNamed("A").Resolved())
	requireMetric(t, h.promReg, 1, "srcprom_alerting_undecided_alerts")

	r.set("A", StandingInactive)
	hook.requireMessages(t, 2)
	require.Equal(t, "resolved", hook.messages()[1].Status)
	h.fireRule(1, resolved("A")) // rules repeat that for a while
	h.fireRule(1, firing("B"))
	hook.requireMessages(t, 3)
	h.stop()
	require.Equal(t, map[string]int{"A": 2, "B": 1}, hook.names())
}

func TestReconcile_ResolvedOfInactiveRulePasses(t *testing.T) {
	hook := newWebhook(t, nil)
	var r rules
	h := crashed(t, hook, &r).start()
	h.apply(effective(t, webhookYML(hook.URL)))
	r.set("A", StandingInactive)
	h.fireRule(1, resolved("A"))
	hook.requireMessages(t, 2)
	require.Equal(t, "resolved", hook.messages()[1].Status)
}

func TestReconcile_AlertIsExtendedBeforeItEnds(t *testing.T) {
	hook := newWebhook(t, nil)
	var r rules
	h := crashed(t, hook, &r).start()
	h.apply(effective(t, webhookYML(hook.URL)))
	short := firing("A")
	short.EndsAt = time.Now().Add(2 * time.Second)
	h.fireRule(1, short) // and no more
	h.handedOver()
	h.look()
	require.Greater(t, time.Until(h.alertNamed("A").EndsAt), leastValidity)
	r.set("A", StandingInactive)
	h.fireRule(1, resolved("A"))
	hook.requireMessages(t, 2)
}

func TestReconcile_AlertThatItsRuleNowLabelsOtherwiseIsResolved(t *testing.T) {
	hook := newWebhook(t, nil)
	var r rules
	h := crashed(t, hook, &r).start()
	r.set("A", StandingActive)
	h.apply(effective(t, webhookYML(hook.URL), func(next *config.Effective) {
		next.Prometheus = prometheusYML(t, "global: {external_labels: {site: berlin}}")
	}))
	h.fireRule(1, firing("A"))
	require.Eventually(t, func() bool { return h.alertNamed("A").Resolved() && h.alertNamed("A", "site", "berlin") != nil }, patience, tick,
		"the alert without the external label stays")
}

func TestReconcile_OthersGetTheirTimeFromTheFirstConfigurationOn(t *testing.T) {
	hook := newWebhook(t, nil)
	first := newHarness(t, nil).start()
	first.apply(effective(t, webhookYML(hook.URL)+"global: {resolve_timeout: 2m}\n"))
	health := firing("Health")
	health.EndsAt = time.Now().Add(time.Minute)
	first.SendHealth(health)
	first.Send(&notifier.Alert{Labels: firing("Open").Labels}, firing("Ends"))
	rule := firing("Rule") // and nobody knows how it stands
	rule.EndsAt = time.Now().Add(3 * time.Minute)
	first.fireRule(1, rule)
	require.Eventually(t, func() bool { return len(stored(t, first.state, state.Alerts)) == 4 }, patience, tick, "the alerts are not written")
	ends := first.alertNamed("Ends").EndsAt

	h := first.again(nil).start()
	h.look()
	requireMetric(t, h.promReg, 3, "srcprom_alerting_undecided_alerts")
	begin := time.Now()
	h.apply(effective(t, webhookYML(hook.URL)))
	h.look()
	requireMetric(t, h.promReg, 0, "srcprom_alerting_undecided_alerts")
	for name, validity := range map[string]time.Duration{"Health": time.Minute, "Open": 2 * time.Minute, "Rule": 3 * time.Minute} {
		require.WithinDuration(t, begin.Add(validity), h.alertNamed(name).EndsAt, 5*time.Second, name)
	}
	require.True(t, h.alertNamed("Ends").EndsAt.Equal(ends), "clients' ends are kept")
}

func TestReconcile_AlertThatSomebodyElseEndsIsLetGo(t *testing.T) {
	hook := newWebhook(t, nil)
	var r rules
	h := crashed(t, hook, &r).start()
	h.apply(effective(t, webhookYML(hook.URL)))
	h.Send(resolved("A"))
	hook.requireMessages(t, 2)
	h.look()
	requireMetric(t, h.promReg, 0, "srcprom_alerting_undecided_alerts")
	require.True(t, h.alertNamed("A").Resolved())
}
