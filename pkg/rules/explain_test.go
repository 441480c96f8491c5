package rules

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/require"
)

func every(labels.Labels) bool { return true }

// explained waits for the only alert of a rule to be in a state, and for the end of
// the evaluation that brought it there, and explains it.
func (m *testManager) explained(t *testing.T, rule, state string) Explained {
	t.Helper()
	var found Explained
	require.Eventually(t, func() bool {
		alerts := m.Explain(func(l labels.Labels) bool { return l.Get("alertname") == rule })
		if len(alerts) != 1 {
			return false
		}
		found = alerts[0]
		return found.Rule.State == state && found.Rule.LastEvaluation != nil
	}, patience, time.Millisecond, "%s is never %s", rule, state)
	return found
}

func TestExplain_PendingAndFiringWithRuleAndValue(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	begin := time.Now()
	m.append(t, begin, math.Inf(1), "__name__", "full", "disk", "a")
	m.start(t)
	m.apply(t, effective(t, fast, [2]string{"a.yml", `
groups:
- name: disks
  rules:
  - {alert: Full, expr: full > 1, labels: {team: storage}}
  - {alert: FullLong, expr: full > 1, for: 1h}
`}))
	firing := m.explained(t, "Full", "firing")
	require.Equal(t, `{alertname="Full", disk="a", team="storage"}`, firing.Labels.String())
	require.Equal(t, "disks", firing.Rule.Group)
	require.Equal(t, "a.yml", firing.Rule.File)
	require.Equal(t, "full > 1", firing.Rule.Query)
	require.Equal(t, "0s", firing.Rule.For)
	require.Equal(t, "+Inf", firing.Rule.Value)
	require.Equal(t, "ok", firing.Rule.Health)
	require.NotNil(t, firing.Rule.LastEvaluation)
	require.Nil(t, firing.Rule.FiresAt)

	pending := m.explained(t, "FullLong", "pending")
	require.Equal(t, "1h", pending.Rule.For)
	require.Equal(t, pending.Rule.ActiveSince.Add(time.Hour), *pending.Rule.FiresAt)
	require.WithinDuration(t, begin, *pending.Rule.ActiveSince, patience)
	require.Len(t, m.Explain(every), 2)
}

func TestExplain_KeepFiringForSaysSinceAndUntil(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	m.append(t, time.Now(), 1, "__name__", "m")
	m.start(t)
	m.apply(t, effective(t, fast, [2]string{"a.yml", `
groups: [{name: g, rules: [{alert: Kept, expr: m > 0, keep_firing_for: 1h}]}]
`}))
	require.Nil(t, m.explained(t, "Kept", "firing").Rule.KeptSince)
	m.append(t, time.Now(), 0, "__name__", "m")
	var kept Explained
	require.Eventually(t, func() bool {
		kept = m.explained(t, "Kept", "firing")
		return kept.Rule.KeptSince != nil
	}, patience, time.Millisecond, "the end is never noticed")
	require.Equal(t, kept.Rule.KeptSince.Add(time.Hour), *kept.Rule.KeptUntil)
}

func TestExplain_FailingRuleSaysWhy(t *testing.T) {
	m := startManager(t, effective(t, fast, [2]string{"a.yml", `
groups: [{name: g, rules: [{alert: Broken, expr: 'label_replace(vector(1), "x", "$1", "", "(") > 0'}]}]
`}))
	m.evaluated(t, "g", 1)
	broken := m.ExplainInactive(labels.FromStrings("alertname", "Broken"))
	require.Len(t, broken, 1)
	require.Equal(t, "err", broken[0].Rule.Health)
	require.Contains(t, broken[0].Rule.Error, "label_replace")
}

func TestExplain_DoesNotWaitForAnApply(t *testing.T) {
	begun, goOn := make(chan struct{}, 1), make(chan struct{})
	m := newManager(t, t.TempDir(), func(_ *Options, deps *Deps) {
		query := deps.QueryFunc
		deps.QueryFunc = func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
			if expr == "slow > 1" {
				select {
				case begun <- struct{}{}:
				default:
				}
				<-goOn
			}
			return query(ctx, expr, at)
		}
	})
	m.append(t, time.Now(), 1, "__name__", "m")
	m.start(t)
	quick := [2]string{"a.yml", "groups: [{name: quick, rules: [{alert: Quick, expr: m > 0}]}]\n"}
	m.apply(t, effective(t, fast, quick, [2]string{"b.yml", "groups: [{name: slow, rules: [{alert: Slow, expr: slow > 1}]}]\n"}))
	m.explained(t, "Quick", "firing")
	<-begun
	step, err := m.Prepare(nil, effective(t, fast, quick))
	require.NoError(t, err)
	applied := make(chan error, 1)
	go func() { applied <- step.Commit() }()
	defer func() { require.NoError(t, <-applied) }()
	defer close(goOn)
	quickly := func(f func()) bool {
		done := make(chan struct{})
		go func() { defer close(done); f() }()
		select {
		case <-done:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	}
	require.Eventually(t, func() bool { return !quickly(func() { m.Upstream().RuleGroups() }) }, patience, time.Millisecond, "an apply that waits for the slow group")
	require.Eventually(t, func() bool { return quickly(func() { m.Explain(every) }) }, patience, time.Millisecond, "an answer")
	require.Len(t, m.Explain(every), 1)
}

func TestExplainInactive_RulesThatLeaveRoomForTheLabels(t *testing.T) {
	m := startManager(t, effective(t, fast, [2]string{"a.yml", `
groups:
- name: g
  labels: {zone: north}
  rules:
  - {alert: Disk, expr: full > 0.8, labels: {severity: warning, disk: "{{ $labels.disk }}"}}
  - {alert: Disk, expr: full > 0.9, labels: {severity: critical}}
  - {alert: Other, expr: full > 0.9, labels: {severity: critical}}
  - {record: "Disk", expr: full}
`}))
	for _, c := range []struct {
		asked labels.Labels
		want  []string
	}{
		{labels.FromStrings("alertname", "Disk"), []string{
			`{alertname="Disk", severity="critical", zone="north"}`, `{alertname="Disk", severity="warning", zone="north"}`,
		}},
		{labels.FromStrings("alertname", "Disk", "severity", "warning", "disk", "a"), []string{
			`{alertname="Disk", disk="a", severity="warning", zone="north"}`,
		}},
		{labels.FromStrings("alertname", "Disk", "zone", "south"), nil},
		{labels.FromStrings("alertname", "Nobody"), nil},
		{labels.FromStrings("severity", "critical"), nil},
	} {
		var got []string
		for _, e := range m.ExplainInactive(c.asked) {
			require.Equal(t, "inactive", e.Rule.State)
			require.Empty(t, e.Rule.Value)
			got = append(got, e.Labels.String())
		}
		require.ElementsMatch(t, c.want, got, "%s", c.asked)
	}
}
