package alerting

import (
	"context"
	"maps"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/common/model"
)

// legacy is what a dispatcher that was stopped leaves to the next one.
type legacy struct {
	made  map[string]time.Time     // when groups were made, by their key
	waits map[string]time.Duration // their group_wait, by receiver and key of the route
	// owed are the resolved alerts that it had not told of yet. The provider may
	// have dropped them: it does so with everything resolved, however recently.
	owed []*alert.Alert
}

// legacy is that of a dispatcher after its stop; nil leaves nothing.
func (d *dispatcher) legacy() legacy {
	if d == nil {
		return legacy{}
	}
	l := legacy{waits: map[string]time.Duration{}}
	for _, route := range d.routes {
		key := routeKey(route)
		l.waits[key] = max(l.waits[key], route.RouteOpts.GroupWait)
	}
	d.mu.Lock()
	l.made = maps.Clone(d.made)
	d.mu.Unlock()
	groups, _, err := d.up.Groups(context.Background(),
		func(*dispatch.Route) bool { return true },
		func(a *alert.Alert, now time.Time) bool { return a.ResolvedAt(now) })
	if err != nil { // not without an end of the context
		return l
	}
	for _, group := range groups {
		l.owed = append(l.owed, group.Alerts...)
	}
	return l
}

func routeKey(route *dispatch.Route) string {
	return route.RouteOpts.Receiver + "\xff" + route.Key()
}

// waitEnd is when the group_wait of a group ends that was made after the given
// time; ok is false when none was.
func (l legacy) waitEnd(f flush, route *dispatch.Route, after time.Time) (end time.Time, ok bool) {
	made, ok := l.made[f.group]
	if !ok || !made.After(after) {
		return time.Time{}, false
	}
	wait, ok := l.waits[routeKey(route)]
	return made.Add(wait), ok
}

// withOwed adds to the alerts of the provider those that are owed and not among
// them.
func withOwed(alerts, owed []*alert.Alert) []*alert.Alert {
	if len(owed) == 0 {
		return alerts
	}
	there := make(map[model.Fingerprint]bool, len(alerts)+len(owed))
	for _, a := range alerts {
		there[a.Fingerprint()] = true
	}
	for _, a := range owed {
		if fp := a.Fingerprint(); !there[fp] {
			there[fp] = true
			alerts = append(alerts, a)
		}
	}
	return alerts
}
