package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"
)

// life is what becomes of the alert of a rule that has one element or none, as
// Prometheus specifies it.
type life struct {
	pending, firing, forState []point
	fired, resolved           []time.Time
}

// lifeOf follows the evaluations of a rule.
func lifeOf(all []evaluation, hold, keep time.Duration) life {
	var l life
	var active, keptSince time.Time
	state := rules.StateInactive
	for _, e := range all {
		before := state
		switch {
		case e.found > 0 && state == rules.StateInactive:
			state, active = rules.StatePending, e.at
		case e.found == 0 && state == rules.StatePending:
			state = rules.StateInactive
		case e.found == 0 && state == rules.StateFiring:
			if keptSince.IsZero() {
				keptSince = e.at
			}
			if e.at.Sub(keptSince) >= keep {
				state = rules.StateInactive
				l.resolved = append(l.resolved, e.at)
			}
		}
		if e.found > 0 {
			keptSince = time.Time{}
		}
		if state == rules.StatePending && e.at.Sub(active) >= hold {
			state = rules.StateFiring
			l.fired = append(l.fired, e.at)
		}
		at := milli(e.at)
		l.pending = follow(l.pending, at, 1, state == rules.StatePending, before == rules.StatePending)
		l.firing = follow(l.firing, at, 1, state == rules.StateFiring, before == rules.StateFiring)
		l.forState = follow(l.forState, at, float64(active.Unix()), state != rules.StateInactive, before != rules.StateInactive)
	}
	return l
}

// follow adds what is stored of a series that is there, or was until now.
func follow(series []point, at time.Time, v float64, is, was bool) []point {
	switch {
	case is:
		return append(series, point{at: at, v: v})
	case was:
		return append(series, point{at: at, stale: true})
	default:
		return series
	}
}

func TestAlerts_LiveAsSpecified(t *testing.T) {
	const interval = 15 * time.Second
	holds := []struct{ hold, keep time.Duration }{
		{0, 0},
		{0, 40 * time.Second},
		{time.Millisecond, time.Millisecond},
		{interval, interval},
		{20 * time.Second, 0},
		{time.Minute, time.Minute},
		{61 * time.Second, 0},
		{50 * time.Second, 5 * time.Minute},
	}
	for name, concurrent := range map[string]bool{"one after another": false, "concurrently": true} {
		t.Run(name, func(t *testing.T) {
			bothModes(t, func(o *Options) { o.ConcurrentEvals = concurrent }, func(t *testing.T, r *rhythm) {
				var groups []string
				for i, h := range holds {
					groups = append(groups, fmt.Sprintf(`g%d {alert: A%[1]d, expr: 'm{job="j"} > %[1]d', for: %s, keep_firing_for: %s}`, i, model.Duration(h.hold), model.Duration(h.keep)))
				}
				r.apply(t, effective(t, "", ruleFile(interval, groups...)))
				begin := time.Now()
				r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, jitter: 40 * time.Millisecond, value: func(at time.Time) float64 {
					return 100 * onAndOff(at.Sub(begin))
				}})
				time.Sleep(time.Hour)
				r.stop()
				for i, h := range holds {
					all := r.of(fmt.Sprintf(`m{job="j"} > %d`, i), time.Time{})
					want := lifeOf(all, h.hold, h.keep)
					name := fmt.Sprint("A", i)
					require.Equal(t, want.pending, r.stored(t, "__name__", "ALERTS", "alertname", name, "alertstate", "pending"), "%v", h)
					require.Equal(t, want.firing, r.stored(t, "__name__", "ALERTS", "alertname", name, "alertstate", "firing"), "%v", h)
					require.Equal(t, want.forState, r.stored(t, "__name__", "ALERTS_FOR_STATE", "alertname", name), "%v", h)
					fired, resolved := r.turns(name)
					require.Equal(t, want.fired, fired, "%v", h)
					require.Equal(t, want.resolved, resolved, "%v", h)
					require.GreaterOrEqual(t, len(fired), 4, "%v", h)
				}
			})
		})
	}
}

// onAndOff is 1 for long and for short whiles, and 0 between.
func onAndOff(t time.Duration) float64 {
	t %= 12 * time.Minute
	on := func(from, until time.Duration) bool { return t >= from && t < until }
	if on(2*time.Minute, 6*time.Minute) || on(7*time.Minute, 7*time.Minute+30*time.Second) || on(8*time.Minute, 8*time.Minute+40*time.Second) {
		return 1
	}
	return 0
}

// turns are when an alert fired, and when it was resolved, as was sent.
func (m *testManager) turns(name string) (fired, resolved []time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.alerts {
		if a.Labels.Get(labels.AlertName) != name {
			continue
		}
		if len(fired) == 0 || !fired[len(fired)-1].Equal(a.FiredAt) {
			fired = append(fired, a.FiredAt)
		}
		if !a.ResolvedAt.IsZero() && (len(resolved) == 0 || !resolved[len(resolved)-1].Equal(a.ResolvedAt)) {
			resolved = append(resolved, a.ResolvedAt)
		}
	}
	return fired, resolved
}

func TestAlerts_LimitEndsThemAll(t *testing.T) {
	bothModes(t, nil, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		r.apply(t, effective(t, "global: {evaluation_interval: 15s}", [2]string{"r.yml", `groups:
- {name: g, limit: 1, rules: [{alert: A, expr: 'm{job="j"} > 0'}]}
- {name: h, limit: 1, rules: [{record: r, expr: 'm{job="j"} > 0'}]}
`}))
		begin := time.Now()
		r.scrape(t, target{job: "j", instance: "one", offset: 4 * time.Second, every: interval},
			target{job: "j", instance: "two", offset: 4 * time.Second, every: interval, value: func(at time.Time) float64 {
				if at.Sub(begin) >= 5*time.Minute && at.Sub(begin) < 10*time.Minute {
					return 1
				}
				return 0
			}})
		time.Sleep(5 * time.Minute)
		before, ok := r.active(t, "A")
		require.True(t, ok)
		time.Sleep(interval + interval/3)
		for name, what := range map[string]string{"g": "exceeded limit of 1 with 2 alerts", "h": "exceeded limit of 1 with 2 series"} {
			rule := r.group(t, name).Rules()[0]
			require.Equal(t, rules.HealthBad, rule.Health())
			require.EqualError(t, rule.LastError(), what)
		}
		require.Len(t, r.Failures(), 2)
		time.Sleep(2 * time.Minute)
		sent, _ := r.sent("A")
		_, ok = r.active(t, "A")
		require.False(t, ok)
		require.Zero(t, sent.ResolvedAt, "the engine forgets them without a word")
		require.Less(t, sent.LastSentAt.Sub(begin), 5*time.Minute+interval+mostSlack)
		time.Sleep(3 * time.Minute)
		require.Empty(t, r.Failures())
		after, ok := r.active(t, "A")
		require.True(t, ok)
		require.Greater(t, after.ActiveAt.Sub(before.ActiveAt), 9*time.Minute, "it begins anew")
		for _, p := range without(r.stored(t, "__name__", "r", "instance", "one")) {
			within := p.at.Sub(begin) - 5*time.Minute
			require.False(t, within > interval && within < 5*time.Minute, "recorded at %s", p.at)
		}
	})
}

func TestAlerts_NoneExpiresBetweenTwoSendings(t *testing.T) {
	const resend = time.Minute
	for _, interval := range []time.Duration{15 * time.Second, 2 * time.Minute} {
		t.Run(interval.String(), func(t *testing.T) {
			bothModes(t, func(o *Options) { o.ResendDelay = resend }, func(t *testing.T, r *rhythm) {
				const expr = `count(m{job="j"} offset -1ms) > 0 or vector(1)`
				r.apply(t, effective(t, "", ruleFile(interval, `g {alert: A, expr: '`+expr+`'}`)))
				begin := time.Now()
				r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, jitter: interval / 5, down: func(at time.Time) bool {
					return at.Sub(begin)/(7*time.Minute)%2 == 1
				}})
				for i := range 30 { // so that there are evaluations in bunches
					r.scrape(t, target{job: "j", instance: fmt.Sprint(i), offset: time.Duration(i) * interval / 30, every: interval, down: func(at time.Time) bool {
						return at.Sub(begin)/(11*time.Minute)%2 == 1
					}})
				}
				for i := range 40 {
					if i%7 == 3 {
						r.slowDown(r.group(t, "g").Rules()[0].Query().String(), 2*interval+interval/2)
					} else {
						r.slowDown(r.group(t, "g").Rules()[0].Query().String(), 0)
					}
					time.Sleep(3 * time.Minute)
				}
				r.stop()
				r.testManager.mu.Lock()
				defer r.testManager.mu.Unlock()
				require.Greater(t, len(r.alerts), 30)
				for i, a := range r.alerts[1:] {
					before := r.alerts[i]
					gap := a.LastSentAt.Sub(before.LastSentAt)
					require.Greater(t, gap, resend, "not too often")
					require.True(t, before.ValidUntil.After(r.sentAt[i+1]), "sent at %s, valid until %s, sent again at %s", r.sentAt[i], before.ValidUntil, r.sentAt[i+1])
					require.Equal(t, a.LastSentAt.Add(4*max(resend, interval)), a.ValidUntil)
				}
			})
		})
	}
}

// TestAlerts_StateIsTakenUpAfterARestart in the middle of a "for".
func TestAlerts_StateIsTakenUpAfterARestart(t *testing.T) {
	const interval, hold, ran, down = 15 * time.Second, 30 * time.Minute, 10 * time.Minute, 5 * time.Minute
	run := func(t *testing.T, r *rhythm, d time.Duration) rules.Alert {
		r.apply(t, effective(t, "", ruleFile(interval, `g {alert: A, expr: 'm{job="j"} > 0', for: 30m}`)))
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval})
		time.Sleep(d)
		a, ok := r.active(t, "A")
		require.True(t, ok)
		require.Equal(t, rules.StatePending, a.State)
		return a
	}
	bothModes(t, func(o *Options) { o.ForGracePeriod = time.Minute }, func(t *testing.T, r *rhythm) {
		before := run(t, r, ran)
		r.close()
		time.Sleep(down)
		again := newRhythm(t, r.db.Dir(), func(o *Options) { *o = r.opts })
		after := run(t, again, 3*interval)
		lost := after.ActiveAt.Sub(before.ActiveAt)
		require.Greater(t, lost, down-interval)
		require.Less(t, lost, down+3*interval, "only the time when nothing ran")
		time.Sleep(time.Until(after.ActiveAt.Add(hold + interval + time.Second)))
		fired, ok := again.sent("A")
		require.True(t, ok)
		late := fired.FiredAt.Sub(after.ActiveAt) - hold
		require.GreaterOrEqual(t, late, time.Duration(0))
		require.Less(t, late, interval)
	})
}
