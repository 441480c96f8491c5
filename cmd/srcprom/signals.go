package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// signals turns what the operating system asks for into what the server
// understands. It is installed before anything else is done, because each of
// these signals ends a process that has not asked for it.
type signals struct {
	stop, reload chan os.Signal
}

func catchSignals() *signals {
	// One slot each: asking for a reload again while one is owed adds nothing,
	// and of two requests to stop the second must be seen also while the first
	// has not been read.
	s := &signals{stop: make(chan os.Signal, 2), reload: make(chan os.Signal, 1)}
	signal.Notify(s.stop, os.Interrupt, syscall.SIGTERM)
	signal.Notify(s.reload, syscall.SIGHUP)
	return s
}

// release lets signals end the process again.
func (s *signals) release() {
	signal.Stop(s.stop)
	signal.Stop(s.reload)
}

// bound runs a command that ends when it is asked to stop. A second request ends
// the process as it would have without us.
func (s *signals) bound(command func(context.Context) int) int {
	ctx, stop := context.WithCancelCause(context.Background())
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case received := <-s.stop:
			s.release()
			stop(fmt.Errorf("%s received", received))
		case <-ended:
		}
	}()
	return command(ctx)
}

// untilStopped gives stop the first request to stop as its reason, and calls exit
// for the second.
func (s *signals) untilStopped(log *slog.Logger, stop func(cause error), exit func(code int)) {
	stop(fmt.Errorf("%s received; a second one would end everything at once", <-s.stop))
	log.Error("Stopping at once: asked a second time; what was in flight is lost", "signal", (<-s.stop).String())
	exit(exitFailure)
}

// reloads calls reload once for every SIGHUP that is not covered by a later
// call, first when ready is closed, until ctx is done.
func (s *signals) reloads(ctx context.Context, ready <-chan struct{}, reload func(context.Context)) {
	select {
	case <-ready:
	case <-ctx.Done():
		return
	}
	for {
		select {
		case <-s.reload:
			reload(ctx)
		case <-ctx.Done():
			return
		}
	}
}
