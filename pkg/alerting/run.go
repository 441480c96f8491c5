package alerting

import (
	"context"
	"errors"
	"sync"
	"time"
)

var errBegun = errors.New("alerting: Run or Close has been called before")

// killPatience is how long a stop waits, beyond its time, for what was told to end.
const killPatience = 2 * killGrace

// Run takes alerts in, sends notifications and looks after silences until ctx is
// done. It may be called once.
//
// Then it takes in what still waits, lets the dispatcher begin no notification any
// more, waits for those in flight, at most for Options.DrainTimeout, leaves the
// cluster and waits until all of its state is on the disk. Whoever sends alerts
// stops before.
func (m *Manager) Run(ctx context.Context) error {
	if err := m.begin(); err != nil {
		return err
	}
	var intake, rest sync.WaitGroup
	rest.Go(func() { m.external.run(ctx) })
	keeping, stopKeeping := context.WithCancel(context.Background())
	defer stopKeeping()
	if m.engine != nil {
		intake.Go(func() { m.engine.takeIn(ctx) })
		m.engine.keep(ctx, keeping.Done(), &rest)
	}
	<-ctx.Done()

	m.stopped.Store(true)
	draining, cancel := context.WithTimeout(context.Background(), m.opts.DrainTimeout)
	defer cancel()
	defer context.AfterFunc(draining, m.external.cut)()
	late, cancelLate := context.WithTimeout(context.Background(), m.opts.DrainTimeout+killPatience)
	defer cancelLate()
	_ = waitFor(draining, &intake)
	if m.engine != nil {
		m.engine.stop(draining)
	}
	intake.Wait() // without a subscriber the provider takes everything at once
	stopKeeping()
	if waitFor(late, &rest) != nil {
		m.log.Warn("Something still runs after the time for stopping was over")
	}
	m.external.cut()
	return m.release()
}

// Close releases a Manager that was not run. It does nothing beside Run and after
// it.
func (m *Manager) Close() error {
	if m.begin() != nil {
		return nil
	}
	m.stopped.Store(true)
	m.external.cut()
	if m.engine != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		m.engine.stop(now)
	}
	return m.release()
}

func (m *Manager) begin() error {
	m.life.Lock()
	defer m.life.Unlock()
	if m.begun {
		return errBegun
	}
	m.begun = true
	return nil
}

func (m *Manager) release() error {
	if m.engine == nil {
		return nil
	}
	return m.engine.releases.Unwind()
}

// keep runs what accompanies the engine: the counting of alerts and the collection of
// garbage until done, and the joining of the cluster, which ctx ends.
func (e *engine) keep(ctx context.Context, done <-chan struct{}, running *sync.WaitGroup) {
	running.Go(func() { e.keepCounting(done) })
	running.Go(func() {
		e.silences.Maintenance(e.opts.MaintenanceInterval, "", done, e.silenceJournal.maintenance(e.silences.GC))
	})
	running.Go(func() {
		e.notified.Maintenance(e.opts.MaintenanceInterval, "", done, e.nflogJournal.maintenance(e.notified.GC))
	})
	running.Go(func() {
		ticker := time.NewTicker(e.opts.DispatchMaintenanceInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				e.sweepAlerts(context.Background(), time.Now())
			case <-done:
				return
			}
		}
	})
	if e.peer != nil {
		running.Go(func() { settle(ctx, e.peer, e.opts.Cluster, e.log) })
	}
}

// stop ends dispatching, and waits for notifications in flight until ctx is done.
func (e *engine) stop(ctx context.Context) {
	e.tests.end() // nobody waits for these
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	e.stopDispatcherLocked()
	if cut := e.stage.drain(ctx); cut > 0 {
		e.log.Warn("Notifications in flight cut off, as the time for draining was over", "count", cut)
	}
	e.retire(e.stage.live.Load(), nil)
	e.conns.close()
	_ = waitFor(ctx, &e.running) // what ends late, ends by itself
}

// waitFor waits until the group is done, or ctx is, whose error it returns then.
func waitFor(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
