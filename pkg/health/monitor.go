package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/notifier"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// Monitor watches the parts of a server. Its methods are safe for concurrent use.
type Monitor struct {
	opts    Options
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	started atomic.Bool

	mu                      sync.Mutex // guards what follows
	parts                   map[string]*partMemory
	raised                  map[identity]*raised
	switchSince, switchSent time.Time
}

// New returns a Monitor that raises no alert before [Monitor.Run].
func New(opts Options, deps Deps) (*Monitor, error) {
	if err := errors.Join(opts.Validate(), deps.validate()); err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Monitor{
		opts:    opts,
		deps:    deps,
		log:     deps.Logger.With("component", "health"),
		metrics: newMetrics(),
		parts:   map[string]*partMemory{},
		raised:  map[identity]*raised{},
	}
	if err := m.metrics.register(deps.Registerer); err != nil {
		return nil, fmt.Errorf("health: register metrics: %w", err)
	}
	return m, nil
}

// Health says how the server is now.
func (m *Monitor) Health() client.Health {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lookLocked(time.Now())
}

// Run looks at the parts and raises alerts until ctx is done. It may be called
// once.
//
// The end of Run resolves nothing: a server that stops does not heal. What was
// raised ends by itself, unless a server that starts soon finds it again.
func (m *Monitor) Run(ctx context.Context) error {
	if m.started.Swap(true) {
		return errors.New("health: Run has been called before")
	}
	ticker := time.NewTicker(m.opts.Interval)
	defer ticker.Stop()
	for {
		m.round()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// round looks once, and survives whatever is wrong with it: when the monitor
// does not run, nobody hears of anything.
func (m *Monitor) round() {
	defer func() {
		if p := recover(); p != nil {
			m.log.Error("Looking at the server's health panicked; it is tried again", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if alerts := m.due(time.Now()); len(alerts) > 0 {
		m.deps.Send(alerts...)
	}
}

func (m *Monitor) due(now time.Time) []*notifier.Alert {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stepLocked(m.lookLocked(now), now)
}
