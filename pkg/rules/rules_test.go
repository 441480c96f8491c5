package rules

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestOptions_ValidateReportsEveryProblem(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
	require.Equal(t, config.EvaluationAfterScrape, DefaultOptions().Evaluation)
	for _, evaluation := range []string{"", config.EvaluationAfterScrape, config.EvaluationClock} {
		require.NoError(t, Options{Evaluation: evaluation}.Validate())
	}
	err := Options{Evaluation: "sometimes", ForOutageTolerance: -1, ForGracePeriod: -1, ResendDelay: -1, StopTimeout: -1, ConcurrentEvals: true}.Validate()
	for _, field := range []string{`evaluation is "sometimes": it must be "after-scrape" or "clock"`, "ForOutageTolerance", "ForGracePeriod", "ResendDelay", "StopTimeout", "MaxConcurrentEvals"} {
		require.ErrorContains(t, err, field)
	}
}

func TestNew_ReportsEverythingThatIsMissing(t *testing.T) {
	_, err := New(Options{ResendDelay: -1}, Deps{})
	for _, field := range []string{"ResendDelay", "Appendable", "Queryable", "QueryFunc", "Notify", "Parser"} {
		require.ErrorContains(t, err, field)
	}
}

func TestNew_ReportsFeatures(t *testing.T) {
	m := newManager(t, t.TempDir(), func(o *Options, _ *Deps) { o.ConcurrentEvals = true })
	require.True(t, m.features.Get()["rules"]["concurrent_rule_eval"])
}

func TestRules_RecordAndAlert(t *testing.T) {
	for name, concurrent := range map[string]bool{"one after another": false, "concurrently": true} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, t.TempDir(), func(o *Options, _ *Deps) { o.ConcurrentEvals = concurrent })
			m.append(t, time.Now(), 3, "__name__", "queue_length", "queue", "mail")
			m.start(t)
			m.apply(t, effective(t, fast, [2]string{"a.yml", `
groups:
- name: queues
  labels: {team: post}
  rules:
  - {record: "queue:length:double", expr: queue_length * 2}
  - {alert: QueueLong, expr: "queue:length:double > 5", annotations: {summary: "{{ $labels.queue }} at {{ $value }}, see {{ externalURL }}"}}
`}))
			require.Eventually(t, func() bool { _, ok := m.sent("QueueLong"); return ok }, patience, time.Millisecond, "the alert leaves")
			alert, _ := m.sent("QueueLong")
			require.Equal(t, `{alertname="QueueLong", queue="mail", team="post"}`, alert.Labels.String())
			require.Equal(t, "mail at 6, see http://srcprom.example", alert.Annotations.Get("summary"))
			require.Equal(t, map[string]float64{`{__name__="queue:length:double", queue="mail", team="post"}`: 6}, m.query(t, "queue:length:double"))

			m.append(t, time.Now(), 1, "__name__", "queue_length", "queue", "mail")
			require.Eventually(t, func() bool { a, _ := m.sent("QueueLong"); return !a.ResolvedAt.IsZero() }, patience, time.Millisecond, "its end leaves as well")
		})
	}
}

func TestRules_KeepFiringFor(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	m.append(t, time.Now(), 1, "__name__", "m")
	m.start(t)
	m.apply(t, effective(t, fast, [2]string{"a.yml", `
groups: [{name: g, rules: [{alert: Kept, expr: m > 0, keep_firing_for: 1h}, {alert: NotKept, expr: m > 0}]}]
`}))
	for _, name := range []string{"Kept", "NotKept"} {
		require.Eventually(t, func() bool { _, ok := m.sent(name); return ok }, patience, time.Millisecond, "%s fires", name)
	}
	m.append(t, time.Now(), 0, "__name__", "m")
	require.Eventually(t, func() bool { a, _ := m.sent("NotKept"); return !a.ResolvedAt.IsZero() }, patience, time.Millisecond, "NotKept ends")
	m.evaluated(t, "g", 2)
	kept, ok := m.active(t, "Kept")
	require.True(t, ok)
	require.Equal(t, rules.StateFiring, kept.State)
	require.False(t, kept.KeepFiringSince.IsZero())
}

func TestRules_Limit(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	for _, instance := range []string{"a", "b", "c"} {
		m.append(t, time.Now(), 1, "__name__", "m", "instance", instance)
	}
	m.start(t)
	m.apply(t, effective(t, fast, [2]string{"a.yml", `
groups: [{name: g, limit: 2, rules: [{alert: TooMany, expr: m > 0}]}]
`}))
	require.Equal(t, 2, m.group(t, "g").Limit())
	require.Eventually(t, func() bool { return m.Upstream().AlertingRules()[0].Health() == rules.HealthBad }, patience, time.Millisecond, "the rule fails")
	require.EqualError(t, m.Upstream().AlertingRules()[0].LastError(), "exceeded limit of 2 with 3 alerts")
	_, ok := m.sent("TooMany")
	require.False(t, ok)
}

func TestRules_QueryOffset(t *testing.T) {
	files := [2]string{"a.yml", `
groups:
- {name: own, query_offset: 5m, rules: [{record: own_offset, expr: time()}]}
- {name: default, rules: [{record: default_offset, expr: time()}]}
`}
	m := startManager(t, effective(t, "global: {evaluation_interval: 50ms, rule_query_offset: 1m}", files))
	require.Equal(t, 5*time.Minute, m.group(t, "own").QueryOffset())
	require.Equal(t, time.Minute, m.group(t, "default").QueryOffset())
	m.evaluated(t, "own", 1)
	m.evaluated(t, "default", 1)
	now := float64(time.Now().Unix())
	require.InDelta(t, now-300, m.query(t, "last_over_time(own_offset[1h])")[`{__name__="own_offset"}`], 10)
	require.InDelta(t, now-60, m.query(t, "default_offset")[`{__name__="default_offset"}`], 10)

	before := m.group(t, "default")
	changes := m.apply(t, effective(t, "global: {evaluation_interval: 50ms, rule_query_offset: 2m}", files))
	require.Equal(t, []string{"rules: default query offset 2m0s (was 1m0s)"}, changes)
	require.Equal(t, 2*time.Minute, m.group(t, "default").QueryOffset())
	require.Same(t, before, m.group(t, "default"), "no group is touched for that")
}

func TestManager_SideBySide(t *testing.T) {
	rule := func(name string) [2]string {
		return [2]string{"a.yml", "groups: [{name: g, rules: [{record: " + name + ", expr: vector(1)}]}]"}
	}
	a, b := startManager(t, effective(t, fast, rule("in_a"))), startManager(t, effective(t, fast, rule("in_b")))
	a.evaluated(t, "g", 1)
	b.evaluated(t, "g", 1)
	require.Len(t, a.query(t, "in_a"), 1)
	require.Empty(t, a.query(t, "in_b"))
}

var anyGroup = [2]string{"a.yml", "groups: [{name: g, rules: [{record: r, expr: vector(1)}]}]"}

func TestManager_CommitBeforeRun(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	m.apply(t, effective(t, fast, anyGroup))
	require.True(t, m.group(t, "g").GetLastEvaluation().IsZero(), "nothing is evaluated before Run")
	m.start(t)
	m.evaluated(t, "g", 1)
}

func TestManager_RunWithDoneContextReturnsAtOnce(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, newManager(t, t.TempDir(), nil).Run(done))

	m := newManager(t, t.TempDir(), nil)
	m.apply(t, effective(t, "", anyGroup))
	require.NoError(t, m.Run(done), "and ends what the commit has started")
}

func TestManager_RunTwiceFails(t *testing.T) {
	m := startManager(t, effective(t, fast, anyGroup))
	m.stop()
	require.EqualError(t, m.Run(t.Context()), "rules: Run has been called before")
}

func TestManager_CommitAfterStopFails(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	m.start(t)
	step, err := m.Prepare(nil, effective(t, fast, anyGroup))
	require.NoError(t, err)
	m.stop()
	require.EqualError(t, step.Commit(), "rules: the manager has stopped")
}

func TestManager_StopCancelsAQueryThatTakesTooLong(t *testing.T) {
	entered := make(chan struct{}, 100)
	m := newManager(t, t.TempDir(), func(o *Options, d *Deps) {
		o.StopTimeout = 50 * time.Millisecond
		d.QueryFunc = func(ctx context.Context, _ string, _ time.Time) (promql.Vector, error) {
			entered <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	m.start(t)
	m.apply(t, effective(t, fast, anyGroup))
	<-entered
	m.stop()
}

func TestManager_StopDuringCommitThatWaits(t *testing.T) {
	entered := make(chan struct{}, 100)
	m := newManager(t, t.TempDir(), func(o *Options, d *Deps) {
		o.StopTimeout = 50 * time.Millisecond
		d.QueryFunc = func(ctx context.Context, _ string, _ time.Time) (promql.Vector, error) {
			entered <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	m.start(t)
	m.apply(t, effective(t, fast, anyGroup))
	<-entered
	step, err := m.Prepare(nil, effective(t, fast))
	require.NoError(t, err)
	committed := make(chan error, 1)
	go func() { committed <- step.Commit() }() // waits for the evaluation of the group that goes
	m.stop()
	if err := <-committed; err != nil {
		require.EqualError(t, err, "rules: the manager has stopped")
	}
}
