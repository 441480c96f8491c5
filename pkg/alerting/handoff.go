package alerting

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/notifier"
)

// handoffBatch is how many alerts are delivered at once: few enough that the
// provider's lock, under which that happens, is free again soon.
const handoffBatch = notifier.DefaultMaxBatchSize

// handoff stands between who evaluates rules, who must never wait, and who takes
// alerts, who may be slow. An alert that is given again while it waits takes the
// place of what it was before: the latest state wins, the order stays, nothing is
// dropped, and what waits is bounded by the number of alerts. What is only said
// again keeps the sample with which it was said first.
type handoff struct {
	deliver func([]handed)
	waiting func() prometheus.Gauge // how many wait; nil when nobody wants to know
	wake    chan struct{}

	mu     sync.Mutex // guards what follows
	queue  []handed
	places map[string]int // in queue, by the alert's labels
	closed bool
}

func newHandoff(deliver func([]handed), waiting func() prometheus.Gauge) *handoff {
	return &handoff{
		deliver: deliver,
		waiting: waiting,
		wake:    make(chan struct{}, 1),
		places:  map[string]int{},
	}
}

// put hands alerts over. It does not block, and returns false after the end.
func (h *handoff) put(alerts []handed) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	now := time.Now()
	for _, a := range alerts {
		a.resolved = !a.EndsAt.IsZero() && !a.EndsAt.After(now)
		key := string(a.Labels.Bytes(nil))
		if place, ok := h.places[key]; ok {
			h.queue[place] = a.inPlaceOf(h.queue[place])
			continue
		}
		h.places[key] = len(h.queue)
		h.queue = append(h.queue, a)
	}
	h.countLocked(len(h.queue))
	select {
	case h.wake <- struct{}{}:
	default:
	}
	return true
}

// run delivers until ctx is done, and then what still waits.
func (h *handoff) run(ctx context.Context) { h.runWith(ctx, nil, nil, nil) }

// runWith is run, and calls look between two deliveries when either channel says
// so.
func (h *handoff) runWith(ctx context.Context, tick <-chan time.Time, due <-chan struct{}, look func()) {
	for {
		select {
		case <-h.wake:
			h.deliverAll(h.take(false))
		case <-tick:
			look()
		case <-due:
			look()
		case <-ctx.Done():
			h.deliverAll(h.take(true))
			return
		}
	}
}

func (h *handoff) take(last bool) []handed {
	h.mu.Lock()
	defer h.mu.Unlock()
	queue := h.queue
	h.queue, h.places = nil, map[string]int{}
	h.closed = h.closed || last
	h.countLocked(0)
	return queue
}

func (h *handoff) deliverAll(queue []handed) {
	for len(queue) > 0 {
		n := min(len(queue), handoffBatch)
		h.deliver(queue[:n])
		queue = queue[n:]
	}
}

func (h *handoff) countLocked(n int) {
	if h.waiting != nil {
		h.waiting().Set(float64(n))
	}
}
