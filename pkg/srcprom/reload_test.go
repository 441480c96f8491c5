package srcprom

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

// sharing is a shared that counts its turns, and a lock for them.
type sharing struct {
	shared
	lock  chan struct{}
	turns int
}

var errWork = errors.New("work")

func (s *sharing) run(ctx context.Context) error {
	return s.share(ctx, func(ctx context.Context) (func(), error) {
		select {
		case s.lock <- struct{}{}:
			return func() { <-s.lock }, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, func() error {
		s.turns++
		return errWork
	})
}

func TestShared_WhoWaitsSharesOneTurn(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		s := &sharing{lock: make(chan struct{}, 1)}
		s.lock <- struct{}{}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { require.ErrorIs(t, s.run(t.Context()), errWork) })
		}
		synctest.Wait()
		<-s.lock
		all.Wait()
		require.Equal(t, 1, s.turns)
		require.ErrorIs(t, s.run(t.Context()), errWork)
		require.Equal(t, 2, s.turns)
	})
}

func TestShared_WhoAsksDuringATurnGetsTheNext(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		var s shared
		turns, hold := 0, make(chan struct{})
		free := func(context.Context) (func(), error) { return func() {}, nil }
		work := func() error { turns++; <-hold; return nil }
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { require.NoError(t, s.share(t.Context(), free, work)) })
			synctest.Wait()
		}
		close(hold)
		all.Wait()
		require.Equal(t, 2, turns)
	})
}

func TestShared_WhoGivesUpLeavesTheTurnToAnother(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		s := &sharing{lock: make(chan struct{}, 1)}
		s.lock <- struct{}{}
		first, giveUp := context.WithCancel(t.Context())
		third, giveUpToo := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { require.ErrorIs(t, s.run(first), context.Canceled) })
		synctest.Wait()
		all.Go(func() { require.ErrorIs(t, s.run(t.Context()), errWork) })
		all.Go(func() { require.ErrorIs(t, s.run(third), context.Canceled) })
		synctest.Wait()
		giveUpToo()
		giveUp()
		synctest.Wait()
		<-s.lock
		all.Wait()
		require.Equal(t, 1, s.turns)
	})
}
