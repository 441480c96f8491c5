package alerting

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/common/model"
)

// reference is a small model of what receivers must be told when: each group of
// alerts has a timer, whatever is applied.
//
// Times are since the start.
type reference struct {
	now    time.Duration
	answer func(at time.Duration, receiver, group string) (status int, after time.Duration)
	routes *dispatch.Route
	alerts map[string]*refAlert // those that the provider has, by name
	groups map[refKey]*refGroup
	sends  map[refKey]*refSend
	gone   map[refKey]time.Duration // when the timers of groups that lost their routes would have fired
	log    map[refKey]*refEntry
	told   []told
	nextGC time.Duration
}

type refKey struct{ receiver, group string }

type refAlert struct {
	name       string
	labels     model.LabelSet
	start, end time.Duration // end is 0 while it fires
	version    int           // another one for each post
}

type refGroup struct {
	key    refKey
	opts   *dispatch.RouteOpts
	alerts map[string]*refAlert
	wake   time.Duration
	queues bool     // behind what is still being told to a group that was there before
	queued *refSend // what it wants to say then
}

// refSend is a notification on its way. Nothing else of its group can be sent then.
type refSend struct {
	due      time.Duration // when the timer fired
	done     time.Duration
	status   int
	firing   map[string]bool
	resolved map[string]*refAlert
}

type refEntry struct {
	at               time.Duration
	firing, resolved map[string]bool
}

func newReference(answer func(time.Duration, string, string) (int, time.Duration)) *reference {
	return &reference{
		answer: answer, nextGC: collection,
		alerts: map[string]*refAlert{}, groups: map[refKey]*refGroup{}, sends: map[refKey]*refSend{}, gone: map[refKey]time.Duration{}, log: map[refKey]*refEntry{},
	}
}

// advance does what is due until t.
func (r *reference) advance(t time.Duration) {
	for {
		key, at := r.next()
		if r.nextGC < at {
			key, at = refKey{}, r.nextGC
		}
		if at > t {
			r.now = t
			return
		}
		r.now = at
		switch {
		case key == refKey{}:
			r.collect()
		case r.sends[key] != nil && r.sends[key].done == at:
			r.sent(key)
		default:
			r.flush(r.groups[key])
		}
	}
}

// collection is how often something is looked for that can be forgotten.
const collection = 30 * time.Minute

// collect forgets, as the provider and the notification log do.
func (r *reference) collect() {
	maps.DeleteFunc(r.alerts, func(_ string, a *refAlert) bool { return a.end > 0 })
	if r.nextGC%(4*collection) == 0 {
		maps.DeleteFunc(r.log, func(_ refKey, e *refEntry) bool {
			return e.at+max(2*r.routes.RouteOpts.RepeatInterval, leastMemory) < r.now
		})
	}
	r.nextGC += collection
}

// next is the group that something is due for.
func (r *reference) next() (next refKey, at time.Duration) {
	at = 1 << 62
	consider := func(key refKey, due time.Duration) {
		if due < at || due == at && key.less(next) {
			next, at = key, due
		}
	}
	for key, s := range r.sends {
		consider(key, s.done)
	}
	for key, g := range r.groups {
		if r.sends[key] == nil || g.queues && g.queued == nil {
			consider(key, max(g.wake, r.now))
		}
	}
	return next, at
}

func (k refKey) less(o refKey) bool {
	return k.receiver < o.receiver || k.receiver == o.receiver && k.group < o.group
}

// post is what a client says of an alert.
func (r *reference) post(a *refAlert) {
	if old, ok := r.alerts[a.name]; ok && old.end == 0 {
		a.start = old.start
	}
	r.alerts[a.name] = a
	for key, opts := range r.match(a) {
		g, ok := r.groups[key]
		if !ok {
			g = &refGroup{key: key, opts: opts, alerts: map[string]*refAlert{}, wake: r.now + opts.GroupWait, queues: r.sends[key] != nil}
			if a.start+opts.GroupWait < r.now {
				g.wake = r.now
			}
			r.groups[key] = g
			delete(r.gone, key)
		}
		g.alerts[a.name] = a
	}
}

func (r *reference) match(a *refAlert) map[refKey]*dispatch.RouteOpts {
	keys := map[refKey]*dispatch.RouteOpts{}
	for _, route := range r.routes.Match(a.labels) {
		group := model.LabelSet{}
		for name := range route.RouteOpts.GroupBy {
			if value, ok := a.labels[name]; ok {
				group[name] = value
			}
		}
		keys[refKey{route.RouteOpts.Receiver, route.Key() + ":" + group.String()}] = &route.RouteOpts
	}
	return keys
}

// apply changes the routes. A group that is there before and after keeps its timer,
// and the resolved alerts that were not told of.
func (r *reference) apply(routes *dispatch.Route) {
	r.routes = routes
	before := r.groups
	r.groups = map[refKey]*refGroup{}
	all := maps.Clone(r.alerts)
	for _, g := range before {
		for name, a := range g.alerts {
			if _, ok := all[name]; !ok {
				all[name] = a
			}
		}
	}
	for _, a := range all {
		for key, opts := range r.match(a) {
			old := before[key]
			if a.end > 0 && (old == nil || old.alerts[a.name] == nil) && !r.toldFiring(key, a.name) {
				continue // nobody waits to be told
			}
			g, ok := r.groups[key]
			if !ok {
				g = &refGroup{key: key, opts: opts, alerts: map[string]*refAlert{}}
				r.groups[key] = g
				r.inherit(g, old)
			}
			g.alerts[a.name] = a
			if gone, ok := r.gone[key]; old == nil && (!ok || gone <= r.now) {
				g.wake = min(g.wake, max(r.now, a.start+opts.GroupWait))
			}
		}
	}
	for key, g := range before {
		if r.groups[key] == nil {
			r.gone[key] = g.wake
		}
	}
	for key := range r.groups {
		if before[key] == nil {
			delete(r.gone, key)
		}
	}
}

// toldFiring is what a receiver was told last, or is being told.
func (r *reference) toldFiring(key refKey, name string) bool {
	if s := r.sends[key]; s != nil && s.status == http.StatusOK {
		return s.firing[name]
	}
	return r.log[key] != nil && r.log[key].firing[name]
}

func (r *reference) inherit(g, old *refGroup) {
	switch gone, ok := r.gone[g.key]; {
	case old != nil:
		g.wake = old.wake
		if old.queued != nil {
			g.wake = r.now
		}
	case ok && gone > r.now:
		g.wake = gone
	default:
		g.wake = r.now + g.opts.GroupWait
	}
}

func (r *reference) flush(g *refGroup) {
	s := &refSend{due: g.wake, firing: map[string]bool{}, resolved: map[string]*refAlert{}}
	for name, a := range g.alerts {
		if a.end > 0 {
			s.resolved[name] = a
		} else {
			s.firing[name] = true
		}
	}
	g.wake = r.now + g.opts.GroupInterval
	if g.queues && r.sends[g.key] != nil {
		g.queued = s
		return
	}
	r.send(g, s)
}

func (r *reference) send(g *refGroup, s *refSend) {
	if !r.needed(g, s) {
		r.settle(g, s)
		return
	}
	names := slices.Collect(maps.Keys(s.firing))
	for name := range s.resolved {
		names = append(names, "("+name+")")
	}
	slices.Sort(names)
	var after time.Duration
	s.status, after = r.answer(r.now, g.key.receiver, g.key.group)
	r.told = append(r.told, told{r.now, g.key.receiver, g.key.group, strings.Join(names, " "), s.status})
	s.done = r.now + after
	if limit := s.due + max(g.opts.GroupInterval, 10*time.Second); s.done > limit {
		s.done, s.status = limit, 0
	}
	r.sends[g.key] = s
}

// needed says whether a receiver has to be told.
func (r *reference) needed(g *refGroup, s *refSend) bool {
	entry := r.log[g.key]
	switch {
	case entry == nil:
		return len(s.firing) > 0
	case !subset(s.firing, entry.firing):
		return true
	case len(s.firing) == 0:
		return len(entry.firing) > 0
	case !subset(s.resolved, entry.resolved):
		return true
	default:
		return entry.at < s.due-g.opts.RepeatInterval
	}
}

func subset[A, B any](small map[string]A, large map[string]B) bool {
	for name := range small {
		if _, ok := large[name]; !ok {
			return false
		}
	}
	return true
}

// sent is the end of a notification.
func (r *reference) sent(key refKey) {
	s, g := r.sends[key], r.groups[key]
	delete(r.sends, key)
	if s.status == http.StatusOK {
		entry := &refEntry{at: r.now, firing: s.firing, resolved: map[string]bool{}}
		for name := range s.resolved {
			entry.resolved[name] = true
		}
		r.log[key] = entry
	}
	switch {
	case g == nil:
	case g.queues:
		queued := g.queued
		g.queues, g.queued = false, nil
		if queued != nil {
			r.send(g, queued)
		}
	case s.status == http.StatusOK:
		r.settle(g, s)
	}
}

// settle takes what was told to be resolved out of the group, unless it has fired
// again since. A group without alerts ends.
func (r *reference) settle(g *refGroup, s *refSend) {
	for name, a := range s.resolved {
		if g.alerts[name] == a {
			delete(g.alerts, name)
		}
	}
	if len(g.alerts) == 0 {
		delete(r.groups, g.key)
	}
}
