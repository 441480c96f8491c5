package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
)

var (
	errStopping      = errors.New("alerting is stopping")
	errNotConfigured = errors.New("alertmanager configuration not applied yet")
)

// killGrace is what sends have to end in after they were told to.
const killGrace = time.Second

// stage stands between every dispatcher of a Manager and the receivers.
//
// What is behind it hangs off one pointer, so that receivers, templates,
// inhibition and intervals change as a whole and without touching the dispatcher.
// What is being sent does not end with the dispatcher that began it: upstream
// cancels it at each reload, and sends it again. Two flushes of the same group to
// the same receiver, which an old and a new dispatcher can make at the same time,
// run one after the other, so that the later one finds in the notification log
// what the earlier one has sent.
type stage struct {
	live  atomic.Pointer[delivery]
	locks keyedLocks
	kill  context.Context // done when what is being sent has to end
	cut   context.CancelFunc

	mu       sync.Mutex // guards what follows
	stopping bool
	running  int
	idle     chan struct{} // closed when stopping and nothing runs any more
}

func newStage() *stage {
	s := &stage{idle: make(chan struct{})}
	s.kill, s.cut = context.WithCancel(context.Background())
	return s
}

// Exec implements notify.Stage.
func (s *stage) Exec(ctx context.Context, l *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
	unlock, err := s.locks.lock(ctx, sendKey(ctx))
	if err != nil {
		return ctx, nil, fmt.Errorf("wait for the notification before: %w", err)
	}
	defer unlock()
	if err := s.begin(ctx); err != nil {
		return ctx, nil, err
	}
	defer s.end()
	live := s.live.Load()
	if live == nil {
		return ctx, nil, errNotConfigured
	}
	detached, release := s.detach(ctx)
	defer release()
	_, alerts, err = live.pipeline.Exec(detached, l, alerts...)
	return ctx, alerts, err
}

// sendKey names what may not be sent twice at the same time.
func sendKey(ctx context.Context) string {
	group, _ := notify.GroupKey(ctx)
	receiver, _ := notify.ReceiverName(ctx)
	return receiver + "\xff" + group
}

func (s *stage) begin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.stopping {
		return errStopping
	}
	s.running++
	return nil
}

func (s *stage) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.stopping && s.running == 0 {
		close(s.idle)
	}
}

// detach keeps the values and the deadline of ctx and leaves its cancellation
// behind.
func (s *stage) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok { // the dispatcher always sets one
		deadline = time.Now().Add(notify.MinTimeout)
	}
	detached, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	release := context.AfterFunc(s.kill, cancel)
	return detached, func() {
		release()
		cancel()
	}
}

// drain refuses new notifications and waits until those in flight have ended or
// ctx is done. It returns how many had to be cut off.
func (s *stage) drain(ctx context.Context) (cut int) {
	s.refuse()
	select {
	case <-s.idle:
		return 0
	case <-ctx.Done():
	}
	cut = s.inFlight()
	s.cut()
	select {
	case <-s.idle:
	case <-time.After(killGrace):
	}
	return cut
}

func (s *stage) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.stopping = true
	if s.running == 0 {
		close(s.idle)
	}
}

func (s *stage) inFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}
