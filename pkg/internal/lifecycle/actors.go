package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/oklog/run"
)

var errLate = errors.New("still running after the time for stopping was over")

// lastGrace is what an actor has when one before it has used up the time for
// stopping.
const lastGrace = 100 * time.Millisecond

// Actors run side by side until the first one returns; then all are stopped,
// one after another, in the order in which they were added: an actor is told to
// stop only when the one before it has ended.
//
// The order comes from run.Group, whose interrupts run one after another; each
// of ours waits for its own actor.
type Actors struct {
	log   *slog.Logger
	group run.Group

	over   context.Context // done when the time for stopping is over
	budget func()          // starts that time; only the first call counts
	cancel context.CancelFunc

	mu   sync.Mutex // guards what follows
	errs []error    // of every actor; run.Group keeps only the first
}

// NewActors returns a group of actors that together have the given time to
// stop. One that still runs then is left behind, and Run's error names it.
func NewActors(log *slog.Logger, timeout time.Duration) *Actors {
	over, cancel := context.WithCancel(context.Background())
	return &Actors{
		log:    log,
		over:   over,
		cancel: cancel,
		budget: sync.OnceFunc(func() {
			timer := time.AfterFunc(timeout, cancel)
			context.AfterFunc(over, func() { timer.Stop() })
		}),
	}
}

// Add registers an actor, which runs until its context is done.
func (a *Actors) Add(name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}) // closed when the actor has ended
	late := make(chan struct{})  // closed when it is given up
	var result error
	a.group.Add(func() error {
		go func() {
			defer close(ended)
			result = f(ctx)
		}()
		select {
		case <-ended:
			return a.record(name, result)
		case <-late:
			return a.record(name, errLate)
		}
	}, func(error) {
		a.budget()
		cancel()
		select {
		case <-ended:
			return
		case <-a.over.Done():
		}
		select {
		case <-ended:
		case <-time.After(lastGrace):
			close(late)
		}
	})
}

func (a *Actors) record(name string, err error) error {
	a.log.Debug("Actor exited", "actor", name, "err", err)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", name, err)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.errs = append(a.errs, err)
	return err
}

// Run runs all actors until one returns and the others have been stopped. It
// returns the errors of all of them, joined. It may be called once.
func (a *Actors) Run() error {
	defer a.cancel()
	_ = a.group.Run() // every actor has recorded its own error
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Join(a.errs...)
}
