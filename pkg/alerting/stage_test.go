package alerting

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

// newTestStage runs send for each flush.
func newTestStage(send func(context.Context) error) *stage {
	s := newStage()
	s.live.Store(&delivery{pipeline: notify.StageFunc(func(ctx context.Context, _ *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
		return ctx, alerts, send(ctx)
	})})
	return s
}

// flushTo sends a flush of a group to a receiver.
func flushTo(ctx context.Context, s *stage, receiver string) error {
	_, err := s.send(ctx, nil, flush{group: "g", receiver: receiver, id: 2, before: &legacy{}}, []*alert.Alert{{}})
	return err
}

func TestStage_SendOutlivesDispatcherButNotItsDeadline(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		begun := make(chan struct{})
		s := newTestStage(func(ctx context.Context) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		start := time.Now()
		go func() { <-begun; cancel() }()
		err := flushTo(ctx, s, "r")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

func TestStage_FlushWithoutDeadlineGetsOne(t *testing.T) {
	s := newTestStage(func(ctx context.Context) error {
		_, ok := ctx.Deadline()
		require.True(t, ok)
		return nil
	})
	require.NoError(t, flushTo(context.Background(), s, "r"))
}

func TestStage_OneGroupAndReceiverSendsOneAfterTheOther(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		s := newTestStage(func(context.Context) error {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			return nil
		})
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { _ = flushTo(t.Context(), s, "r") })
		}
		all.Wait()
		require.EqualValues(t, 1, most.Load())
		for _, receiver := range []string{"a", "b", "c"} {
			all.Go(func() { _ = flushTo(t.Context(), s, receiver) })
		}
		all.Wait()
		require.EqualValues(t, 3, most.Load())
		require.Empty(t, s.locks.locks, "locks that nobody holds take no space")
	})
}

func TestStage_FlushThatWaitsEndsWithItsDispatcher(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newTestStage(func(context.Context) error { <-release; return nil })
		go func() { _ = flushTo(t.Context(), s, "r") }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := flushTo(ctx, s, "r")
		require.ErrorContains(t, err, "wait for the notification before")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(release)
		synctest.Wait()
		require.Empty(t, s.locks.locks)
	})
}

func TestStage_DrainWaitsForWhatIsInFlight(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		s := newTestStage(func(context.Context) error { time.Sleep(time.Second); return nil })
		go func() { _ = flushTo(t.Context(), s, "r") }()
		synctest.Wait()
		start := time.Now()
		require.Zero(t, s.drain(t.Context()))
		require.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, flushTo(t.Context(), s, "r"), errStopping)
		require.Zero(t, s.drain(t.Context()), "a second drain has nothing to do")
	})
}

func TestStage_DrainCutsOffWhatTakesTooLong(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		var result error
		s := newTestStage(func(ctx context.Context) error { <-ctx.Done(); result = ctx.Err(); return result })
		deaf := make(chan struct{})
		go func() { _ = flushTo(t.Context(), s, "r") }()
		synctest.Wait()
		s.live.Store(newTestStage(func(context.Context) error { <-deaf; return nil }).live.Load())
		go func() { _ = flushTo(t.Context(), s, "deaf") }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.Equal(t, 2, s.drain(ctx))
		require.Equal(t, time.Second+killGrace, time.Since(start))
		synctest.Wait()
		require.ErrorIs(t, result, context.Canceled)
		close(deaf)
	})
}

func TestStage_WithoutConfigurationFails(t *testing.T) {
	require.ErrorIs(t, flushTo(t.Context(), newStage(), "r"), errNotConfigured)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, newStage().begin(ended), context.Canceled)
}
