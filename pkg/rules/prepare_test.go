package rules

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func oneRule(file, group, record, expr string) [2]string {
	return [2]string{file, fmt.Sprintf("groups: [{name: %s, rules: [{record: %s, expr: %q}]}]", group, record, expr)}
}

func TestPrepare_NothingToDo(t *testing.T) {
	m := startManager(t, effective(t, fast, anyGroup))
	for _, next := range []*config.Effective{
		effective(t, fast, anyGroup),
		effective(t, fast, [2]string{anyGroup[0], "# a comment\n" + anyGroup[1]}),
		effective(t, fast+"scrape_configs: [{job_name: a}]", anyGroup),
	} {
		step, err := m.Prepare(nil, next)
		require.NoError(t, err)
		require.Empty(t, step.Changes)
		require.Nil(t, step.Commit)
	}
}

func TestPrepare_NoRulesAtAll(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	step, err := m.Prepare(nil, effective(t, ""))
	require.NoError(t, err)
	require.Empty(t, step.Changes)
}

func TestPrepare_ExpressionThatDoesNotParse(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	e := effective(t, fast, anyGroup)
	e.RuleFiles[0].Groups[0].Rules[0].Expr = "1 +"
	_, err := m.Prepare(nil, e)
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, "rules/a.yml", faults[0].Document)
	require.ErrorContains(t, err, `group "g", rule 1, "r": 1:4: parse error: unexpected end of input`)
}

func TestPrepare_SameIDTwice(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	e := effective(t, fast, anyGroup)
	e.RuleFiles = append(e.RuleFiles, e.RuleFiles[0])
	_, err := m.Prepare(nil, e)
	require.EqualError(t, err, `rules/a.yml: there is a second rule file with the ID "a.yml"`)
}

// timestamps returns when the samples of a series were recorded, in milliseconds.
func (m *testManager) timestamps(t *testing.T, name string) []int64 {
	t.Helper()
	q, err := m.db.Querier(0, time.Now().UnixMilli())
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Close()) }()
	var found []int64
	set := q.Select(t.Context(), false, nil, promlabels.MustNewMatcher(promlabels.MatchEqual, "__name__", name))
	for set.Next() {
		for it := set.At().Iterator(nil); it.Next() != chunkenc.ValNone; {
			found = append(found, it.AtT())
		}
	}
	return found
}

func TestPrepare_OnlyGroupsThatDifferAreTouched(t *testing.T) {
	unchanged := oneRule("a.yml", "unchanged", "steady", "vector(1)")
	before := effective(t, fast, unchanged, oneRule("b.yml", "changed", "r", "vector(1)"), oneRule("c.yml", "removed", "gone", "vector(1)"))
	after := effective(t, fast, unchanged, oneRule("b.yml", "changed", "r", "vector(2)"), oneRule("d.yml", "added", "new", "vector(1)"))
	m := startManager(t, before)
	m.evaluated(t, "unchanged", 3)
	m.evaluated(t, "changed", 1)
	group := m.group(t, "unchanged")

	step, err := m.Prepare(nil, after)
	require.NoError(t, err)
	require.Equal(t, []string{
		`rules: 1 group(s) added: "added"`,
		`rules: 1 group(s) changed: "changed"`,
		`rules: 1 group(s) removed: "removed"`,
	}, step.Changes)
	require.NoError(t, step.Commit())
	require.Same(t, group, m.group(t, "unchanged"))
	require.Len(t, m.Upstream().RuleGroups(), 3)
	m.evaluated(t, "unchanged", 3)
	m.evaluated(t, "added", 1)
	m.evaluated(t, "changed", 2)
	require.Equal(t, map[string]float64{`{__name__="r"}`: 2}, m.query(t, "r"))

	// The timer of the unchanged group went on: what it has recorded is a whole
	// number of its intervals apart.
	times := m.timestamps(t, "steady")
	require.Greater(t, len(times), 5)
	for _, at := range times {
		require.Zero(t, (at-times[0])%50, "%v", times)
	}

	require.NoError(t, step.Undo())
	require.Same(t, group, m.group(t, "unchanged"))
	m.evaluated(t, "removed", 1)
	m.evaluated(t, "changed", 2)
	require.Equal(t, map[string]float64{`{__name__="r"}`: 1}, m.query(t, "r"))
}

func TestPrepare_UndoOfTheFirstLeavesNoGroups(t *testing.T) {
	m := newManager(t, t.TempDir(), nil)
	m.start(t)
	step, err := m.Prepare(nil, effective(t, fast, anyGroup))
	require.NoError(t, err)
	require.NoError(t, step.Commit())
	require.NoError(t, step.Undo())
	require.Empty(t, m.Upstream().RuleGroups())
}

func TestPrepare_DefaultInterval(t *testing.T) {
	own := [2]string{"b.yml", "groups: [{name: own, interval: 1h, rules: [{record: o, expr: vector(1)}]}]"}
	m := startManager(t, effective(t, "global: {evaluation_interval: 1h}", anyGroup, own))
	group := m.group(t, "own")
	changes := m.apply(t, effective(t, fast, anyGroup, own))
	require.Equal(t, []string{"rules: default interval 50ms (was 1h0m0s)"}, changes)
	require.Equal(t, 50*time.Millisecond, m.group(t, "g").Interval())
	require.Same(t, group, m.group(t, "own"))
	m.evaluated(t, "g", 1)
}

func TestPrepare_ExternalLabelsReachTheTemplatesThatReadThem(t *testing.T) {
	files := [][2]string{{"a.yml", `
groups:
- name: reads
  rules: [{alert: Reads, expr: vector(1), for: 1h, annotations: {region: "{{ $externalLabels.region }}"}}]
- name: reads_with_offset
  query_offset: 0s
  rules: [{alert: ReadsToo, expr: vector(1), for: 1h, labels: {region: "{{ .ExternalLabels.region }}"}}]
- name: does_not
  rules: [{alert: DoesNot, expr: vector(1), for: 1h}]
`}}
	in := func(region string) *config.Effective {
		return effective(t, "global: {evaluation_interval: 50ms, external_labels: {region: "+region+"}}", files...)
	}
	m := startManager(t, in("old"))
	regionIs := func(want string) {
		t.Helper()
		require.Eventually(t, func() bool {
			alert, ok := m.active(t, "Reads")
			return ok && alert.Annotations.Get("region") == want
		}, patience, time.Millisecond, "region %q in the annotation", want)
	}
	regionIs("old")
	m.evaluated(t, "does_not", 3)
	since, _ := m.active(t, "Reads")
	untouched := m.group(t, "does_not")

	for _, region := range []string{"new", "newer"} { // the difference that the engine sees must be one each time
		changes := m.apply(t, in(region))
		require.Len(t, changes, 1)
		require.Contains(t, changes[0], "rules: external labels ")
		regionIs(region)
		require.Same(t, untouched, m.group(t, "does_not"))
	}
	now, _ := m.active(t, "Reads")
	require.Equal(t, since.ActiveAt, now.ActiveAt, "the alert goes on")
	require.Eventually(t, func() bool {
		alert, ok := m.active(t, "ReadsToo")
		return ok && alert.Labels.Get("region") == "newer"
	}, patience, time.Millisecond, "a group with an offset of its own as well")
}

func TestPrepare_TenThousandGroups(t *testing.T) {
	with := func(n int, value string) *config.Effective {
		file := config.RuleFile{ID: "many.yml"}
		for i := range n {
			file.Groups = append(file.Groups, rulefmt.RuleGroup{
				Name: fmt.Sprintf("g%d", i), Interval: model.Duration(time.Hour),
				Rules: []rulefmt.Rule{{Alert: fmt.Sprintf("A%d", i), Expr: fmt.Sprintf("m%d > %s", i, value)}},
			})
		}
		e := effective(t, "")
		e.RuleFiles = []config.RuleFile{file}
		return e
	}
	const n = 10_000
	m := startManager(t, with(n, "1"))
	require.Len(t, m.Upstream().RuleGroups(), n)
	require.Len(t, m.Upstream().AlertingRules(), n)
	changes := m.apply(t, with(n, "2"))
	require.Equal(t, []string{`rules: 10000 group(s) changed: "g0", "g1", "g2", "g3", "g4" and 9995 more`}, changes)
	require.Len(t, m.Upstream().RuleGroups(), n)
	m.apply(t, with(1, "2"))
	require.Len(t, m.Upstream().RuleGroups(), 1)
}

// setField gives a field any value but its zero one.
func setField(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"x": "y"}))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	}
}

func TestPrepare_EvaluationAloneChangesTheGroup(t *testing.T) {
	with := func(evaluation map[string]string) *config.Effective {
		e := effective(t, fast, anyGroup, oneRule("b.yml", "other", "r2", "vector(1)"))
		e.RuleFiles[0].Evaluation = evaluation
		return e
	}
	m := startManager(t, with(nil))
	made := m.group(t, "g")
	for _, next := range []string{config.EvaluationClock, config.EvaluationAfterScrape} {
		require.Equal(t, []string{`rules: 1 group(s) changed: "g"`}, m.apply(t, with(map[string]string{"g": next})))
		require.Equal(t, next, m.running().groups[rules.GroupKey("a.yml", "g")].evaluation)
		require.Empty(t, m.running().groups[rules.GroupKey("b.yml", "other")].evaluation)
	}
	step, err := m.Prepare(nil, with(map[string]string{"g": config.EvaluationAfterScrape}))
	require.NoError(t, err)
	require.Nil(t, step.Commit)
	require.Equal(t, []string{`rules: 1 group(s) changed: "g"`}, m.apply(t, with(nil)))
	require.Empty(t, m.running().groups[rules.GroupKey("a.yml", "g")].evaluation)
	require.Same(t, made, m.group(t, "g"), "the engine's group goes on")
}

func TestGroup_SameLooksAtEveryField(t *testing.T) {
	for i := range reflect.TypeFor[rulefmt.RuleGroup]().NumField() {
		var g group
		field := reflect.ValueOf(&g.RuleGroup).Elem().Field(i)
		setField(field)
		require.False(t, field.IsZero())
		require.False(t, g.same(group{}), "RuleGroup field %d", i)
		require.True(t, g.same(g))
	}
	require.False(t, group{evaluation: config.EvaluationClock}.same(group{}))
	var others []string // beside those of RuleGroup
	for field := range reflect.TypeFor[group]().Fields() {
		others = append(others, field.Name)
	}
	require.Equal(t, []string{"file", "RuleGroup", "evaluation", "nudged"}, others, "look at it in same, unless it is not what was written")
	for i := range reflect.TypeFor[rulefmt.Rule]().NumField() {
		var rule rulefmt.Rule
		field := reflect.ValueOf(&rule).Elem().Field(i)
		setField(field)
		require.False(t, field.IsZero())
		require.False(t, sameRule(rule, rulefmt.Rule{}), "Rule field %d", i)
		require.True(t, sameRule(rule, rule))
	}
	a, b := model.Duration(1), model.Duration(2)
	require.False(t, sameOffset(&a, &b))
}
