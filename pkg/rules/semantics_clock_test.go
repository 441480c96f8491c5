package rules

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// reference is upstream's manager alone, beside the one under test: over a storage of
// its own, with rules that are as slow.
type reference struct {
	*testManager
	mu   sync.Mutex
	seen map[string][]evaluation
}

// newReference runs the rules of a configuration from now on.
func newReference(t *testing.T, r *rhythm, e *config.Effective) *reference {
	t.Helper()
	db := openDB(t, t.TempDir())
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	p := parser.NewParser(parser.Options{})
	set, err := build(&ruleSet{none: true}, e, p)
	require.NoError(t, err)
	groups := &loader{}
	groups.use(set)
	ref := &reference{testManager: &testManager{db: db, registry: prometheus.NewRegistry()}, seen: map[string][]evaluation{}}
	query := rules.EngineQueryFunc(r.engine, db)
	up := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
			began := time.Now()
			time.Sleep(r.slow(expr))
			result, err := query(ctx, expr, at)
			ref.mu.Lock()
			defer ref.mu.Unlock()
			ref.seen[expr] = append(ref.seen[expr], evaluation{at, began, len(result)})
			return result, err
		},
		NotifyFunc: ref.record, Context: t.Context(), Appendable: db, Queryable: db, Registerer: ref.registry, GroupLoader: groups,
		OutageTolerance: r.opts.ForOutageTolerance, ForGracePeriod: r.opts.ForGracePeriod, ResendDelay: r.opts.ResendDelay, Parser: p,
	})
	require.NoError(t, up.Update(set.interval, set.ids, labels.EmptyLabels(), "", nil))
	go up.Run()
	t.Cleanup(up.Stop)
	return ref
}

// withReference scrapes for both for so long, while rules are now quick and now slow.
func withReference(t *testing.T, r *rhythm, interval, d time.Duration, takes map[string][]time.Duration, groups ...string) *reference {
	t.Helper()
	e := effective(t, "", ruleFile(interval, groups...))
	ref := newReference(t, r, e)
	r.apply(t, e)
	begin := time.Now()
	for i := range int(d / interval) {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * interval)))
		for expr, phases := range takes {
			r.slowDown(expr, phases[i*len(phases)/int(d/interval)])
		}
		at := milli(time.Now())
		for _, m := range []*testManager{r.testManager, ref.testManager} {
			m.append(t, at, onAndOff(at.Sub(begin)), "__name__", "m", "job", "j")
		}
		r.Committed(TriggerScrape, []string{"j"}, at)
	}
	return ref
}

var iterations = []string{
	"prometheus_rule_group_iterations_total", "prometheus_rule_group_iterations_missed_total",
	"prometheus_rule_evaluations_total", "prometheus_rule_evaluation_failures_total",
}

func TestClock_IsAsUpstreamToTheLetter(t *testing.T) {
	const interval = 15 * time.Second
	bubble(t, func(o *Options) { o.Evaluation, o.ResendDelay = config.EvaluationClock, time.Minute }, func(t *testing.T, r *rhythm) {
		const slow = `m{job="j"} * 1`
		ref := withReference(t, r, interval, 2*time.Hour,
			map[string][]time.Duration{slow: {0, 2 * interval / 3, 3*interval + interval/2, 0, interval * 5 / 4, 10 * interval, 0}},
			`g {record: r, expr: '`+slow+`'}, {alert: A, expr: 'r > 0', for: 40s, keep_firing_for: 20s}`, `h {record: s, expr: 'r * 2'}`, `i {alert: B, expr: 'ALERTS{alertname="A"}'}`)
		for _, expr := range []string{slow, `r > 0`, `r * 2`, `ALERTS{alertname="A"}`} {
			require.Equal(t, ref.seen[expr], r.of(expr, time.Time{}), "%s", expr)
		}
		for _, group := range []string{"g", "h", "i"} {
			for _, name := range iterations {
				require.Equal(t, ref.counter(t, name, "r.yml;"+group), r.counter(t, name, "r.yml;"+group), "%s of %s", name, group)
			}
		}
		require.Positive(t, r.counter(t, "prometheus_rule_group_iterations_missed_total", "r.yml;g"))
		for _, lbls := range [][]string{
			{"__name__", "r"},
			{"__name__", "s"},
			{"__name__", "ALERTS", "alertname", "A", "alertstate", "pending"},
			{"__name__", "ALERTS", "alertname", "A", "alertstate", "firing"},
			{"__name__", "ALERTS_FOR_STATE", "alertname", "A"},
		} {
			require.Equal(t, ref.stored(t, lbls...), r.stored(t, lbls...), "%s", lbls)
			require.Greater(t, len(r.stored(t, lbls...)), 10)
		}
		require.Equal(t, ref.sentAt, r.sentAt)
		require.ElementsMatch(t, ref.alerts, r.alerts)
	})
}

func TestAfterScrape_MissedEvaluationsCountAsUpstream(t *testing.T) {
	const interval, slow = 15 * time.Second, `m{job="j"} * 1`
	for name, takes := range map[string]time.Duration{
		"quick": 0, "slow": interval / 2, "an interval and more": interval * 5 / 4, "several": 3*interval + interval/2, "many": 10*interval + interval/5,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rhythm) {
				ref := withReference(t, r, interval, 90*time.Minute, map[string][]time.Duration{slow: {0, takes, 0}}, `g {record: r, expr: '`+slow+`'}`)
				for _, name := range iterations {
					want, got := ref.counter(t, name, "r.yml;g"), r.counter(t, name, "r.yml;g")
					require.InDelta(t, want, got, slowAfter, "%s: the clock takes over after so many", name)
				}
				missed := r.counter(t, "prometheus_rule_group_iterations_missed_total", "r.yml;g")
				require.Equal(t, takes > interval, missed > 0)
			})
		})
	}
}
