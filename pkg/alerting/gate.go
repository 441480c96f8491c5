package alerting

import (
	"context"
	"sync"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/provider"
)

// gate takes the timers of the groups that a dispatcher begins with out of its
// hands: upstream would flush those at once that are older than group_wait, and
// let the others wait all over again.
//
// While it is closed both waits of all routes are zero. The timer of each group
// then fires at once, is set to fire at once again, and the flush is held in the
// stage until the old timer of the group would have fired. When that flush ends, the
// next one has the alerts of that moment, and all further ones its rhythm. Once all
// groups have come as far as the stage the gate opens: the routes get their waits,
// and the dispatcher its first new alert.
type gate struct {
	waits map[*dispatch.RouteOpts]dispatch.RouteOpts // those that are configured, by the route to get them

	mu       sync.Mutex // guards what follows
	loaded   bool       // all groups were made
	expected int        // how many
	arrived  int        // of which have flushed
	left     bool       // some have not waited for it to open: it never does

	full chan struct{} // closed when all have
	open chan struct{}
}

// newGate closes a gate before routes, which must be nobody else's.
func newGate(routes *dispatch.Route) *gate {
	g := &gate{
		waits: map[*dispatch.RouteOpts]dispatch.RouteOpts{},
		full:  make(chan struct{}),
		open:  make(chan struct{}),
	}
	routes.Walk(func(r *dispatch.Route) {
		g.waits[&r.RouteOpts] = r.RouteOpts
		r.RouteOpts.GroupWait, r.RouteOpts.GroupInterval = 0, 0
	})
	return g
}

// leaveOpen is for a dispatcher that does not begin at once: nothing may wait for
// its groups.
func (g *gate) leaveOpen() {
	g.release()
	g.loaded = true
}

// release opens the gate. It does nothing once a group has left, which reads its
// waits from then on.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left {
		return
	}
	for opts, configured := range g.waits {
		opts.GroupWait, opts.GroupInterval = configured.GroupWait, configured.GroupInterval
	}
	close(g.open)
}

func (g *gate) isOpen() bool {
	select {
	case <-g.open:
		return true
	default:
		return false
	}
}

// expect says that a group was made. It returns whether the dispatcher begins with
// it.
func (g *gate) expect() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.loaded {
		g.expected++
	}
	return !g.loaded
}

// arrive says that a group has flushed.
func (g *gate) arrive() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arrived++
	g.checkLocked()
}

// leave says that a group that has arrived goes on although the gate is closed, as
// its dispatcher stops.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left = true
}

func (g *gate) checkLocked() {
	if g.loaded && g.arrived == g.expected {
		close(g.full)
	}
}

// openWhenFull opens the gate when all groups have arrived, unless ctx is done
// before.
func (g *gate) openWhenFull(ctx context.Context) {
	if g.isOpen() {
		return
	}
	g.mu.Lock()
	g.loaded = true
	g.checkLocked()
	g.mu.Unlock()
	select {
	case <-g.full:
		g.release()
	case <-ctx.Done():
	}
}

// inheritance is the provider as a new dispatcher sees it.
type inheritance struct {
	provider.Alerts
	before  *legacy
	gate    *gate
	serving context.Context
}

// SlurpAndSubscribe implements provider.Alerts.
func (i *inheritance) SlurpAndSubscribe(name string) ([]*alert.Alert, provider.AlertIterator) {
	alerts, news := i.Alerts.SlurpAndSubscribe(name)
	return i.before.with(alerts), gatedNews{news, i}
}

// gatedNews are the alerts after those that a dispatcher begins with.
type gatedNews struct {
	provider.AlertIterator
	of *inheritance
}

// Next implements provider.AlertIterator. A dispatcher calls it when it has made
// its groups and runs them, and before it takes in anything new.
func (n gatedNews) Next() <-chan *provider.Alert {
	n.of.gate.openWhenFull(n.of.serving)
	return n.AlertIterator.Next()
}
