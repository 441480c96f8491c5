package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func TestActors_StopInOrderOfAdding(t *testing.T) {
	a := NewActors(slog.New(slog.DiscardHandler), time.Minute)
	var order []string // each append happens after the actor before has ended
	a.Add("first", func(ctx context.Context) error { return nil })
	for _, name := range []string{"web", "rules", "scrape"} {
		a.Add(name, func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, name)
			return nil
		})
	}
	require.NoError(t, a.Run())
	require.Equal(t, []string{"web", "rules", "scrape"}, order)
}

func TestActors_RunReturnsEveryError(t *testing.T) {
	a := NewActors(slog.New(slog.DiscardHandler), time.Minute)
	first, second := errors.New("no disk"), errors.New("no port")
	a.Add("storage", func(context.Context) error { return first })
	a.Add("web", func(ctx context.Context) error {
		<-ctx.Done()
		return second
	})
	err := a.Run()
	require.ErrorIs(t, err, first)
	require.ErrorIs(t, err, second)
	require.EqualError(t, err, "storage: no disk\nweb: no port")
}

func TestActors_LateActorIsLeftBehindAndNamed(t *testing.T) {
	a := NewActors(slog.New(slog.DiscardHandler), 10*time.Millisecond)
	release := make(chan struct{})
	defer close(release)
	a.Add("first", func(context.Context) error { return nil })
	a.Add("replay", func(context.Context) error {
		<-release
		return nil
	})
	a.Add("last", untilDone)
	err := a.Run()
	require.ErrorIs(t, err, errLate)
	require.ErrorContains(t, err, "replay: ")
}

func TestStack_UnwindsInReverseOnceAndJoinsErrors(t *testing.T) {
	var s Stack
	var order []string
	s.Push("state", func() error { order = append(order, "state"); return errors.New("disk full") })
	s.Push("listener", func() error { order = append(order, "listener"); return nil })
	require.EqualError(t, s.Unwind(), "state: disk full")
	require.NoError(t, s.Unwind())
	require.Equal(t, []string{"listener", "state"}, order)
}
