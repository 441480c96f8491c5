package rules

import (
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"
)

// pendingFor is a rule that fires after an hour.
func pendingFor(group, alert, extra string) string {
	return "- {name: " + group + ", rules: [{alert: " + alert + ", expr: vector(1), for: 1h}" + extra + "]}\n"
}

func groups(text ...string) [2]string {
	all := "groups:\n"
	for _, g := range text {
		all += g
	}
	return [2]string{"a.yml", all}
}

// wasPending writes what an alert leaves behind that was pending since then, and
// was seen last a moment ago.
func (m *testManager) wasPending(t *testing.T, alert string, since time.Time) {
	t.Helper()
	m.append(t, time.Now().Add(-2*time.Second), float64(since.Unix()), "__name__", "ALERTS_FOR_STATE", "alertname", alert)
}

// pendingSince waits until the alert is pending since about then.
func (m *testManager) pendingSince(t *testing.T, alert string, since time.Time) {
	t.Helper()
	require.Eventually(t, func() bool {
		a, ok := m.active(t, alert)
		return ok && a.State == rules.StatePending && a.ActiveAt.Sub(since).Abs() < 10*time.Second
	}, patience, time.Millisecond, "%s pending since %s", alert, since)
}

func TestRestores_AcrossReopenOfTheStore(t *testing.T) {
	dir, since := t.TempDir(), time.Now().Add(-30*time.Minute)
	e := effective(t, fast, groups(pendingFor("g", "Slow", "")))
	t.Run("before", func(t *testing.T) {
		m := newManager(t, dir, nil)
		m.wasPending(t, "Slow", since)
		m.start(t)
		m.apply(t, e)
		m.pendingSince(t, "Slow", since)
		m.evaluated(t, "g", 3) // so that it stores the state itself
	})
	m := newManager(t, dir, nil)
	m.start(t)
	m.apply(t, e)
	m.pendingSince(t, "Slow", since)
}

func TestRestores_GroupThatComesLater(t *testing.T) {
	since := time.Now().Add(-30 * time.Minute)
	m := newManager(t, t.TempDir(), nil)
	m.wasPending(t, "Later", since)
	m.start(t)
	m.apply(t, effective(t, fast, groups(pendingFor("first", "First", ""))))
	m.evaluated(t, "first", 3)
	m.apply(t, effective(t, fast, groups(pendingFor("first", "First", ""), pendingFor("later", "Later", ""))))
	m.pendingSince(t, "Later", since)
}

func TestRestores_RuleThatMovesIntoAGroup(t *testing.T) {
	since := time.Now().Add(-30 * time.Minute)
	m := newManager(t, t.TempDir(), nil)
	m.wasPending(t, "Moved", since)
	m.start(t)
	m.apply(t, effective(t, fast, groups(pendingFor("g", "Stays", ""))))
	m.evaluated(t, "g", 4)
	before, _ := m.active(t, "Stays")
	m.apply(t, effective(t, fast, groups(pendingFor("g", "Stays", ", {alert: Moved, expr: vector(1), for: 1h}"))))
	m.pendingSince(t, "Moved", since)
	m.evaluated(t, "g", 3)
	after, _ := m.active(t, "Stays")
	require.Equal(t, before.ActiveAt, after.ActiveAt, "the other rule keeps its state to the nanosecond")
}

// With the engine's RestoreNewRuleGroups, each change of a group would move its
// pending alerts ForGracePeriod away from firing.
func TestRestores_ChangedGroupKeepsWhenItsAlertsFire(t *testing.T) {
	since := time.Now().Add(-30 * time.Minute)
	m := newManager(t, t.TempDir(), func(o *Options, _ *Deps) { o.ForGracePeriod = time.Hour })
	m.wasPending(t, "Slow", since)
	m.start(t)
	m.apply(t, effective(t, fast, groups(pendingFor("g", "Slow", ""))))
	m.evaluated(t, "g", 4)
	before, ok := m.active(t, "Slow")
	require.True(t, ok)
	for i := range 3 {
		m.apply(t, effective(t, fast, groups(pendingFor("g", "Slow", ", {record: r, expr: vector("+strconv.Itoa(i)+")}"))))
		m.evaluated(t, "g", 4)
	}
	after, ok := m.active(t, "Slow")
	require.True(t, ok)
	require.Equal(t, before.ActiveAt, after.ActiveAt)
	require.NotEmpty(t, m.query(t, `ALERTS_FOR_STATE{alertname="Slow"}`))
}

func TestRestores_ShortForBeginsAnew(t *testing.T) {
	m := newManager(t, t.TempDir(), func(o *Options, _ *Deps) { o.ForGracePeriod = 2 * time.Hour })
	m.wasPending(t, "Slow", time.Now().Add(-30*time.Minute))
	m.start(t)
	m.apply(t, effective(t, fast, groups(pendingFor("g", "Slow", ""))))
	m.evaluated(t, "g", 4)
	m.pendingSince(t, "Slow", time.Now())
	require.NotEmpty(t, m.query(t, `ALERTS{alertname="Slow"}`), "its state is stored again")
}

func TestNewRules_And(t *testing.T) {
	var none *newRules
	require.Nil(t, none.and(nil))
	a := none.and(map[string]bool{"a": true})
	a.first = time.Now()
	require.Same(t, a, a.and(nil))
	require.Equal(t, &newRules{some: map[string]bool{"a": true, "b": true}}, a.and(map[string]bool{"b": true}))
	all := &newRules{all: true, first: time.Now()}
	require.Same(t, all, all.and(map[string]bool{"b": true}))
}
