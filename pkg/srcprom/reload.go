package srcprom

import (
	"context"
	"sync"
)

// Reload applies the configuration files as they are now. A document that was
// pushed since stays, unless its file has changed. Entries that had to be set
// aside are an error, of type [SetAsideError], although the rest is applied.
//
// Reloads that wait at the same time share one reading of the files, which begins
// after all of them were asked for, and its outcome.
func (s *Server) Reload(ctx context.Context) error {
	return s.reloads.share(ctx, s.lockConfig, s.reload)
}

// reload is called with the configuration locked.
func (s *Server) reload() error {
	p, err := s.planFiles()
	if err == nil {
		err = s.commit(p)
	}
	if err != nil {
		s.refused(err)
		return err
	}
	return setAsideError(p.next.SetAside)
}

// shared is work that is done once for all who asked for it before it began.
type shared struct {
	mu      sync.Mutex // guards what follows
	waiting *turn      // has not begun yet; nil when nobody waits
}

// turn is one time that the work is done.
type turn struct {
	done      chan struct{} // closed when what follows is set
	abandoned bool          // who was to do it did not want to wait any longer
	err       error
}

// share does the work when lock has let it, or waits for who does, and returns the
// error of it.
func (s *shared) share(ctx context.Context, lock func(context.Context) (unlock func(), err error), work func() error) error {
	for {
		t, first := s.join()
		if first {
			return s.do(ctx, t, lock, work)
		}
		select {
		case <-t.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !t.abandoned {
			return t.err
		}
	}
}

func (s *shared) do(ctx context.Context, t *turn, lock func(context.Context) (func(), error), work func() error) error {
	defer close(t.done)
	unlock, err := lock(ctx)
	s.begin()
	if err != nil {
		t.abandoned, t.err = ctx.Err() != nil, err
		return err
	}
	defer unlock()
	t.err = work()
	return t.err
}

// join returns the turn that has not begun yet, and whether the caller is the first
// and has to do it.
func (s *shared) join() (_ *turn, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting != nil {
		return s.waiting, false
	}
	s.waiting = &turn{done: make(chan struct{})}
	return s.waiting, true
}

// begin gives another turn to whoever asks from now on.
func (s *shared) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = nil
}
