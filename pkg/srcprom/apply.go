package srcprom

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/util/notifications"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/lifecycle"
)

// ErrNotRunning is returned by Apply and Reload before Run and after it.
var ErrNotRunning = errors.New("srcprom: the server is not running")

// part is what a configuration is applied to.
type part interface {
	// Prepare builds and checks everything that can fail and touches nothing
	// live. prev is what runs, nil the first time.
	Prepare(prev, next *config.Effective) (*lifecycle.Step, error)
}

// plan is a configuration that has been checked and built, and what remains to
// be done for it.
type plan struct {
	next     *config.Effective
	lastRead map[string]string // see config.Accepted
	steps    []*lifecycle.Step // one for each of Server.parts
	changes  []string

	rolledBackTo uint64 // 0 when it is no roll back
}

// Plan tells what Apply would do, and changes nothing. Its error is that of
// Apply.
func (s *Server) Plan(ctx context.Context, change config.Change) (*config.Result, error) {
	return s.planOnly(ctx, func() (*plan, error) { return s.planChange(change) })
}

// Apply makes the server run its present configuration with the given change,
// wholly or not at all, but for what Result names as set aside. While the server
// starts, Apply waits. The error is [config.Faults] where the configuration is
// wrong, [config.ErrVersion] where it has another version than the change was
// made for, or [ErrNotRunning]; what ran before goes on running then.
func (s *Server) Apply(ctx context.Context, change config.Change) (*config.Result, error) {
	return s.planAndCommit(ctx, func() (*plan, error) { return s.planChange(change) })
}

func (s *Server) planOnly(ctx context.Context, planned func() (*plan, error)) (*config.Result, error) {
	unlock, err := s.lockConfig(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p, err := planned()
	if err != nil {
		return nil, err
	}
	return s.result(p), nil
}

func (s *Server) planAndCommit(ctx context.Context, planned func() (*plan, error)) (*config.Result, error) {
	unlock, err := s.lockConfig(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p, err := planned()
	if err == nil {
		err = s.commit(p)
	}
	if err != nil {
		s.refused(err)
		return nil, err
	}
	return s.result(p), nil
}

// lockConfig waits until the server runs and no other configuration is being
// planned or applied.
func (s *Server) lockConfig(ctx context.Context) (unlock func(), err error) {
	if s.started == nil {
		return nil, errNotMade
	}
	select {
	case <-s.started:
	case <-s.stopping:
		return nil, ErrNotRunning
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case s.configLock <- struct{}{}:
	case <-s.stopping:
		return nil, ErrNotRunning
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-s.stopping:
		<-s.configLock
		return nil, ErrNotRunning
	default:
		return func() { <-s.configLock }, nil
	}
}

// commit runs a plan. It is kept first: what was kept and then did not get to
// run is put right by the next start, what ran and was not kept would be lost.
func (s *Server) commit(p *plan) error {
	before := s.running.Load().accepted
	after := s.successor(before, p)
	if err := s.keep(before, after); err != nil {
		return err
	}
	if err := commitSteps(p.steps); err != nil {
		return errors.Join(err, s.takeBack(before, after))
	}
	s.running.Store(&running{accepted: &after.Accepted, effective: p.next})
	s.applied(p, after.Version)
	return nil
}

// commitSteps takes over one part after another; when one fails, those before
// it are put back.
func commitSteps(steps []*lifecycle.Step) error {
	for i, step := range steps {
		if step.Commit == nil {
			continue
		}
		if err := step.Commit(); err != nil {
			return errors.Join(err, undoSteps(steps[:i]))
		}
	}
	return nil
}

func undoSteps(done []*lifecycle.Step) error {
	var errs []error
	for _, d := range slices.Backward(done) {
		if d.Commit == nil || d.Undo == nil {
			continue
		}
		if err := d.Undo(); err != nil {
			errs = append(errs, fmt.Errorf("put back what ran before: %w", err))
		}
	}
	return errors.Join(errs...)
}

// applied tells everybody who wants to know of a configuration that runs now.
func (s *Server) applied(p *plan, version uint64) {
	s.metrics.accepted(version, p.next.SetAside)
	s.refusal.Store(nil)
	if len(p.next.SetAside) == 0 {
		s.web.Notifications().DeleteNotification(notifications.ConfigurationUnsuccessful)
	} else {
		s.web.Notifications().AddNotification(notifications.ConfigurationUnsuccessful)
	}
	s.alerting.ConfigAccepted(p.next)
	for _, entry := range p.next.SetAside {
		s.log.Error("Entry of the configuration set aside; its last accepted version runs if it had one",
			"document", entry.Document, "name", entry.Name, "line", entry.Line, "reason", entry.Reason)
	}
	for _, lost := range s.alerting.Impaired() {
		s.log.Warn("Alerting is impaired: what only this integration would send is not sent", "reason", lost)
	}
	for _, warning := range p.next.Warnings {
		s.log.Warn("Configuration", "warning", warning)
	}
	s.log.Info("Configuration applied", "version", version, "changes", p.changes)
	if s.opts.Source.Applied != nil {
		s.opts.Source.Applied(p.next)
	}
	if s.opts.OnApply != nil {
		s.opts.OnApply(p.next)
	}
}

// refused tells everybody that a configuration does not run. One that was made
// for another version, or from one that is not kept, was not even looked at, and one
// that was refused for being strict is the caller's affair: none of them says
// anything of what runs.
func (s *Server) refused(err error) {
	if errors.Is(err, config.ErrVersion) || errors.Is(err, config.ErrNotKept) || errors.As(err, new(strictError)) {
		return
	}
	s.metrics.refused(err)
	s.refusal.Store(&refusal{at: time.Now(), err: err})
	s.web.Notifications().AddNotification(notifications.ConfigurationUnsuccessful)
	s.log.Error("Configuration refused; what ran before goes on running", "err", err)
}

func (s *Server) result(p *plan) *config.Result {
	return &config.Result{
		Version:  s.running.Load().accepted.Version,
		Changes:  p.changes,
		SetAside: p.next.SetAside,
		Problems: p.next.Problems,
		Warnings: p.next.Warnings,
	}
}
