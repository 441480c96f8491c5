package srcprom

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/util/notifications"

	"github.com/sourcegraph/srcprom/pkg/internal/lifecycle"
)

// Run serves, scrapes, evaluates and delivers until ctx is done, then stops in
// order and returns nil; or until something fails that it cannot do without, and
// returns the errors of all that failed. It may be called once.
//
// On the way down readiness goes first; then requests in flight, the source of
// configuration, health checks, rule evaluation, scraping and notifications in
// flight end, one after another, so that the last alerts still leave; then state
// and storage close. All of that takes StopTimeout at most.
func (s *Server) Run(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return err
	}
	deadline := newDeadline(s.opts.StopTimeout)
	actors := lifecycle.NewActors(s.log, s.opts.StopTimeout)
	// The order of adding is the order of stopping.
	actors.Add("readiness", func(actor context.Context) error {
		defer deadline.start()
		defer s.stop()
		select {
		case <-ctx.Done():
			s.log.Info("Stopping", "reason", context.Cause(ctx))
		case <-s.quit:
			s.log.Info("Stopping", "reason", "requested through /-/quit")
		case <-actor.Done():
		}
		return nil
	})
	actors.Add("web", s.web.Run)
	actors.Add("configuration source", s.runSource)
	actors.Add("configuration", s.runConfiguration)
	// A stop is no trouble: what comes to rest from here on is not looked at.
	actors.Add("health", s.health.Run)
	actors.Add("rules", s.rules.Run)
	actors.Add("scrape", s.scrape.Run)
	actors.Add("external alertmanager discovery", s.notifyDiscovery.Run)
	actors.Add("alerting", s.alerting.Run)
	actors.Add("state", s.state.Run)
	actors.Add("tracing", s.tracer.Run)
	err := actors.Run()

	closing, cancel := deadline.context()
	defer cancel()
	err = errors.Join(err, s.release(closing))
	if err == nil {
		s.log.Info("Stopped")
	}
	return err
}

var errNotMade = errors.New("srcprom: this Server was not made by New")

// begin marks the server as running, once.
func (s *Server) begin() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.started == nil {
		return errNotMade
	}
	if s.begun {
		return errors.New("srcprom: Run or Close has been called before")
	}
	s.begun = true
	return nil
}

// Close releases a server whose Run was never called. It does nothing after Run.
func (s *Server) Close() error {
	if s.begin() != nil {
		return nil
	}
	s.stop()
	return s.release(context.Background())
}

// release gives back what New has acquired. What takes time has until ctx is
// done.
func (s *Server) release(ctx context.Context) error {
	s.closing = ctx
	return s.releases.Unwind()
}

// stop takes readiness away and ends the taking of configurations.
func (s *Server) stop() {
	s.stopOnce.Do(func() {
		s.down(ErrNotRunning)
		close(s.stopping)
	})
}

// runConfiguration brings the server up and then looks after its configuration
// files until ctx is done.
func (s *Server) runConfiguration(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped while starting: the reason for stopping is not here
		}
		return err
	}
	defer s.awaitConfigLock()
	if s.opts.AutoReload {
		return s.autoReload(ctx)
	}
	<-ctx.Done()
	return nil
}

// awaitConfigLock lets an apply in progress end before the parts that it touches
// stop. The lock is never released: nothing may be applied any more.
func (s *Server) awaitConfigLock() { s.configLock <- struct{}{} }

// start runs the configuration that New has planned. Alerting does not need the
// storage: while the write-ahead log is replayed, silences and alerts that clients
// post are served.
func (s *Server) start(ctx context.Context) error {
	first := s.first
	s.first = nil
	if err := commitSteps(first.steps[:alertingFirst]); err != nil {
		return err
	}
	if err := s.store.Open(ctx, first.next); err != nil {
		return err
	}
	if err := commitSteps(first.steps[alertingFirst:]); err != nil {
		return err
	}
	after := s.successor(s.running.Load().accepted, first)
	if err := s.keepFirst(s.running.Load().accepted, after); err != nil {
		return err
	}
	s.running.Store(&running{accepted: &after.Accepted, effective: first.next})
	s.applied(first, after.Version)
	s.web.Notifications().DeleteNotification(notifications.StartingUp)
	close(s.started)
	s.log.Info("Server is ready to receive web requests.")
	return nil
}

// autoReload reloads when the configuration files have changed.
func (s *Server) autoReload(ctx context.Context) error {
	ticker := time.NewTicker(s.opts.AutoReloadInterval)
	defer ticker.Stop()
	last := s.firstSum // of New: what has changed while the storage was opened counts
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := s.checksum(s.running.Load().accepted.Documents)
		if now == last {
			continue
		}
		last = now
		s.log.Info("Configuration file change detected, reloading the configuration.")
		_ = s.Reload(ctx) // it has logged why
	}
}

// deadline is the time by which a stopping server has to be done.
type deadline struct {
	timeout time.Duration
	at      chan time.Time
}

func newDeadline(timeout time.Duration) *deadline {
	return &deadline{timeout: timeout, at: make(chan time.Time, 1)}
}

func (d *deadline) start() { d.at <- time.Now().Add(d.timeout) }

// context ends at the deadline. It is called after start.
func (d *deadline) context() (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.Background(), <-d.at)
}
