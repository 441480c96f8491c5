package state

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// view runs a transaction that reads. It must be short: it keeps what is being
// replaced meanwhile from being used again.
func (s *State) view(f func(*bbolt.Tx) error) error {
	return s.guard(func() error { return s.db.View(f) })
}

// update runs one synced transaction. what says what it does to the file.
func (s *State) update(what string, f func(*bbolt.Tx) error) error {
	began := s.health.begin()
	err := s.transact(f)
	if err != nil {
		err = fmt.Errorf("%s the state file %q: %w", what, s.path, withRemedy(err, s.path))
	}
	s.health.committed(began, err)
	s.metrics.committed(began, err)
	if err != nil {
		s.queue.nudge() // Run tries again
	}
	return err
}

func (s *State) transact(f func(*bbolt.Tx) error) error {
	if broken := s.broken.Load(); broken != nil {
		return *broken
	}
	if s.opts.BeforeCommit != nil {
		if err := s.opts.BeforeCommit(); err != nil {
			return err
		}
	}
	err := catch(func() error { return s.db.Update(f) })
	if errors.As(err, new(*panicError)) {
		// bbolt may still hold its lock: who tried again might wait for ever.
		err = fmt.Errorf("%w (%w); restart to set it aside and carry over what is readable of it", ErrDamaged, err)
		s.broken.Store(&err)
	}
	return err
}
