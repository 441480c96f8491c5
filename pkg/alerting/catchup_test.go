package alerting

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

// slowWorker is a log that holds up the worker of a dispatcher that takes in the
// next version of an alert that fires.
type slowWorker struct {
	slog.Handler
	armed atomic.Bool
	hold  chan struct{}
}

func (s *slowWorker) Enabled(context.Context, slog.Level) bool { return true }

func (s *slowWorker) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(attr slog.Attr) bool {
		a, ok := attr.Value.Any().(*alert.Alert)
		if ok && r.Message == "Received alert" && !a.Resolved() && s.armed.CompareAndSwap(true, false) {
			<-s.hold
		}
		return true
	})
	return nil
}

func (s *slowWorker) WithAttrs([]slog.Attr) slog.Handler { return s }

func (s *slowWorker) WithGroup(string) slog.Handler { return s }

// Upstream takes alerts in with several workers.
func TestDispatcher_AlertWhoseVersionsOvertakeEachOtherIsSetRight(t *testing.T) {
	for name, collection := range map[string]time.Duration{"": time.Hour, "the provider has dropped it": time.Second} {
		t.Run(name, func(t *testing.T) {
			virtual.Test(t, func(t *testing.T) {
				n := newMemoryNet(t)
				slow := &slowWorker{hold: make(chan struct{})}
				h := virtualHarness(t, n, func(o *Options, d *Deps) { o.AlertGCInterval, d.Logger = collection, slog.New(slow) }).start()
				h.apply(effective(t, virtualYML(sixSeconds...)))
				h.Send(fresh("a"))
				n.at(time.Second)
				slow.armed.Store(true)
				h.Send(fresh("a"))
				n.at(2 * time.Second)
				h.Send(ended("a"))
				n.at(4 * time.Second)
				close(slow.hold)
				n.at(time.Minute)
				require.Equal(t, []string{toldTeam("500ms", "a"), toldTeam("12.5s", "(a)")}, texts(n.notifications()))
			})
		})
	}
}
