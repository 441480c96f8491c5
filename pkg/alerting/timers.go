package alerting

import (
	"maps"
	"sync"
	"time"
)

// groupTimers remember, across dispatchers, when the timers of groups of alerts
// fire. A group that is gone is forgotten when its timer would have fired twice.
type groupTimers struct {
	mu      sync.Mutex            // guards what follows
	timers  map[string]groupTimer // by flush.key
	sweepAt int                   // how many there may be before those of groups that are gone are looked for
}

// groupTimer is the timer of a group and its receiver.
type groupTimer struct {
	fired     time.Time // zero where it has not since the start
	next      time.Time // when it will fire
	succeeded time.Time // when it had fired for the last flush that did not fail
	ended     bool      // which left the group without alerts
	inherited bool      // what is in the group may have come from another dispatcher, and no flush has succeeded since
	held      bool      // it waits for next in the stage, not in the dispatcher
	serial    uint64    // of the dispatcher that the group is in
	forget    time.Time
}

// get returns the timer of a group, if it is known.
func (t *groupTimers) get(f flush) (groupTimer, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	timer, ok := t.timers[f.key()]
	return timer, ok
}

// fire says that the timer has fired, and begins anew. It returns what was known of
// it before.
func (t *groupTimers) fire(f flush, at time.Time) groupTimer {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.timers[f.key()]
	t.putLocked(f, groupTimer{
		fired: at, next: at.Add(f.interval), succeeded: before.succeeded, inherited: before.inherited || f.id == 1, serial: f.serial,
	})
	return before
}

// succeed says that the flush for which the timer fired has not failed, and whether
// the group has ended with it.
func (t *groupTimers) succeed(f flush, fired time.Time, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	timer := t.timers[f.key()]
	timer.succeeded, timer.ended = fired, ended
	timer.inherited = timer.inherited && timer.serial != f.serial
	t.putLocked(f, timer)
}

// hold says that the timer goes on in the stage, until due.
func (t *groupTimers) hold(f flush, due time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	timer := t.timers[f.key()]
	timer.next, timer.ended, timer.inherited, timer.held, timer.serial = due, false, true, true, f.serial
	t.putLocked(f, timer)
}

// adopt says that a group is in the dispatcher of the flush, which began with it and
// has not come to take its timer over from the one before.
func (t *groupTimers) adopt(f flush) {
	t.mu.Lock()
	defer t.mu.Unlock()
	timer, ok := t.timers[f.key()]
	if !ok || timer.serial != f.before.serial || !f.before.has(f) {
		return
	}
	timer.serial, timer.inherited = f.serial, true
	t.putLocked(f, timer)
}

// leastSweep keeps the sweeping from being what takes the time.
const leastSweep = 64

// putLocked keeps a timer. A group that is not gone fires its timer again before it
// is forgotten: a flush may be late by as long as the one before it takes.
func (t *groupTimers) putLocked(f flush, timer groupTimer) {
	timer.forget = latest(timer.forget, timer.next.Add(f.interval+2*f.timeout))
	if t.timers == nil {
		t.timers, t.sweepAt = map[string]groupTimer{}, leastSweep
	}
	t.timers[f.key()] = timer
	if len(t.timers) <= t.sweepAt {
		return
	}
	now := time.Now()
	maps.DeleteFunc(t.timers, func(_ string, timer groupTimer) bool { return timer.forget.Before(now) })
	t.sweepAt = max(leastSweep, 2*len(t.timers))
}
