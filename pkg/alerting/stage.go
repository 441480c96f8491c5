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
	"github.com/prometheus/alertmanager/nflog/nflogpb"
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
// what the earlier one has sent. It remembers the timers of the groups, for the
// dispatcher that comes next.
type stage struct {
	live     atomic.Pointer[delivery]
	notified notificationLog                               // set before the first flush
	doubted  func(receiver, group string) []*nflogpb.Entry // likewise; nil where nothing can be in doubt
	locks    keyedLocks
	timers   groupTimers
	serials  uint64          // dispatchers so far; guarded by engine.mu
	kill     context.Context // done when what is being sent has to end
	cut      context.CancelFunc

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

// flush is one firing of the timer of a group of alerts.
type flush struct {
	group, receiver string
	id              uint64 // counted from 1 by the dispatcher, for each group that it makes
	interval        time.Duration
	timeout         time.Duration // what a flush of its route may take
	serial          uint64        // of the dispatcher
	before          *legacy       // what that had from the one before
}

// flushKey is that of the flush in the context of what it sends.
type flushKey struct{}

// key names what may not be sent twice at the same time.
func (f flush) key() string { return f.receiver + "\xff" + f.group }

// moved says whether new routes alone have brought an alert to the group.
func (f flush) moved(a *alert.Alert, changed time.Time) bool {
	return f.before != nil && f.before.moved(f, a, changed)
}

// send sends the alerts of a flush, and returns those that went through.
func (s *stage) send(ctx context.Context, l *slog.Logger, f flush, alerts []*alert.Alert) ([]*alert.Alert, error) {
	fired := time.Now()
	unlock, err := s.locks.lock(ctx, f.key())
	if err != nil {
		return nil, fmt.Errorf("wait for the notification before: %w", err)
	}
	defer unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end()
	live := s.live.Load()
	if live == nil {
		return nil, errNotConfigured
	}
	timer := s.timers.fire(f, fired)
	if timer.held { // the dispatcher thinks that it is as late as before the hold
		ctx = notify.WithNow(ctx, fired)
	}
	passed := alerts
	if f.id == 1 || timer.inherited {
		passed = f.withoutSettled(alerts, s.entries(live, f), timer.succeeded)
	}
	if len(passed) > 0 {
		detached, release := s.detach(context.WithValue(ctx, flushKey{}, f))
		defer release()
		_, passed, err = live.pipeline.Exec(detached, l, passed...)
	}
	if err == nil {
		s.timers.succeed(f, fired, allResolved(alerts))
	}
	return passed, err
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
