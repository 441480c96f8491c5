package alerting

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/trace"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// When alerts are counted: soon after something has changed, and once more when those
// who are told of alerts later, such as the inhibitor, know of it too; when an alert or
// a silence ends, of which nobody says a word; and once in a while. Counting takes no
// more than a small share of the time.
const (
	countSettle     = time.Second
	countInterval   = time.Minute
	leastCountPause = 50 * time.Millisecond
	countPauseShare = 20
)

var errDisabled = errors.New("the built-in Alertmanager is disabled")

// counts are the counts of alerts as they were a moment ago. Who asks for them waits
// for nothing; who counts takes none of the locks under which alerts are handed to
// others, configurations are applied or the disk is waited for.
type counts struct {
	latest  atomic.Pointer[client.AlertsStatus] // nil before the first configuration runs
	changed chan struct{}                       // holds one element when something has
}

func newCounts() *counts { return &counts{changed: make(chan struct{}, 1)} }

// nudge says that something has changed. It never blocks.
func (c *counts) nudge() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// AlertsStatus counts the alerts that fire and are not inhibited, as Alertmanager's API
// lists them with active=true&inhibited=false. It never blocks. An error says why they
// are not known.
func (m *Manager) AlertsStatus() (*client.AlertsStatus, error) {
	if m.engine == nil {
		return nil, errDisabled
	}
	if reason := m.NotReady(); reason != "" {
		return nil, errors.New(reason)
	}
	return m.engine.counts.latest.Load(), nil
}

// countFirst counts alerts with the first configuration, so that whoever is ready knows
// them.
func (e *engine) countFirst() {
	if e.counts.latest.Load() == nil {
		status, _ := e.count(time.Now())
		e.counts.latest.CompareAndSwap(nil, status)
	}
}

// keepCounting counts alerts until done is closed.
func (e *engine) keepCounting(done <-chan struct{}) {
	pause, due := time.NewTimer(0), time.NewTimer(0)
	defer pause.Stop()
	defer due.Stop()
	for changed := true; ; {
		begin := time.Now()
		status, next := e.count(begin)
		if status != nil {
			e.counts.latest.Store(status)
		}
		if settled := begin.Add(countSettle); changed && settled.Before(next) {
			next = settled
		}
		pause.Reset(max(leastCountPause, countPauseShare*time.Since(begin)))
		select {
		case <-pause.C:
		case <-done:
			return
		}
		due.Reset(time.Until(next))
		select {
		case <-e.counts.changed:
			changed = true
		case <-due.C:
			changed = false
		case <-done:
			return
		}
	}
}

// count counts the alerts of the provider, and says when that may be wrong even if
// nothing changes. It follows getAlertsHandler and alertFilter of Alertmanager's
// api/v2/api.go. The status is nil when no configuration runs.
func (e *engine) count(now time.Time) (status *client.AlertsStatus, until time.Time) {
	until = now.Add(countInterval)
	live := e.stage.live.Load()
	if live == nil {
		return nil, until
	}
	ctx := untraced()
	inhibits := len(live.conf.InhibitRules) > 0
	status = &client.AlertsStatus{}
	services := map[model.LabelValue]bool{}
	alerts := e.alertJournal.alerts()
	for _, a := range alerts {
		if !a.EndsAt.IsZero() && a.EndsAt.Before(now) {
			continue
		}
		until = nextAfter(now, until, a.EndsAt)
		if inhibits && live.inhibitor.Mutes(ctx, a.Labels) {
			continue
		}
		switch level := a.Labels["level"]; {
		case e.silencer.Mutes(ctx, a.Labels):
			status.Silenced++
		case level == "warning":
			status.Warning++
		case level == "critical":
			status.Critical++
			services[a.Labels["service_name"]] = true
		}
	}
	status.ServicesCritical = len(services)
	if len(alerts) > 0 {
		until = e.nextSilence(ctx, now, until)
	}
	return status, until
}

// nextSilence is when the next silence begins or ends; until, when that is sooner.
func (e *engine) nextSilence(ctx context.Context, now, until time.Time) time.Time {
	silences, _, err := e.silences.Query(ctx, silence.QState(silence.SilenceStateActive, silence.SilenceStatePending))
	if err != nil {
		e.log.Error("Silences not listed", "err", err)
	}
	for _, s := range silences {
		until = nextAfter(now, nextAfter(now, until, s.StartsAt.AsTime()), s.EndsAt.AsTime())
	}
	return until
}

// nextAfter is a moment just after the one given, where that is still to come and is
// sooner than until.
func nextAfter(now, until, at time.Time) time.Time {
	if at = at.Add(time.Millisecond); at.After(now) && at.Before(until) {
		return at
	}
	return until
}

// untraced is a context in which nothing is traced: the engine would make two spans of
// each alert, each time.
func untraced() context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1},
	}))
}
