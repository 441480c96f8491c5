package alerting

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/notify"
)

// dispatcher is one dispatcher of upstream's, which serves one tree of routes, and
// the stage that it sends through.
type dispatcher struct {
	up      *dispatch.Dispatcher
	alerts  *alertStore
	stage   *stage
	routes  map[string]*dispatch.Route // by id, as they are configured
	timeout func(groupInterval time.Duration) time.Duration
	startAt time.Time
	serving context.Context // done when it may begin nothing any more
	end     context.CancelFunc
	serial  uint64
	gate    *gate
	before  *legacy
	waits   *waits

	mu      sync.Mutex          // guards what follows
	made    map[string]creation // groups that may be in group_wait, by their key
	sweepAt int
}

// startDispatcherLocked runs a dispatcher for the given routes and waits until it
// has sorted all alerts into groups.
func (e *engine) startDispatcherLocked(next *blueprint, before *legacy) {
	d := &dispatcher{
		alerts:  e.alerts,
		stage:   e.stage,
		routes:  next.byID,
		timeout: e.timeout,
		startAt: e.start.Add(e.opts.DispatchStartDelay),
		before:  before,
		waits:   waitsOf(next.byID),
		made:    maps.Clone(before.made),
		sweepAt: leastSweep,
	}
	if d.made == nil {
		d.made = map[string]creation{}
	}
	e.stage.serials++
	d.serial = e.stage.serials
	d.serving, d.end = context.WithCancel(context.Background())
	own := dispatch.NewRoute(next.tree, nil)
	d.gate = newGate(own)
	if d.startAt.After(time.Now()) {
		d.gate.leaveOpen()
	}
	d.up = dispatch.NewDispatcher(
		&inheritance{Alerts: e.alerts, before: before, gate: d.gate, serving: d.serving},
		own,
		d,
		e.groups,
		e.timeout,
		e.opts.DispatchMaintenanceInterval,
		nil,
		slog.New(groupLog{e.base.Handler(), d.note}),
		e.recorder,
		e.dispatch,
		next.template,
	)
	e.running.Go(func() { d.up.Run(d.startAt) })
	d.up.WaitForLoading()
	e.dispatcher.Store(d)
}

// stopDispatcherLocked takes the dispatcher out of service. What it has begun to
// send goes on, in the stage.
//
// Upstream's Stop comes back only when the start delay is over, so it is not
// waited for until then; what counts, the cancellation, comes first in it.
func (e *engine) stopDispatcherLocked() {
	d := e.dispatcher.Load()
	if d == nil {
		return
	}
	d.end()
	stopped := make(chan struct{})
	e.running.Go(func() {
		defer close(stopped)
		d.up.Stop()
	})
	if time.Now().After(d.startAt) {
		<-stopped
	}
}

// Exec implements notify.Stage.
func (d *dispatcher) Exec(ctx context.Context, l *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
	id, _ := notify.RouteID(ctx)
	f := d.flush(ctx, d.routes[id])
	if !d.gate.isOpen() {
		return ctx, nil, d.hold(f, d.routes[id], alerts)
	}
	if d.serving.Err() != nil { // a hold that has ended with the dispatcher
		return ctx, nil, errHeld
	}
	d.alerts.catchUp(alerts)
	alerts, err := d.stage.send(ctx, withoutGroupLog(l), f, alerts)
	return ctx, alerts, err
}

func (d *dispatcher) flush(ctx context.Context, route *dispatch.Route) flush {
	f := flush{interval: route.RouteOpts.GroupInterval, serial: d.serial, before: d.before}
	f.timeout = d.timeout(f.interval)
	f.group, _ = notify.GroupKey(ctx)
	f.receiver, _ = notify.ReceiverName(ctx)
	f.id, _ = notify.FlushID(ctx)
	return f
}

// note remembers that a group was made. One that the dispatcher has begun with is
// not new.
func (d *dispatcher) note(group string) {
	if d.gate.expect() {
		return
	}
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made[group] = creation{now, d.serial, d.waits}
	if len(d.made) <= d.sweepAt {
		return
	}
	maps.DeleteFunc(d.made, func(_ string, c creation) bool { return now.Sub(c.at) > c.waits.longest })
	d.sweepAt = max(leastSweep, 2*len(d.made))
}
