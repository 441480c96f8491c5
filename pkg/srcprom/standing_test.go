package srcprom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// lateTarget answers its scrapes from the given one on.
type lateTarget struct {
	*httptest.Server
	from    int64
	value   atomic.Int64
	scrapes atomic.Int64
}

func newLateTarget(t *testing.T, from, value int64) *lateTarget {
	target := &lateTarget{from: from}
	target.value.Store(value)
	target.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if target.scrapes.Add(1) < target.from {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, "fire %d\n", target.value.Load())
	}))
	t.Cleanup(target.Close)
	return target
}

func (l *lateTarget) address() string { return strings.TrimPrefix(l.URL, "http://") }

// startServer runs a server with rules that are evaluated often.
func startServer(t *testing.T, lookback time.Duration, rules string, targets ...*lateTarget) *Server {
	t.Helper()
	addresses := make([]string, len(targets))
	for i, target := range targets {
		addresses[i] = target.address()
	}
	opts := DefaultOptions()
	opts.Logger = slog.New(slog.DiscardHandler)
	opts.Storage.Dir, opts.Storage.LookbackDelta = t.TempDir(), lookback
	opts.Scrape.DiscoveryReloadInterval = 50 * time.Millisecond
	opts.Web.ListenAddresses = []string{"127.0.0.1:0"}
	opts.Documents = map[string]string{
		config.PrometheusDocument: "global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 50ms}\n" +
			"scrape_configs: [ { job_name: app, static_configs: [ { targets: [" + strings.Join(addresses, ", ") + "] } ] } ]\n",
		"rules/test": "groups: [ { name: g, rules: [ " + rules + " ] } ]\n",
	}
	server, err := New(opts)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	<-server.Ready()
	return server
}

// awaitStanding waits until an alert stands so, and fails if it has been said to
// have ended before.
func awaitStanding(t *testing.T, s *Server, want alerting.Standing, alert ...string) {
	t.Helper()
	require.Eventually(t, func() bool {
		now := s.standing(labels.FromStrings(alert...))
		require.True(t, now == want || now == alerting.StandingUnknown, "standing %d instead of %d", now, want)
		return now == want
	}, 20*time.Second, time.Millisecond, "standing %d of %v", want, alert)
}

func TestStanding_SlowFirstScrapeEndsNothing(t *testing.T) {
	quick, slow := newLateTarget(t, 1, 0), newLateTarget(t, 4, 1)
	s := startServer(t, time.Hour, "{ alert: Fire, expr: 'fire{job=\"app\"} == 1' }", quick, slow)
	awaitStanding(t, s, alerting.StandingActive, "alertname", "Fire", "job", "app", "instance", slow.address())
	require.GreaterOrEqual(t, slow.scrapes.Load(), int64(4))
	awaitStanding(t, s, alerting.StandingInactive, "alertname", "Fire", "job", "app", "instance", quick.address())

	slow.value.Store(0)
	require.Eventually(t, func() bool {
		return s.standing(labels.FromStrings("alertname", "Fire", "job", "app", "instance", slow.address())) == alerting.StandingInactive
	}, 20*time.Second, time.Millisecond, "the alert has ended")
}

func TestStanding_ShortForIsActiveWhilePending(t *testing.T) {
	target := newLateTarget(t, 3, 1)
	s := startServer(t, time.Hour, "{ alert: Fire, expr: fire == 1, for: 1s }", target)
	alert := []string{"alertname", "Fire", "job", "app", "instance", target.address()}
	awaitStanding(t, s, alerting.StandingActive, alert...)
	require.Eventually(t, func() bool {
		require.Equal(t, alerting.StandingActive, s.standing(labels.FromStrings(alert...)), "all the way from pending to firing")
		rule := s.rules.Upstream().AlertingRules()[0]
		active := rule.ActiveAlerts()
		return len(active) == 1 && !active[0].FiredAt.IsZero()
	}, 20*time.Second, 5*time.Millisecond, "the alert fires")
}

func TestStanding_RatesNeedTwoSamples(t *testing.T) {
	target := newLateTarget(t, 3, 1)
	s := startServer(t, time.Hour, "{ alert: Rate, expr: 'rate(fire[5m]) >= 0' }", target)
	awaitStanding(t, s, alerting.StandingActive, "alertname", "Rate", "job", "app", "instance", target.address())
}

func TestStanding_TargetThatFailsKeepsItsAlertsForTheLookbackDelta(t *testing.T) {
	target := newLateTarget(t, 1<<40, 1)
	begin := time.Now()
	s := startServer(t, 2*time.Second, "{ alert: Fire, expr: fire == 1 }", target)
	awaitStanding(t, s, alerting.StandingInactive, "alertname", "Fire", "job", "app", "instance", target.address())
	require.GreaterOrEqual(t, time.Since(begin), 2*time.Second)
}

func TestStanding_TargetAndRuleThatAreGone(t *testing.T) {
	s := startServer(t, time.Hour, "{ alert: Fire, expr: fire == 1 }", newLateTarget(t, 1, 0))
	awaitStanding(t, s, alerting.StandingInactive, "alertname", "Fire", "job", "app", "instance", "gone:80")
	require.Equal(t, alerting.StandingGone, s.standing(labels.FromStrings("alertname", "Removed")))
}

func TestChecks_StateThatCannotBeWritten(t *testing.T) {
	full := false
	st, err := state.Open(filepath.Join(t.TempDir(), "srcprom", "state.db"), state.Options{BeforeCommit: func() error {
		if full {
			return errors.New("no space left on device")
		}
		return nil
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	c := &checks{Server: &Server{state: st}, since: time.Now()}
	require.Empty(t, c.stateFile())

	full = true
	st.Put("silences", "a", []byte("{}"))
	require.Error(t, st.Flush(t.Context()))
	found := c.stateFile()
	require.Len(t, found, 1)
	require.Equal(t, alertStateNotWritable, found[0].Alert)
	require.Contains(t, found[0].Summary, "no space left on device")
	require.False(t, found[0].Since.IsZero())

	full = false
	require.NoError(t, st.Flush(t.Context()))
	require.Empty(t, c.stateFile())
}

func TestFailing_NamesWhatDoesNotWorkAtAll(t *testing.T) {
	h := client.Health{Parts: []client.PartHealth{
		{Name: "state", Problems: []client.HealthProblem{{Level: client.HealthCritical, Summary: "It is full."}, {Level: client.HealthWarning, Summary: "It is old."}}},
		{Name: "rules"},
	}}
	require.Equal(t, []string{"state: It is full."}, failing(h))
}
