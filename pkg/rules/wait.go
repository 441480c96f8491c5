package rules

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/rules"
)

// wait is a group's waiting for its evaluations from one tick of the engine to the
// next.
type wait struct {
	*timing
	g     *timed
	up    *rules.Group
	end   time.Time
	timer *time.Timer
	slot  bool // it holds one
}

// nextTick is when the engine's ticker, which was started with the first tick, goes
// off next. It knows nothing of steps of the wall clock.
func (g *timed) nextTick(now time.Time) time.Time {
	early := g.interval / 10 // the first tick may have come late
	ticks := (now.Sub(g.firstTick) + early) / g.interval
	return g.firstTick.Add((ticks + 1) * g.interval)
}

// await waits until the group is due. It is not when the tick is over, or when the
// group belongs to the engine.
func (w *wait) await(ctx context.Context) (due, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.g.waiting = false }()
	for now := time.Now(); w.goesOnLocked(ctx, now); now = time.Now() {
		until, slots := w.nextLocked(now)
		if !until.After(now) {
			return w.beginLocked(now), true
		}
		w.g.waiting = true
		w.mu.Unlock()
		w.sleep(ctx, earlier(until, w.end).Sub(now), slots)
		w.mu.Lock()
	}
	w.release()
	return due{}, false
}

func (w *wait) goesOnLocked(ctx context.Context, now time.Time) bool {
	return !w.stopped && w.g.group == w.up && !w.leaving[w.g.key] && !w.g.byClock() && ctx.Err() == nil && now.Before(w.end)
}

// nextLocked is when to look again whether the group is due, and what for, beside
// being called; now if it is due.
func (w *wait) nextLocked(now time.Time) (until time.Time, slots chan<- struct{}) {
	patience := settle
	if w.g.dirty {
		patience = w.g.slack()
	}
	soonest := w.g.soonest(now)
	latest := soonest.Add(patience)
	if latest.After(now) && w.g.othersFirst(now) {
		w.release()
		return latest, nil
	}
	if !w.g.isDue(now, &w.extras) {
		w.release()
		return w.g.soonest(now), nil
	}
	if w.slot || !w.g.dirty || !latest.After(now) || w.takeSlot() {
		return now, nil
	}
	return latest, w.slots
}

func (w *wait) sleep(ctx context.Context, d time.Duration, slots chan<- struct{}) {
	w.timer.Reset(d)
	select {
	case <-ctx.Done():
	case <-w.g.wake:
	case <-w.timer.C:
	case slots <- struct{}{}:
		w.slot = true
	}
}

func (w *wait) beginLocked(now time.Time) due {
	w.g.running = true
	d := w.g.begin(now)
	if d.extra {
		w.extras.spend(now, w.g.cost)
	}
	return d
}

func (w *wait) takeSlot() bool {
	select {
	case w.slots <- struct{}{}:
		w.slot = true
	default:
	}
	return w.slot
}

func (w *wait) release() {
	if w.slot {
		<-w.slots
		w.slot = false
	}
}
