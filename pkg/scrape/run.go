package scrape

import (
	"context"
	"errors"
	"sync"
)

var errStopped = errors.New("scrape: the manager has stopped")

// Run discovers and scrapes until ctx is done, and returns nil when no scrape
// runs any more. It may be called once, before or after the first commit; what a
// commit has started ends only with it.
func (m *Manager) Run(ctx context.Context) error {
	if m.started.Swap(true) {
		return errors.New("scrape: Run has been called before")
	}
	discovering, stopDiscovery := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDiscovery()
	var running sync.WaitGroup
	running.Go(func() { _ = m.discovery.Run(discovering) }) // it returns nil, and may be run by nobody else
	running.Go(func() { _ = m.up.Run(m.discovery.SyncCh()) })
	running.Go(func() { m.fresh.watch(discovering, m.up) })
	<-ctx.Done()
	m.refuseConfigurations()
	m.up.Stop() // panics if it is called twice
	stopDiscovery()
	running.Wait()
	return nil
}

// refuseConfigurations waits for one that is being applied.
func (m *Manager) refuseConfigurations() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
}
