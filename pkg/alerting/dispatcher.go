package alerting

import (
	"time"

	"github.com/prometheus/alertmanager/dispatch"
)

// dispatcher is one dispatcher of upstream's, which serves one tree of routes.
type dispatcher struct {
	up      *dispatch.Dispatcher
	startAt time.Time
}

// startDispatcherLocked runs a dispatcher for the given routes and waits until it
// has sorted all alerts into groups.
func (e *engine) startDispatcherLocked(next *blueprint) {
	d := &dispatcher{
		up: dispatch.NewDispatcher(
			e.alerts,
			next.routes,
			e.stage,
			e.groups,
			e.timeout,
			e.opts.DispatchMaintenanceInterval,
			nil,
			e.base,
			e.recorder,
			e.dispatch,
			next.template,
		),
		startAt: e.start.Add(e.opts.DispatchStartDelay),
	}
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
	stopped := make(chan struct{})
	e.running.Go(func() {
		defer close(stopped)
		d.up.Stop()
	})
	if time.Now().After(d.startAt) {
		<-stopped
	}
}
