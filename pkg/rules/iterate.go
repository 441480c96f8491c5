package rules

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/rules"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// iteration is one evaluation of a group.
type iteration struct {
	group *rules.Group
	at    time.Time // its timestamp
	// seen is the moment up to which it sees what came into the storage.
	seen time.Time
}

// iterate is what the engine calls at each tick of a group, from the group's own
// goroutine: its state, its stopping and the copying of what it knows stay the
// engine's. A group that is evaluated after scrapes waits here for them until the
// next tick, unless the engine is about to stop it.
func (t *timing) iterate(ctx context.Context, up *rules.Group, tick time.Time) {
	w, d := t.enter(up, tick)
	if w == nil {
		return
	}
	defer w.timer.Stop()
	if d != nil {
		seen := time.Now()
		if data := d.at.Add(-up.QueryOffset()); data.Before(seen) {
			seen = data
		}
		t.run(ctx, w.g, iteration{up, d.at, seen}, *d)
	}
	for {
		d, ok := w.await(ctx)
		if !ok {
			return
		}
		t.run(ctx, w.g, iteration{up, d.at.Add(nudge(up)), time.Now()}, d)
		w.release()
	}
}

// enter is the beginning of a wait, nil for a group that is leaving, and the
// evaluation that the tick is for, nil if there is none: a group is evaluated at a
// tick when it goes by the clock, and when the engine has just made it.
func (t *timing) enter(up *rules.Group, tick time.Time) (*wait, *due) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := rules.GroupKey(up.File(), up.Name())
	g := t.groups[key]
	if t.stopped || g == nil || t.leaving[key] && g.group == up {
		return nil, nil
	}
	now, isNew := time.Now(), g.group != up
	if isNew {
		g.group, g.firstTick = up, now
	}
	w := &wait{timing: t, g: g, up: up, end: g.nextTick(now), timer: time.NewTimer(0)}
	if !isNew && !g.byClock() {
		return w, nil
	}
	if (g.asked != config.EvaluationClock || g.locked) && !tick.After(g.at) {
		tick = milli(now) // samples have triggered an evaluation since
	}
	g.running = true
	d := g.tick(tick, now)
	return w, &d
}

// run evaluates a group, and lets those follow that read it.
func (t *timing) run(ctx context.Context, g *timed, it iteration, d due) {
	begin := time.Now()
	t.evaluate(withNewestSample(ctx, d.newest), it)
	now := time.Now()
	turn := nextTurn(it.group, it.at)
	if !turn.IsZero() {
		turn = turn.Add(-nudge(it.group))
	}
	t.metrics.evaluated(d)

	t.mu.Lock()
	defer t.mu.Unlock()
	g.running = false
	g.turn, g.last = turn, d
	g.counts[d.trigger]++
	g.cost = now.Sub(begin)
	g.took(g.cost, g.interval)
	for _, reader := range g.readers {
		reader.tell(TriggerRules, it.at.Add(-it.group.QueryOffset()), now)
	}
	for _, other := range g.below {
		other.call()
	}
}

// nudge is what the engine's query offset of a group is longer by than it was
// written, see group.nudged. An evaluation is that much later than the samples that
// it is for: it would look before them else.
func nudge(up *rules.Group) time.Duration { return up.QueryOffset() % time.Millisecond }

// nextTurn is the first timestamp from which on an alert of a group begins to fire,
// or is no longer kept firing, if all stays as it is; zero if there is none.
func nextTurn(up *rules.Group, at time.Time) time.Time {
	var next time.Time
	forAlerts(up, func(rule *rules.AlertingRule) {
		if rule.HoldDuration() == 0 && rule.KeepFiringFor() == 0 {
			return
		}
		rule.ForEachActiveAlert(func(a *rules.Alert) {
			turn := a.ActiveAt.Add(rule.HoldDuration())
			if !a.KeepFiringSince.IsZero() {
				turn = a.KeepFiringSince.Add(rule.KeepFiringFor())
			}
			if turn.After(at) && (next.IsZero() || turn.Before(next)) {
				next = turn
			}
		})
	})
	return next
}
