package alerting

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
)

// errHeld is the end of a flush that has sent nothing and lets the next one do it.
// The dispatcher keeps the resolved alerts then.
var errHeld = errors.New("held until the group's timer")

// hold keeps the first flush of a group that a dispatcher began with until its
// timer, as it was before, fires. It has nothing to do with the context of the
// flush, whose deadline means the sending.
func (d *dispatcher) hold(f flush, route *dispatch.Route, alerts []*alert.Alert) error {
	settled := d.isSettled(f, alerts)
	d.gate.arrive()
	select {
	case <-d.gate.open:
	case <-d.serving.Done():
		d.gate.leave()
		return errHeld
	}
	if settled {
		return nil // the group ends, as it had before
	}
	due, ok := d.inherit(f, route, alerts)
	if !ok {
		return nil
	}
	if !sleepUntil(d.serving, due) || hasResolved(d.unsettled(f, alerts)) {
		return errHeld
	}
	return nil
}

// isSettled says that a group consists of alerts of which nothing is owed.
func (d *dispatcher) isSettled(f flush, alerts []*alert.Alert) bool {
	return len(d.unsettled(f, alerts)) == 0
}

// unsettled are the alerts of a group without those of which nothing is owed, where
// the dispatcher may have begun with such.
func (d *dispatcher) unsettled(f flush, alerts []*alert.Alert) []*alert.Alert {
	timer, known := d.stage.timers.get(f)
	if !hasResolved(alerts) || known && timer.serial == d.serial && !timer.inherited {
		return alerts
	}
	return f.withoutSettled(alerts, d.stage.entries(d.stage.live.Load(), f), timer.succeeded)
}

// inherit takes the timer of a group over. It waits for what the dispatcher before
// is sending of the group: ok is false when that was the end of it.
func (d *dispatcher) inherit(f flush, route *dispatch.Route, alerts []*alert.Alert) (due time.Time, ok bool) {
	begun, _ := d.stage.timers.get(f)
	unlock, err := d.stage.locks.lock(d.serving, f.key())
	if err != nil {
		return time.Now(), true
	}
	defer unlock()
	if d.isSettled(f, alerts) && d.isSettled(f, d.current(f, route)) {
		return time.Time{}, false
	}
	due = d.due(f, route, begun, d.unsettled(f, alerts))
	d.stage.timers.hold(f, due)
	return due, true
}

// current are the alerts of a group as they are now.
func (d *dispatcher) current(f flush, route *dispatch.Route) []*alert.Alert {
	groups, _, err := d.up.Groups(d.serving, func(r *dispatch.Route) bool { return r.Idx == route.Idx }, everyAlert)
	if err != nil {
		return nil
	}
	for _, group := range groups {
		if group.GroupKey == f.group {
			return group.Alerts
		}
	}
	return nil
}

// due is when the timer of a group fires that the dispatcher began with. One of
// which nothing is known is as long in group_wait as its oldest alert fires.
func (d *dispatcher) due(f flush, route *dispatch.Route, begun groupTimer, alerts []*alert.Alert) time.Time {
	if next, ok := d.oldTimer(f, route, begun); ok {
		return next
	}
	end := time.Now().Add(route.RouteOpts.GroupWait)
	for _, a := range alerts {
		if waited := a.StartsAt.Add(route.RouteOpts.GroupWait); waited.Before(end) {
			end = waited
		}
	}
	return end
}

// oldTimer is the timer that a group had in the dispatcher before; the one that it
// had in an earlier one, if it comes back before that would have fired; or the one
// that it had in the process before, as far as the notification log tells. Begun is
// what was known of the timer before what was being sent came to its end.
func (d *dispatcher) oldTimer(f flush, route *dispatch.Route, begun groupTimer) (next time.Time, ok bool) {
	now := time.Now()
	timer, known := d.stage.timers.get(f)
	there := d.before.has(f)
	flushed := there && known && timer.serial == d.before.serial
	if flushed && !timer.ended {
		return timer.next, true
	}
	if end, ok := d.before.waitEnd(f, route, timer.fired); ok && (there || end.After(now)) {
		return end, true
	}
	if flushed { // an alert has come in while the end of the others was told
		return timer.next, true
	}
	if known {
		ended := timer.ended && (begun.ended || !begun.fired.Equal(timer.fired)) // when it came back
		return timer.next, !ended && timer.next.After(now)
	}
	next = lastNotified(d.stage.entries(d.stage.live.Load(), f)).Add(f.interval)
	return next, next.After(now)
}

// sleepUntil returns false when ctx was done before.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
