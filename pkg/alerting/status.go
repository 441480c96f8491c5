package alerting

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/trace"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// What bounds how often alerts are counted. An alert ends, and a silence begins and
// ends, without anybody saying so, so they are counted again after a while even where
// nothing has changed; and counting takes no more than a small share of the time.
const (
	countInterval   = time.Second
	leastCountPause = 50 * time.Millisecond
	countPauseShare = 20
)

var (
	errDisabled   = errors.New("the built-in Alertmanager is disabled")
	errNotCounted = errors.New("the alerts have not been counted yet")
)

// counts are the counts of alerts as they were a moment ago. Who asks for them waits
// for nothing; who counts takes none of the locks under which alerts are handed to
// others, configurations are applied or the disk is waited for.
type counts struct {
	latest  atomic.Pointer[client.AlertsStatus] // nil while they are not known
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
// lists them with active=true&inhibited=false. It never blocks. An error says that they
// are not known yet.
func (m *Manager) AlertsStatus() (*client.AlertsStatus, error) {
	if m.engine == nil {
		return nil, errDisabled
	}
	if reason := m.NotReady(); reason != "" {
		return nil, errors.New(reason)
	}
	latest := m.engine.counts.latest.Load()
	if latest == nil {
		return nil, errNotCounted
	}
	return latest, nil
}

// keepCounting counts alerts until done is closed.
func (e *engine) keepCounting(done <-chan struct{}) {
	for {
		begin := time.Now()
		e.counts.latest.Store(e.count(begin))
		pause := max(leastCountPause, countPauseShare*time.Since(begin))
		if !sleep(done, nil, pause) || !sleep(done, e.counts.changed, countInterval) {
			return
		}
	}
}

// sleep waits for the given time or until it is woken; false says that done is closed.
func sleep(done, wake <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-wake:
		return true
	case <-done:
		return false
	}
}

// count counts the alerts of the provider. It follows getAlertsHandler and alertFilter
// of Alertmanager's api/v2/api.go. The result is nil when no configuration runs.
func (e *engine) count(now time.Time) *client.AlertsStatus {
	live := e.stage.live.Load()
	if live == nil {
		return nil
	}
	ctx := untraced()
	inhibits := len(live.conf.InhibitRules) > 0
	status := &client.AlertsStatus{}
	services := map[model.LabelValue]bool{}
	for _, a := range e.alertJournal.alerts() {
		if !a.EndsAt.IsZero() && a.EndsAt.Before(now) || inhibits && live.inhibitor.Mutes(ctx, a.Labels) {
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
	return status
}

// untraced is a context in which nothing is traced: the engine would make two spans of
// each alert, each time.
func untraced() context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1},
	}))
}
