package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

const (
	// reach is how far a test may go. long-period.yml goes on until nanoseconds since
	// 1970 have no more room, but virtual time begins in the year 2000, and a summary
	// takes a moment for each ten minutes that have passed.
	reach = 500 * 24 * time.Hour
	// lateBy is how long after its moment an expectation is compared: evaluations
	// after a scrape have taken place by then.
	lateBy = 50 * time.Millisecond
)

// unitTestRun is one test in one mode.
type unitTestRun struct {
	interval, step time.Duration
	fuzzy          bool
	test           unitTest
	groups         []rulefmt.RuleGroup
	mode           string
	parser         parser.Parser
	makers         makers[string] // names of groups

	compared    map[string]bool
	differences []string
}

func newUnitTestRun(t *testing.T, file unitTestFile, test unitTest, groups []rulefmt.RuleGroup, mode string) *unitTestRun {
	t.Helper()
	u := &unitTestRun{
		interval: time.Duration(file.EvaluationInterval), step: time.Duration(test.Interval),
		fuzzy: file.FuzzyCompare, test: test, groups: groups, mode: mode,
		parser: parser.NewParser(parser.Options{}), makers: newMakers[string](), compared: map[string]bool{},
	}
	if u.interval == 0 {
		u.interval = time.Minute
	}
	if u.step == 0 {
		u.step = u.interval
	}
	for _, g := range groups {
		for _, rule := range g.Rules {
			u.makers.add(rule, g.Name)
		}
	}
	return u
}

// all runs all groups at once where they follow samples. By the clock they run one
// after another, each with samples that come at the very moments of its slots: so
// they see what promtool lets them see.
func (u *unitTestRun) all(t *testing.T) {
	if len(u.groups) == 0 || u.mode == config.EvaluationAfterScrape && len(u.test.InputSeries) > 0 {
		virtual.Test(t, func(t *testing.T) { u.run(t, u.groups, false) })
		return
	}
	for _, g := range u.groups {
		virtual.Test(t, func(t *testing.T) { u.run(t, []rulefmt.RuleGroup{g}, true) })
	}
}

// unitTestBegin is the moment that a test calls zero.
type unitTestBegin struct {
	at   time.Time
	slot bool // of the group that runs
}

func (u *unitTestRun) run(t *testing.T, groups []rulefmt.RuleGroup, slots bool) {
	lead := 2*u.interval + u.interval/3
	if u.test.Start != "" {
		time.Sleep(time.Until(parseStart(t, u.test.Start).Add(-lead)))
	}
	m := u.manager(t)
	begin := u.begin(t, m, groups, slots && u.test.Start == "", milli(time.Now().Add(lead)))
	input := u.input(t, m, begin.at)
	for k := time.Duration(0); k <= u.end(); k += u.step {
		time.Sleep(time.Until(begin.at.Add(k)))
		input(int(k / u.step))
		u.compareUntil(t, m, groups, begin, k, k+u.step)
	}
	for _, g := range m.Upstream().RuleGroups() {
		for _, rule := range g.Rules() {
			if err := rule.LastError(); err != nil {
				u.differ("rule %s: %s", rule.Name(), err)
			}
		}
	}
}

// manager keeps all in one block: as many virtual years as some test lasts would be
// cut into a block for each sample.
func (u *unitTestRun) manager(t *testing.T) *testManager {
	t.Helper()
	const forever = 250 * 365 * 24 * time.Hour
	opts := tsdb.DefaultOptions()
	opts.BlockReloadInterval = forever
	opts.MinBlockDuration, opts.MaxBlockDuration, opts.RetentionDuration = forever.Milliseconds(), forever.Milliseconds(), 0
	db, err := tsdb.Open(t.TempDir(), nil, nil, opts, nil)
	require.NoError(t, err)
	m := newManagerOver(t, db, func(o *Options, d *Deps) {
		o.Evaluation = u.mode
		engine := promql.NewEngine(promql.EngineOpts{
			MaxSamples: 1e6, Timeout: time.Minute, Parser: u.parser, EnableAtModifier: true, EnableNegativeOffset: true,
			NoStepSubqueryIntervalFn: func(int64) int64 { return u.interval.Milliseconds() },
		})
		d.QueryFunc = rules.EngineQueryFunc(engine, db)
	})
	m.start(t)
	return m
}

// begin loads the groups, and says when the test begins: at the group's first
// evaluation if that is to be at a slot, else later, when groups wait for samples.
func (u *unitTestRun) begin(t *testing.T, m *testManager, groups []rulefmt.RuleGroup, slot bool, at time.Time) unitTestBegin {
	t.Helper()
	if len(groups) == 0 {
		return unitTestBegin{at: at}
	}
	next := effective(t, fmt.Sprintf("global: {evaluation_interval: %s}", model.Duration(u.interval)))
	next.RuleFiles = []config.RuleFile{{ID: "rules.yml", Groups: groups}}
	m.apply(t, next)
	if slot {
		first := m.group(t, groups[0].Name).EvalTimestamp(time.Now().UnixNano()).Add(u.interval)
		at = milli(first)
		require.True(t, first.After(at), "what comes at that millisecond is there before the evaluation")
	}
	return unitTestBegin{at, slot}
}

func parseStart(t *testing.T, text string) time.Time {
	t.Helper()
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC()
	}
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

// input returns what brings the samples of one step, as a scrape does.
func (u *unitTestRun) input(t *testing.T, m *testManager, begin time.Time) func(step int) {
	t.Helper()
	type oneSeries struct {
		labels labels.Labels
		values []parser.SequenceValue
	}
	var all []oneSeries
	for _, in := range u.test.InputSeries {
		lbls, values, err := u.parser.ParseSeriesDesc(in.Series + " " + in.Values)
		require.NoError(t, err)
		all = append(all, oneSeries{lbls, values})
	}
	return func(step int) {
		at := begin.Add(time.Duration(step) * u.step)
		app := m.db.Appender(t.Context())
		var jobs []string
		for _, s := range all {
			if step >= len(s.values) || s.values[step].Omitted {
				continue
			}
			var err error
			if v := s.values[step]; v.Histogram != nil {
				_, err = app.AppendHistogram(0, s.labels, at.UnixMilli(), nil, v.Histogram)
			} else {
				_, err = app.Append(0, s.labels, at.UnixMilli(), v.Value)
			}
			require.NoError(t, err)
			jobs = append(jobs, s.labels.Get(jobLabel))
		}
		require.NoError(t, app.Commit())
		if jobs != nil {
			slices.Sort(jobs)
			m.Committed(TriggerScrape, slices.Compact(jobs), at)
		}
	}
}

func (u *unitTestRun) end() time.Duration {
	var end model.Duration
	for _, e := range u.test.Alerts {
		end = max(end, e.At)
	}
	for _, e := range u.test.Exprs {
		end = max(end, e.At)
	}
	return min(time.Duration(end), reach)
}

// compareUntil compares what is expected from one moment on until before another. It
// is looked at as promtool does: alerts after the evaluation before, results with
// all samples up to their moment.
func (u *unitTestRun) compareUntil(t *testing.T, m *testManager, groups []rulefmt.RuleGroup, begin unitTestBegin, from, until time.Duration) {
	t.Helper()
	time.Sleep(lateBy)
	now := func(at model.Duration) bool {
		moment := min(time.Duration(at), reach)
		return moment >= from && moment < until
	}
	for i, e := range u.test.Alerts {
		if now(e.At) && made(u.makers.alerts[e.Name], groups) {
			u.compared[fmt.Sprint("alerts ", i)] = true
			u.compareAlerts(m, e)
		}
	}
	for i, e := range u.test.Exprs {
		if now(e.At) && made(u.readBy(e.Expr), groups) {
			u.compared[fmt.Sprint("expr ", i)] = true
			require.True(t, begin.slot || len(u.readBy(e.Expr)) == 0 || len(u.test.InputSeries) > 0 && u.mode != config.EvaluationClock,
				"%s: evaluations are not at the times that it is about", e.Expr)
			u.compareResult(t, m, e, begin.at)
		}
	}
}

// readBy are the groups whose results an expression reads.
func (u *unitTestRun) readBy(expr string) []string {
	parsed, err := u.parser.ParseExpr(expr)
	if err != nil {
		return nil
	}
	var all []string
	for _, in := range inputsOf(parsed, u.interval) {
		by, _ := u.makers.of(in)
		all = append(all, by...)
	}
	return all
}

// made tells whether all of what groups make is made by those that run.
func made(by []string, groups []rulefmt.RuleGroup) bool {
	for _, name := range by {
		if !slices.ContainsFunc(groups, func(g rulefmt.RuleGroup) bool { return g.Name == name }) {
			return false
		}
	}
	return true
}

func (u *unitTestRun) differ(format string, args ...any) {
	u.differences = append(u.differences, fmt.Sprintf(format, args...))
}

func (u *unitTestRun) compareAlerts(m *testManager, e expectedAlerts) {
	var want, got []string
	for _, a := range e.Alerts {
		lbls := labels.NewBuilder(labels.FromMap(a.Labels)).Set(labels.AlertName, e.Name).Labels()
		want = append(want, lbls.String()+" "+labels.FromMap(a.Annotations).String())
	}
	for _, rule := range m.Upstream().AlertingRules() {
		for _, a := range rule.ActiveAlerts() {
			if rule.Name() == e.Name && a.State == rules.StateFiring {
				got = append(got, a.Labels.String()+" "+a.Annotations.String())
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		u.differ("alerts %s at %s: want %s, got %s", e.Name, e.At, want, got)
	}
}

// compareResult moves timestamps that are expected from the test's time to that of
// this run.
func (u *unitTestRun) compareResult(t *testing.T, m *testManager, e expectedResult, begin time.Time) {
	t.Helper()
	at := begin.Add(min(time.Duration(e.At), reach))
	q, err := m.engine.NewInstantQuery(t.Context(), m.db, nil, e.Expr, at)
	require.NoError(t, err)
	defer q.Close()
	res := q.Exec(t.Context())
	got, err := vectorOf(res)
	if err != nil {
		u.differ("%s: %s", e.Expr, err)
		return
	}
	moved := func(v float64) float64 { return v }
	if isTime(q.Statement()) && u.test.Start == "" {
		by := at.Sub(time.UnixMilli(0)) - time.Duration(e.At)
		moved = func(v float64) float64 { return float64(int64(math.Round(v*1000))+by.Milliseconds()) / 1000 }
	}
	want := map[string]promql.Sample{}
	for _, s := range e.Samples {
		lbls, err := u.parser.ParseMetric(s.Labels)
		require.NoError(t, err)
		want[lbls.String()] = promql.Sample{F: moved(s.Value), H: u.histogram(t, s.Histogram)}
	}
	if len(got) != len(want) {
		u.differ("%s at %s: want %v, got %s", e.Expr, e.At, want, got)
	}
	for _, s := range got {
		if w, ok := want[s.Metric.String()]; !ok || !u.same(w, s) {
			u.differ("%s at %s: want %v, got %s", e.Expr, e.At, want, s)
		}
	}
}

func vectorOf(res *promql.Result) (promql.Vector, error) {
	if res.Err != nil {
		return nil, res.Err
	}
	if s, ok := res.Value.(promql.Scalar); ok {
		return promql.Vector{{T: s.T, F: s.V, Metric: labels.EmptyLabels()}}, nil
	}
	return res.Vector()
}

func isTime(stmt parser.Statement) bool {
	call, ok := stmt.(*parser.EvalStmt).Expr.(*parser.Call)
	return ok && (call.Func.Name == "timestamp" || call.Func.Name == "time")
}

func (u *unitTestRun) histogram(t *testing.T, text string) *histogram.FloatHistogram {
	t.Helper()
	if text == "" {
		return nil
	}
	_, values, err := u.parser.ParseSeriesDesc("{} " + text)
	require.NoError(t, err)
	require.Len(t, values, 1)
	return values[0].Histogram
}

func (u *unitTestRun) same(a, b promql.Sample) bool {
	switch {
	case a.H != nil && b.H != nil:
		return a.H.TestExpression() == b.H.TestExpression()
	case a.H != nil || b.H != nil:
		return false
	case u.fuzzy && (math.Nextafter(a.F, math.Inf(-1)) == b.F || math.Nextafter(a.F, math.Inf(1)) == b.F):
		return true
	default:
		return a.F == b.F
	}
}
