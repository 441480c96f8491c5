package rules

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"
)

// freshData is what a test says is fresh.
type freshData struct {
	mu    sync.Mutex // guards what follows
	since map[string]time.Time
	asked map[string]bool
}

func newFreshData() *freshData {
	return &freshData{since: map[string]time.Time{}, asked: map[string]bool{}}
}

func (f *freshData) ask(job, instance string, samples int) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := fmt.Sprintf("%s/%s/%d", job, instance, samples)
	f.asked[key] = true
	since, ok := f.since[key]
	return since, ok
}

// arrives makes something fresh from now on.
func (f *freshData) arrives(keys ...string) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, key := range keys {
		f.since[key] = now
	}
	return now
}

func (m *testManager) becomes(t *testing.T, want Standing, f *freshData, alert ...string) {
	t.Helper()
	require.Eventually(t, func() bool { return m.Standing(labels.FromStrings(alert...), f.ask) == want }, patience, time.Millisecond,
		"standing %d of %s", want, labels.FromStrings(alert...))
}

// stays looks for the length of some evaluations of a group.
func (m *testManager) stays(t *testing.T, want Standing, group string, f *freshData, alert ...string) {
	t.Helper()
	for range 4 {
		m.evaluated(t, group, 1)
		require.Equal(t, want, m.Standing(labels.FromStrings(alert...), f.ask))
	}
}

// alerting is a group with one rule.
func alerting(group, alert, expr, extra string) string {
	return fmt.Sprintf("- {name: %s, rules: [{alert: %s, expr: %q%s}]}\n", group, alert, expr, extra)
}

func TestStanding_EndedAlertIsInactiveOnceEvaluatedTwiceOnFreshData(t *testing.T) {
	f := newFreshData()
	m := newManager(t, t.TempDir(), nil)
	m.start(t)
	require.Equal(t, StandingUnknown, m.Standing(labels.FromStrings("alertname", "Disk"), f.ask), "before the first configuration")
	m.apply(t, effective(t, fast, groups(alerting("g", "Disk", `disk{job="node"} > 1`, ""))))
	m.stays(t, StandingUnknown, "g", f, "alertname", "Disk")

	arrived := f.arrives("node//1")
	m.becomes(t, StandingInactive, f, "alertname", "Disk")
	m.evaluations.mu.Lock()
	defer m.evaluations.mu.Unlock()
	seen := m.evaluations.groups["a.yml;g"].seen
	require.False(t, seen.begins[1].Before(arrived), "two evaluations have begun since")
}

func TestStanding_PendingFiringAndKeptFiringAreActive(t *testing.T) {
	f := newFreshData()
	f.arrives("/b/1")
	m := newManager(t, t.TempDir(), nil)
	m.append(t, time.Now(), 1, "__name__", "m", "instance", "a")
	m.start(t)
	m.apply(t, effective(t, fast, groups(
		alerting("pending", "Pending", "m", ", for: 1h"),
		alerting("firing", "Firing", "m", ", labels: {team: x}"),
		alerting("kept", "Kept", "m == 1", ", keep_firing_for: 1h"),
	)))
	m.stays(t, StandingUnknown, "firing", f, "alertname", "Firing", "instance", "a", "team", "x") // by samples of before the start
	f.arrives("/a/1")
	m.becomes(t, StandingActive, f, "alertname", "Pending", "instance", "a")
	m.becomes(t, StandingActive, f, "alertname", "Firing", "instance", "a", "team", "x")
	m.becomes(t, StandingInactive, f, "alertname", "Firing", "instance", "b", "team", "x")
	m.becomes(t, StandingActive, f, "alertname", "Kept", "instance", "a")
	m.append(t, time.Now(), 0, "__name__", "m", "instance", "a")
	m.stays(t, StandingActive, "kept", f, "alertname", "Kept", "instance", "a")
}

func TestStanding_GoneWhenNoRuleCouldHaveMadeIt(t *testing.T) {
	f := newFreshData()
	m := newManager(t, t.TempDir(), nil)
	m.start(t)
	e := effective(t, fast, groups(
		alerting("g", "Disk", "m", `, labels: {team: a, who: "{{ $labels.instance }}"}`),
		alerting("h", "Disk", "m", ", labels: {team: b}"),
	))
	m.apply(t, e)
	for _, c := range []struct {
		name  string
		want  Standing
		alert []string
	}{
		{"another name", StandingGone, []string{"alertname", "Net", "team", "a"}},
		{"another label", StandingGone, []string{"alertname", "Disk", "team", "c"}},
		{"a label is missing", StandingGone, []string{"alertname", "Disk"}},
		{"a template may be anything", StandingUnknown, []string{"alertname", "Disk", "team", "a", "who", "me"}},
		{"the other rule", StandingUnknown, []string{"alertname", "Disk", "team", "b", "instance", "x"}},
	} {
		require.Equal(t, c.want, m.Standing(labels.FromStrings(c.alert...), f.ask), c.name)
	}
	m.apply(t, effective(t, fast))
	require.Equal(t, StandingGone, m.Standing(labels.FromStrings("alertname", "Disk", "team", "b"), f.ask))
}

func TestStanding_GoneAfterAFirstConfigurationWithoutRules(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	step, err := m.Prepare(nil, effective(t, fast))
	require.NoError(t, err)
	require.NoError(t, step.Commit())
	require.Equal(t, StandingGone, m.Standing(labels.FromStrings("alertname", "Disk"), newFreshData().ask))
	require.NoError(t, step.Undo())
	require.Equal(t, StandingUnknown, m.Standing(labels.FromStrings("alertname", "Disk"), newFreshData().ask))
	m.start(t)
}

func TestStanding_UnknownWhileTheRuleFails(t *testing.T) {
	f := newFreshData()
	f.arrives("//1")
	var broken sync.Map
	m := newManager(t, t.TempDir(), func(_ *Options, d *Deps) {
		inner := d.QueryFunc
		d.QueryFunc = func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
			if _, is := broken.Load(expr); is {
				return nil, errors.New("too many samples")
			}
			return inner(ctx, expr, at)
		}
	})
	broken.Store("m", true)
	m.start(t)
	m.apply(t, effective(t, fast, groups(alerting("g", "Disk", "m", ""), alerting("h", "Net", "n", ""))))
	m.becomes(t, StandingInactive, f, "alertname", "Net")
	m.stays(t, StandingUnknown, "g", f, "alertname", "Disk")
	require.Eventually(t, func() bool { return len(m.Failures()) == 1 }, patience, time.Millisecond, "a failure")
	failure := m.Failures()[0]
	require.Equal(t, "g", failure.Group)
	require.Equal(t, []string{"Disk"}, failure.Rules)
	require.ErrorContains(t, failure.Err, "too many samples")
	m.evaluated(t, "g", 2)
	require.Equal(t, failure.Since, m.Failures()[0].Since)

	broken.Delete("m")
	m.becomes(t, StandingInactive, f, "alertname", "Disk")
	require.Empty(t, m.Failures())
}

func TestStanding_ChangedGroupStartsAnew(t *testing.T) {
	f := newFreshData()
	f.arrives("//1")
	m := newManager(t, t.TempDir(), nil)
	m.start(t)
	m.apply(t, effective(t, fast, groups(alerting("g", "Disk", "m > 1", ""))))
	m.becomes(t, StandingInactive, f, "alertname", "Disk")
	m.append(t, time.Now(), 1, "__name__", "m")
	m.apply(t, effective(t, fast, groups(alerting("g", "Disk", "m > 0", ""))))
	require.NotEqual(t, StandingInactive, m.Standing(labels.FromStrings("alertname", "Disk"), f.ask))
	m.becomes(t, StandingActive, f, "alertname", "Disk")
	m.stays(t, StandingActive, "g", f, "alertname", "Disk")
}

func TestStanding_WhatOthersRecordComesFirst(t *testing.T) {
	f := newFreshData()
	m := newManager(t, t.TempDir(), nil)
	m.start(t)
	m.apply(t, effective(t, fast, groups(
		"- {name: recording, rules: [{record: 'job:m:sum', expr: 'sum(m{job=\"app\"})'}, {alert: Here, expr: 'job:m:sum > 1'}]}\n",
		alerting("over", "Over", "job:m:sum > 1", ""),
		alerting("meta", "Meta", `ALERTS{alertname="Over"}`, ""),
		alerting("any", "Any", `ALERTS`, ""),
		alerting("circle", "Circle", `ALERTS{alertname="Circle"}`, ""),
	)))
	m.becomes(t, StandingInactive, f, "alertname", "Circle")
	for _, alert := range []string{"Here", "Over", "Meta", "Any"} {
		m.stays(t, StandingUnknown, "over", f, "alertname", alert)
	}
	f.arrives("app//1")
	for _, alert := range []string{"Here", "Over", "Meta", "Any"} {
		m.becomes(t, StandingInactive, f, "alertname", alert)
	}
	settled := func(alert string) time.Time {
		m.evaluations.mu.Lock()
		defer m.evaluations.mu.Unlock()
		return m.evaluations.index.alerts[alert][0].settled
	}
	require.True(t, settled("Over").After(m.recorder().settled), "two rounds later")
}

// recorder is the one recording rule that others have asked for.
func (m *testManager) recorder() *node {
	m.evaluations.mu.Lock()
	defer m.evaluations.mu.Unlock()
	return m.evaluations.index.alerts["Over"][0].records[0]
}

func TestStanding_AsksForWhatMattersToTheAlert(t *testing.T) {
	alert := []string{"alertname", "A", "job", "app", "instance", "i"}
	for _, c := range []struct {
		name, expr, labels string
		want               []string
	}{
		{"one selector", `m{job="app"}`, "", []string{"app/i/1"}},
		{"any job", "m", "", []string{"app/i/1"}},
		{"a range", `rate(m{job="app"}[5m]) > 1`, "", []string{"app/i/2"}},
		{"aggregated over instances", `sum by (job) (m)`, "", []string{"app//1"}},
		{"aggregated without", `sum without (pod) (m)`, "", []string{"app/i/1"}},
		{"aggregated away", `sum(m{job="other"})`, "", []string{"other//1"}},
		{"compared across instances", `m{job="app"} / on (job) group_left sum by (job) (n)`, "", []string{"app//1"}},
		{"compared with all", `m{job="app"} > scalar(max(n{job="other"}))`, "", []string{"app//1"}}, // the first that is missing
		{"matched by instance", `m{job="app"} and n{job="app"}`, "", []string{"app/i/1"}},
		{"topk", `topk(1, m{job="app"})`, "", []string{"app//1"}},
		{"labels made up", `label_replace(m{job="x"}, "instance", "i", "", "")`, "", []string{"x//1"}},
		{"rule's own labels", `m{job="x"}`, ", labels: {job: app, instance: i}", []string{"x//1"}},
		{"its own instance", `m{job="x", instance="other"}`, ", labels: {job: app, instance: i}", []string{"x/other/1"}},
		{"several jobs", `sum(m{job=~"a|b"})`, "", []string{"a//1"}},
		{"a pattern of jobs", `sum(m{job=~"a.*"})`, "", []string{"//1"}},
		{"no data at all", "vector(1)", ", labels: {job: app, instance: i}", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := startManager(t, effective(t, fast, groups(alerting("g", "A", c.expr, c.labels))))
			m.evaluated(t, "g", 1)
			f := newFreshData()
			require.Eventually(t, func() bool {
				m.Standing(labels.FromStrings(alert...), f.ask)
				return len(f.asked) > 0 || c.want == nil
			}, patience, time.Millisecond, "an answer")
			var want map[string]bool
			if want = map[string]bool{}; c.want != nil {
				want[c.want[0]] = true
			}
			require.Equal(t, want, f.asked)
		})
	}
}

func TestInputsOf_SubqueriesLookAtStepsOnly(t *testing.T) {
	p := parser.NewParser(parser.Options{})
	for expr, want := range map[string]time.Duration{
		"max_over_time(m[10m:1m])":                        2 * time.Minute,
		"max_over_time(m[10m:])":                          30 * time.Second,
		"max_over_time(max_over_time(m[10m:1m])[1h:10m])": 22 * time.Minute,
		"m": 0,
	} {
		e, err := p.ParseExpr(expr)
		require.NoError(t, err)
		require.Equal(t, want, inputsOf(e, 15*time.Second)[0].delay, expr)
	}
}

func TestMissed_GroupThatTakesLongerThanItsInterval(t *testing.T) {
	begin := time.Now()
	group := rules.NewGroup(rules.GroupOptions{Name: "g", File: "a.yml", Interval: time.Second, Opts: &rules.ManagerOptions{}})
	at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	var missed *MissedEvaluations
	require.Nil(t, missed.and(group, time.Time{}, at(0), at(0)))
	require.Nil(t, missed.and(group, at(0), at(1), at(1)))
	missed = missed.and(group, at(1), at(4), at(4))
	require.Equal(t, &MissedEvaluations{File: "a.yml", Group: "g", Interval: time.Second, Count: 2, Since: at(4), Last: at(4)}, missed)
	missed = missed.and(group, at(4), at(5), at(5))
	missed = missed.and(group, at(5), at(7), at(7))
	require.Equal(t, 3, missed.Count)
	require.Equal(t, at(4), missed.Since)
	require.False(t, missed.over(at(17)))
	require.True(t, missed.over(at(17.5)))
	require.Nil(t, missed.and(group, at(17), at(18), at(18)))
}

func BenchmarkStanding_TenThousandAlerts(b *testing.B) {
	m := newManager(b, b.TempDir(), nil)
	m.start(b)
	m.apply(b, effective(b, fast, groups(alerting("g", "Disk", `disk{job="node"} > 1`, ""))))
	m.evaluated(b, "g", 1)
	f := newFreshData()
	alerts := make([]labels.Labels, 10000)
	for i := range alerts {
		alerts[i] = labels.FromStrings("alertname", "Disk", "job", "node", "instance", fmt.Sprint(i))
	}
	for b.Loop() {
		for _, a := range alerts {
			m.Standing(a, f.ask)
		}
	}
}
