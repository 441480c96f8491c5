package rules

import (
	"context"
	"errors"
	"time"
)

var errStopped = errors.New("rules: the manager has stopped")

// Run evaluates groups until ctx is done, and returns nil when no evaluation
// runs any more. It may be called once, before or after the first commit; what a
// commit has started ends only with it.
func (m *Manager) Run(ctx context.Context) error {
	if m.started.Swap(true) {
		return errors.New("rules: Run has been called before")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.up.Run()
	}()
	<-ctx.Done()
	if m.opts.StopTimeout > 0 {
		defer time.AfterFunc(m.opts.StopTimeout, m.cancel).Stop()
	}
	m.refuseConfigurations()
	m.timing.stop() // the engine would wait for who waits there
	m.up.Stop()     // beside its Run, since it would wait for groups that never began; once, since it panics the second time
	<-ended
	m.cancel()
	return nil
}

// refuseConfigurations waits for one that is being applied: the engine does
// nothing, and says nothing, when it is updated after its Stop.
func (m *Manager) refuseConfigurations() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
}
