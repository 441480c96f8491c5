package state

import (
	"context"
	"time"
)

// linger is how long a change that nobody waits for may stay in memory only.
const linger = 50 * time.Millisecond

// retryInterval is the time between two attempts at a disk that takes nothing.
const retryInterval = time.Second

// Run writes what nobody waits for, soon after it was queued, and tries again
// each second while the disk takes nothing. When ctx is done it writes what is
// left, and returns the error of that. Beside it, before and after, [State.Flush]
// does its own writing.
func (s *State) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return s.Flush(context.WithoutCancel(ctx))
		case <-s.queue.wake:
		}
		pause(ctx, linger)
		if s.attempt(ctx) != nil {
			pause(ctx, retryInterval)
			s.queue.nudge()
		}
	}
}

// attempt writes what is queued, and something even if nothing is while the disk
// takes nothing: how else would it be known that it does again.
func (s *State) attempt(ctx context.Context) error {
	if _, err := s.Unwritable(); err != nil {
		s.queue.touch()
	}
	return s.Flush(ctx)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
