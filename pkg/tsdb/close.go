package tsdb

import (
	"context"
	"errors"
	"fmt"
)

// Close closes the database, sends what remote write still has to send (at most
// RemoteFlushDeadline), and releases everything else. It may be called at any
// time and again; later calls wait for the first and return its error.
//
// When ctx is done first, Close returns an error that says what it was waiting
// for, and goes on behind it.
func (s *Store) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		go func() {
			defer close(s.closed)
			s.closeErr = s.close()
		}()
	})
	select {
	case <-s.closed:
		return s.closeErr
	default:
	}
	select {
	case <-s.closed:
		return s.closeErr
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("close data directory %q: still waiting for %s: %w", s.opts.Dir, s.doing, ctx.Err())
	}
}

func (s *Store) close() error {
	if opening := s.beginClose(); opening != nil {
		<-opening
	}
	s.closingNow("the database to close")
	errs := []error{s.local.Close()}
	s.closingNow("remote write to send what is left")
	errs = append(errs, s.remote.Close())
	s.closingNow("the query log to close")
	s.engine.SetQueryLogger(nil)
	errs = append(errs, s.engine.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close data directory %q: %w", s.opts.Dir, err)
	}
	s.log.Info("TSDB stopped")
	return nil
}

// beginClose returns what to wait for if the database is still being opened.
func (s *Store) beginClose() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.doing = "the replay of the write-ahead log, which cannot be interrupted"
	return s.opening
}

var errClosed = errors.New("tsdb: the store is closed")

func (s *Store) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

func (s *Store) closingNow(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doing = what
}
