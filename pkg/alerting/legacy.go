package alerting

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/common/model"
)

// legacy is what a dispatcher that was stopped leaves to the next one. It is never
// changed.
type legacy struct {
	serial uint64 // of that dispatcher; 0 where there was none
	at     time.Time
	made   map[string]creation // the last groups that were made, by their key
	// resolved has, for each group by its flush.key, the resolved alerts that were not
	// told of yet. The provider may have dropped them: it does so with everything
	// resolved, however recently.
	resolved map[string]map[model.Fingerprint]*alert.Alert
	// groups has, for each alert, the groups that it was in when it changed last, by
	// their flush.key, as far as dispatchers remember.
	groups map[model.Fingerprint][]string
}

// creation is the beginning of a group.
type creation struct {
	at     time.Time
	serial uint64 // of the dispatcher
	waits  *waits // of its routes
}

// waits are the group_waits of routes, by receiver and key, which tell routes apart
// as far as groups can be told apart.
type waits struct {
	of      map[string]time.Duration
	longest time.Duration
}

func waitsOf(routes map[string]*dispatch.Route) *waits {
	w := &waits{of: make(map[string]time.Duration, len(routes))}
	for _, route := range routes {
		key, wait := routeKey(route), route.RouteOpts.GroupWait
		w.of[key] = max(w.of[key], wait)
		w.longest = max(w.longest, wait)
	}
	return w
}

func routeKey(route *dispatch.Route) string {
	return route.RouteOpts.Receiver + "\xff" + route.Key()
}

// legacy is that of a dispatcher after its stop; nil leaves nothing.
func (d *dispatcher) legacy() *legacy {
	l := &legacy{at: time.Now(), resolved: map[string]map[model.Fingerprint]*alert.Alert{}, groups: map[model.Fingerprint][]string{}}
	if d == nil {
		return l
	}
	l.serial = d.serial
	d.mu.Lock()
	l.made = maps.Clone(d.made)
	d.mu.Unlock()
	groups, _, err := d.up.Groups(context.Background(), everyRoute, everyAlert)
	if err != nil { // it has none but that of its context
		return l
	}
	for _, group := range groups {
		f := flush{group: group.GroupKey, receiver: group.Receiver, serial: d.serial, before: d.before}
		if l.made[f.group].serial != d.serial {
			d.stage.timers.adopt(f)
		}
		if l.resolved[f.key()] == nil {
			l.resolved[f.key()] = map[model.Fingerprint]*alert.Alert{}
		}
		l.note(f.key(), group.Alerts, d.before)
		for _, a := range d.unsettled(f, resolvedOf(group.Alerts)) {
			l.resolved[f.key()][a.Fingerprint()] = a
		}
	}
	return l
}

// note takes note of the alerts of a group. Those that have not changed since the
// dispatcher before was stopped are where that one had them.
func (l *legacy) note(group string, alerts alert.AlertSlice, before *legacy) {
	for _, a := range alerts {
		fp, changed := a.Fingerprint(), a.StartsAt
		if a.Resolved() {
			changed = a.EndsAt
		}
		if had := before.groups[fp]; had != nil && changed.Before(before.at) {
			l.groups[fp] = had
			continue
		}
		l.groups[fp] = append(l.groups[fp], group)
	}
}

// waitEnd is when the group_wait of a group ends that was made after the given
// time; ok is false when none was.
func (l *legacy) waitEnd(f flush, route *dispatch.Route, after time.Time) (end time.Time, ok bool) {
	made, ok := l.made[f.group]
	if !ok || !made.at.After(after) {
		return time.Time{}, false
	}
	wait, ok := made.waits.of[routeKey(route)]
	return made.at.Add(wait), ok
}

// has says whether a group was there.
func (l *legacy) has(f flush) bool { return l.resolved[f.key()] != nil }

// had says whether an alert that has resolved was in the group before, or may have
// been.
func (l *legacy) had(f flush, a *alert.Alert) bool {
	if l.serial == 0 || a.EndsAt.After(l.at) {
		return true
	}
	_, ok := l.resolved[f.key()][a.Fingerprint()]
	return ok
}

// moved says whether an alert that has not changed since was in other groups only:
// new routes alone have brought it to this one.
func (l *legacy) moved(f flush, a *alert.Alert, changed time.Time) bool {
	groups, known := l.groups[a.Fingerprint()]
	return known && changed.Before(l.at) && !slices.Contains(groups, f.key())
}

// with adds to the alerts of the provider those that are owed and not among them.
func (l *legacy) with(alerts []*alert.Alert) []*alert.Alert {
	there := make(map[model.Fingerprint]bool, len(alerts))
	for _, a := range alerts {
		there[a.Fingerprint()] = true
	}
	for _, owed := range l.resolved {
		for fp, a := range owed {
			if !there[fp] {
				there[fp] = true
				alerts = append(alerts, a)
			}
		}
	}
	return alerts
}
