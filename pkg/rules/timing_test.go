package rules

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

// evaluation is one of a rule, as its expression was queried.
type evaluation struct {
	at    time.Time // its timestamp, less the query offset
	began time.Time
	found int // elements of the result
}

// rhythm is a manager in virtual time, with targets that are scraped.
type rhythm struct {
	*testManager
	scraping sync.WaitGroup
	end      context.Context
	close    func() // ends it before the test does
	bare     bool   // nothing is stored, nor found: only when evaluations take place matters

	mu    sync.Mutex
	seen  map[string][]evaluation // by expression
	takes map[string]time.Duration
}

func newRhythm(t *testing.T, dir string, edit func(*Options)) *rhythm {
	r := &rhythm{seen: map[string][]evaluation{}, takes: map[string]time.Duration{}}
	ctx, stop := context.WithCancel(t.Context())
	r.end = ctx
	r.testManager = newManager(t, dir, func(o *Options, d *Deps) {
		query := d.QueryFunc
		d.QueryFunc = func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
			began := time.Now()
			time.Sleep(r.slow(expr)) // virtual: the rule is slow
			var result promql.Vector
			var err error
			if !r.bare {
				result, err = query(ctx, expr, at)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.seen[expr] = append(r.seen[expr], evaluation{at, began, len(result)})
			return result, err
		}
		if edit != nil {
			edit(o)
		}
	})
	t.Cleanup(func() { stop(); r.scraping.Wait() })
	r.start(t)
	r.close = func() {
		stop()
		r.scraping.Wait()
		r.stop()
		r.closeDB()
	}
	return r
}

func (r *rhythm) slow(expr string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.takes[expr]
}

func (r *rhythm) slowDown(expr string, takes time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takes[expr] = takes
}

// of are the evaluations of an expression since some moment.
func (r *rhythm) of(expr string, since time.Time) []evaluation {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.seen[expr], func(e evaluation) bool { return !e.began.Before(since) })
	if i < 0 {
		return nil
	}
	return slices.Clone(r.seen[expr][i:])
}

// target is one that is scraped.
type target struct {
	job, instance string
	offset, every time.Duration
	takes         time.Duration
	jitter        time.Duration
	value         func(time.Time) float64 // nil for 1
	down          func(time.Time) bool    // nil for never
}

func (r *rhythm) scrape(t *testing.T, targets ...target) {
	for _, to := range targets {
		r.scraping.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(to.offset)))
			next := time.Now().Add(to.offset)
			for {
				wait := time.Until(next)
				if to.jitter > 0 {
					wait += time.Duration(random.Int64N(int64(to.jitter)))
				}
				select {
				case <-time.After(wait):
				case <-r.end.Done():
					return
				}
				r.scrapeOnce(t, to)
				next = next.Add(to.every)
			}
		})
	}
}

func (r *rhythm) scrapeOnce(t *testing.T, to target) {
	at, v := milli(time.Now()), 1.
	if to.down != nil && to.down(at) {
		return
	}
	if to.value != nil {
		v = to.value(at)
	}
	time.Sleep(to.takes)
	if !r.bare {
		r.append(t, at, v, "__name__", "m", "job", to.job, "instance", to.instance)
	}
	r.Committed(TriggerScrape, []string{to.job}, at)
}

func ruleFile(interval time.Duration, groups ...string) [2]string {
	var text strings.Builder
	text.WriteString("groups:\n")
	for _, g := range groups {
		name, rules, _ := strings.Cut(g, " ")
		fmt.Fprintf(&text, "- {name: %s, interval: %s, rules: [%s]}\n", name, model.Duration(interval), rules)
	}
	return [2]string{"r.yml", text.String()}
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, edit func(*Options), f func(t *testing.T, r *rhythm)) {
	t.Helper()
	virtual.Test(t, func(t *testing.T) { f(t, newRhythm(t, t.TempDir(), edit)) })
}

const groupNames = 8

func TestAfterScrape_FollowsWhateverThePhase(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, 15 * time.Second} {
		bubble(t, nil, func(t *testing.T, r *rhythm) {
			var groups []string
			for i := range groupNames {
				for job := range 3 {
					groups = append(groups, fmt.Sprintf(`g%d-%d {record: 'r%[1]d:%[2]d', expr: 'm{job="j%[2]d"} > %[1]d - 100'}`, i, job))
				}
			}
			r.apply(t, effective(t, "", ruleFile(interval, groups...)))
			begin := time.Now()
			for job, offset := range []float64{.01, .35, .99} {
				r.scrape(t, target{job: fmt.Sprint("j", job), offset: time.Duration(offset * float64(interval)), every: interval, takes: 3 * time.Millisecond})
			}
			const intervals = 100
			time.Sleep((intervals + 2) * interval)
			settled := begin.Add(2 * interval)
			for i := range groupNames {
				for job := range 3 {
					all := r.of(fmt.Sprintf(`m{job="j%d"} > %d - 100`, job, i), settled)
					require.InDelta(t, intervals, len(all), 1)
					for _, e := range all {
						require.Equal(t, 8*time.Millisecond, e.began.Sub(e.at), "evaluated %s", e.at)
						require.Zero(t, e.at.Sub(all[0].at)%interval, "as regular as the scrapes")
					}
				}
			}
			require.Empty(t, r.Missed())
		})
	}
}

func TestAfterScrape_ManyTargets(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: 'm{job="j"}'}`, `h {record: s, expr: 'sum(m{job="j"})'}`)))
		for i := range 50 {
			r.scrape(t, target{job: "j", instance: fmt.Sprint(i), offset: time.Duration(i) * interval / 50, every: interval, takes: 2 * time.Millisecond})
		}
		time.Sleep(2 * interval)
		begin := time.Now()
		time.Sleep(100 * interval)
		for _, expr := range []string{`m{job="j"}`, `sum(m{job="j"})`} {
			all := r.of(expr, begin)
			require.InDelta(t, mostPerInterval*100, len(all), 10)
			for i, e := range all[1:] {
				gap := e.began.Sub(all[i].began)
				require.GreaterOrEqual(t, gap, interval/mostPerInterval)
				require.Less(t, gap, interval/mostPerInterval+interval/50)
			}
		}
	})
}

func TestAfterScrape_ExtraEvaluationsAreBoundedTogether(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval, intervals, groups, targets, takes = 15 * time.Second, 100, 20, 50, 10 * time.Millisecond
		var written []string
		for i := range groups {
			expr := fmt.Sprintf(`sum(m{job="j"}) + %d`, i)
			written = append(written, fmt.Sprintf(`g%d {record: r%[1]d, expr: '%s'}`, i, expr))
			r.slowDown(expr, takes)
		}
		r.apply(t, effective(t, "", ruleFile(interval, written...)))
		for i := range targets {
			r.scrape(t, target{job: "j", instance: fmt.Sprint(i), offset: time.Duration(i) * interval / targets, every: interval})
		}
		time.Sleep(10 * interval)
		begin := time.Now()
		time.Sleep(intervals * interval)
		total := 0
		for i := range groups {
			n := len(r.of(fmt.Sprintf(`sum(m{job="j"}) + %d`, i), begin))
			require.GreaterOrEqual(t, n, intervals-1)
			total += n
		}
		extra := time.Duration(total-intervals*groups) * takes
		allowed := intervals*interval/extraShare + intervals*targets*extraPerCommit // by commits far enough from each other
		require.InDelta(t, allowed, extra, float64(allowed/5))
	})
}

func TestAfterScrape_WithoutExtrasGroupsStillFollowTheirScrapes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval, expr = 15 * time.Second, `m{job="j"}`
		r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: '`+expr+`'}`)))
		r.slowDown(expr, 500*time.Millisecond) // so that there is nothing left
		for i, offset := range []time.Duration{4 * time.Second, 11 * time.Second} {
			r.scrape(t, target{job: "j", instance: fmt.Sprint(i), offset: offset, every: interval})
		}
		time.Sleep(20 * interval)
		begin := time.Now()
		const intervals = 100
		time.Sleep(intervals * interval)
		all := r.of(expr, begin)
		require.GreaterOrEqual(t, len(all), intervals-1)
		require.Less(t, len(all), intervals*3/2)
		following := 0
		for _, e := range all {
			if e.began.Sub(e.at) == settle {
				following++
			}
		}
		require.GreaterOrEqual(t, following, intervals-1, "right after a scrape")
	})
}

func TestAfterScrape_WaitingForOneAnotherIsNoOtherRhythm(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval, groups = 15 * time.Second, 40
		var written, exprs []string
		for i := range groups {
			exprs = append(exprs, fmt.Sprintf(`sum(m{job="j"}) + %d`, i))
			written = append(written, fmt.Sprintf(`g%d {record: r%[1]d, expr: '%s'}`, i, exprs[i]))
		}
		r.apply(t, effective(t, "", ruleFile(interval, written...)))
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval})
		time.Sleep(2 * interval)
		begin := time.Now()
		const intervals = 50
		for i := range intervals {
			for _, expr := range exprs { // all at once, or one after another
				r.slowDown(expr, time.Duration(i%3)*20*time.Millisecond)
			}
			time.Sleep(interval)
		}
		for _, expr := range exprs {
			all := r.of(expr, begin)
			require.InDelta(t, intervals, len(all), 1)
			for _, e := range all {
				require.Less(t, e.began.Sub(e.at), groups*40*time.Millisecond)
			}
		}
	})
}

func TestAfterScrape_ChainOverManyTargetsKeepsItsOrder(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval, targets = 15 * time.Second, 50
		exprs := []string{`m{job="j"}`, `a + 1`, `b + 1`}
		r.apply(t, effective(t, "", ruleFile(interval,
			`third {record: c, expr: '`+exprs[2]+`'}`,
			`first {record: a, expr: '`+exprs[0]+`'}`,
			`second {record: b, expr: '`+exprs[1]+`'}`,
		)))
		for i := range targets {
			r.scrape(t, target{job: "j", instance: fmt.Sprint(i), offset: time.Duration(i) * interval / targets, every: interval})
		}
		for i := range 40 {
			r.slowDown(exprs[0], time.Duration(i%3)*20*time.Millisecond) // now slower, now faster than the others
			time.Sleep(interval)
		}
		first := r.of(exprs[0], time.Time{})
		for _, e := range r.of(exprs[2], first[10].began) {
			i := slices.IndexFunc(first, func(f evaluation) bool { return f.began.After(e.began) })
			if i < 0 {
				break
			}
			require.Equal(t, first[i-1].at, e.at, "of the last evaluation of the first, at %s", e.began)
		}
	})
}

func TestAfterScrape_ChainIsOneMoment(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		r.apply(t, effective(t, "", ruleFile(interval,
			`third {record: c, expr: 'b + 1'}`,
			`first {record: a, expr: 'm{job="j"}'}`,
			`second {record: b, expr: 'a + 1'}`,
			`all {alert: All, expr: 'm{job="j"} + on() group_left() a + on() group_left() b + on() group_left() c'}`,
			`alerts {alert: Above, expr: 'ALERTS{alertname="All"}'}`,
		)))
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, takes: 3 * time.Millisecond})
		time.Sleep(3 * interval)
		begin := time.Now()
		time.Sleep(20 * interval)
		first := r.of(`m{job="j"}`, begin)
		require.Len(t, first, 20)
		for _, expr := range []string{
			`a + 1`, `b + 1`, `m{job="j"} + on () group_left () a + on () group_left () b + on () group_left () c`, `ALERTS{alertname="All"}`,
		} {
			require.Equal(t, first, r.of(expr, begin), "%s", expr)
		}
		require.Equal(t, TriggerRules, r.timing.groups["r.yml;third"].last.trigger)
		require.Equal(t, TriggerScrape, r.timing.groups["r.yml;all"].last.trigger)
	})
}

func TestAfterScrape_CirclesEnd(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		r.apply(t, effective(t, "", ruleFile(interval, `g {record: a, expr: 'm + on() b'}`, `h {record: b, expr: 'm + on() a'}`, `i {record: c, expr: 'c or m'}`)))
		r.scrape(t, target{job: "j", every: interval})
		time.Sleep(2 * interval)
		begin := time.Now()
		time.Sleep(20 * interval)
		for _, expr := range []string{`m + on () b`, `m + on () a`, `c or m`} {
			require.InDelta(t, 20, len(r.of(expr, begin)), 1, "%s", expr)
		}
	})
}

func TestAfterScrape_ClockIsTheFallback(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: 'm{job="j"}'}`)))
		gone := time.Now().Add(time.Hour)
		back := gone.Add(time.Hour + 7*time.Second)
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, down: func(at time.Time) bool {
			return at.After(gone) && at.Before(back)
		}})
		time.Sleep(3 * time.Hour)
		all := r.of(`m{job="j"}`, gone.Add(-time.Minute))
		counts := map[bool]int{}
		for i, e := range all[1:] {
			gap := e.began.Sub(all[i].began)
			require.LessOrEqual(t, gap, interval+mostSlack, "at %s", e.at)
			if e.at.After(gone) && e.at.Before(back) {
				counts[gap == interval]++
			}
		}
		require.InDelta(t, time.Hour/interval, counts[true], 2, "no drift: %v", counts)
		require.LessOrEqual(t, counts[false], 1)
		e, ok := r.GroupEvaluation("r.yml", "g")
		require.True(t, ok)
		require.Equal(t, "scrape", e.Trigger)
	})
}

func TestAfterScrape_AtLeastOncePerInterval(t *testing.T) {
	for _, every := range []time.Duration{7 * time.Second, 15500 * time.Millisecond, 16 * time.Second, 20 * time.Second, time.Minute} {
		t.Run(every.String(), func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rhythm) {
				const interval, intervals = 15 * time.Second, 400
				r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: 'm{job="j"}'}`)))
				r.scrape(t, target{job: "j", offset: 4 * time.Second, every: every, takes: time.Millisecond})
				time.Sleep(2 * interval)
				begin := time.Now()
				time.Sleep(intervals * interval)
				all := r.of(`m{job="j"}`, begin)
				require.GreaterOrEqual(t, len(all), intervals-1)
				for i, e := range all[1:] {
					require.LessOrEqual(t, e.began.Sub(all[i].began), interval+mostSlack)
					require.True(t, e.at.After(all[i].at))
					require.False(t, e.at.After(e.began))
				}
				require.LessOrEqual(t, len(all), intervals+int(intervals*interval/every))
			})
		})
	}
}

func TestAfterScrape_LateScrapesAreWaitedFor(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval, intervals = 15 * time.Second, 500
		r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: 'm{job="j"}'}`)))
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, jitter: 40 * time.Millisecond})
		time.Sleep(2 * interval)
		begin := time.Now()
		time.Sleep(intervals * interval)
		all := r.of(`m{job="j"}`, begin)
		require.InDelta(t, intervals, len(all), 1, "neither missed nor doubled")
		for _, e := range all {
			require.InDelta(t, settle, e.began.Sub(e.at), float64(time.Millisecond))
		}
	})
}

func TestAfterScrape_ForIsNotMissedByAHair(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval, hold = 15 * time.Second, time.Minute
		r.apply(t, effective(t, "", ruleFile(interval, `g {alert: A, expr: 'm{job="j"} > 0', for: 1m, keep_firing_for: 1m}`)))
		begin := time.Now()
		phase := func(at time.Time) int { return int(at.Sub(begin) / (5 * time.Minute)) }
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, jitter: 40 * time.Millisecond, value: func(at time.Time) float64 {
			return float64(phase(at) % 2)
		}})
		time.Sleep(5 * time.Hour)
		r.testManager.mu.Lock()
		defer r.testManager.mu.Unlock()
		fired := 0
		for _, a := range r.alerts {
			if a.ResolvedAt.IsZero() {
				require.Less(t, a.FiredAt.Sub(a.ActiveAt), hold+50*time.Millisecond)
				require.GreaterOrEqual(t, a.FiredAt.Sub(a.ActiveAt), hold)
				continue
			}
			fired++
			require.Less(t, a.ResolvedAt.Sub(a.KeepFiringSince), hold+50*time.Millisecond)
			require.GreaterOrEqual(t, a.ResolvedAt.Sub(a.KeepFiringSince), hold)
		}
		require.Greater(t, fired, 25)
	})
}

func TestAfterScrape_NothingWaitsForIt(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval = time.Hour
		variants := []*struct {
			name string
			file [2]string
			prom string
		}{
			{"expression", ruleFile(interval, `g {record: r, expr: 'm{job="j"}'}`, `h {record: r, expr: 'm{job="k"}'}`), ""},
			{"another", ruleFile(interval, `g {record: r, expr: 'm{job="j"} + 1'}`, `h {record: r, expr: 'm{job="k"}'}`), ""},
			{"removed", ruleFile(interval, `h {record: r, expr: 'm{job="k"}'}`), ""},
			{"added", ruleFile(interval, `g {record: r, expr: 'm{job="j"} + 1'}`, `h {record: r, expr: 'm{job="k"}'}`), ""},
			{"labels", ruleFile(interval, `g {record: r, expr: 'm{job="j"} + 1', labels: {a: b}}`, `h {record: r, expr: 'm{job="k"}'}`), ""},
			{"interval", ruleFile(2*interval, `g {record: r, expr: 'm{job="j"} + 1', labels: {a: b}}`, `h {record: r, expr: 'm{job="k"}'}`), ""},
			{"default interval", [2]string{"r.yml", `groups: [{name: g, rules: [{record: r, expr: m}]}]`}, "global: {evaluation_interval: 30m}"},
			{"other default interval", [2]string{"r.yml", `groups: [{name: g, rules: [{record: r, expr: m}]}]`}, "global: {evaluation_interval: 40m}"},
			{"query offset", [2]string{"r.yml", `groups: [{name: g, query_offset: 0s, rules: [{record: r, expr: m}]}]`}, "global: {evaluation_interval: 40m}"},
			{"limit", [2]string{"r.yml", `groups: [{name: g, limit: 7, rules: [{record: r, expr: m}]}]`}, "global: {evaluation_interval: 40m}"},
			{"template", [2]string{"r.yml", `groups: [{name: g, rules: [{alert: r, expr: m, annotations: {a: '{{ .ExternalLabels.x }}'}}]}]`}, "global: {evaluation_interval: 40m}"},
			{"external labels", [2]string{"r.yml", `groups: [{name: g, rules: [{alert: r, expr: m, annotations: {a: '{{ .ExternalLabels.x }}'}}]}]`}, "global: {evaluation_interval: 40m, external_labels: {x: y}}"},
			{"default offset", [2]string{"r.yml", `groups: [{name: g, rules: [{alert: r, expr: m, annotations: {a: '{{ .ExternalLabels.x }}'}}]}]`}, "global: {evaluation_interval: 40m, rule_query_offset: 1ms, external_labels: {x: y}}"},
		}
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: 10 * time.Minute})
		for _, v := range variants {
			begin := time.Now()
			r.apply(t, effective(t, v.prom, v.file))
			require.Zero(t, time.Since(begin), v.name)
			time.Sleep(3*interval + 10*time.Minute) // some wait for the engine's tick, others here
		}
		begin := time.Now()
		r.stop()
		require.Zero(t, time.Since(begin), "stop")
	})
}

func TestAfterScrape_OthersGoOnDuringAnApply(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval})
		for i := range 60 {
			r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: 'm{job="j"}'}`, fmt.Sprintf(`h {record: s, expr: 'm{job="j"} + %d'}`, i))))
			time.Sleep(7 * time.Second)
		}
		all := r.of(`m{job="j"}`, time.Now().Add(-5*time.Minute))
		require.InDelta(t, 5*time.Minute/interval, len(all), 1)
		for _, e := range all {
			require.Equal(t, settle, e.began.Sub(e.at))
		}
	})
}

func TestClock_IsAsUpstream(t *testing.T) {
	asked := func(o *Options) { o.Evaluation = config.EvaluationClock }
	bubble(t, asked, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: 'm{job="j"}'}`)))
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval})
		slot := r.group(t, "g").EvalTimestamp(time.Now().UnixNano()).Add(interval)
		time.Sleep(20*interval + time.Second)
		all := r.of(`m{job="j"}`, time.Time{})
		require.InDelta(t, 20, len(all), 1)
		for i, e := range all {
			require.Equal(t, slot.Add(time.Duration(i)*interval), e.at)
		}
		e, _ := r.GroupEvaluation("r.yml", "g")
		require.Equal(t, "clock", e.Evaluation)
		require.Empty(t, e.Reason)
		require.Equal(t, "clock", e.Trigger)
		require.Positive(t, *e.NewestSampleAge)
	})
}

func TestAfterScrape_GoesByTheClock(t *testing.T) {
	for name, group := range map[string]string{
		"offset":   `{name: g, query_offset: 1m, rules: [{record: r, expr: m}]}`,
		"constant": `{name: g, rules: [{alert: r, expr: vector(1)}]}`,
		"itself":   `{name: g, rules: [{alert: r, expr: 'ALERTS{alertname="r"} or vector(1)'}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rhythm) {
				r.apply(t, effective(t, "global: {evaluation_interval: 15s}", [2]string{"r.yml", "groups: [" + group + "]"}))
				r.scrape(t, target{job: "j", offset: 4 * time.Second, every: 15 * time.Second})
				slot := r.group(t, "g").EvalTimestamp(time.Now().UnixNano())
				time.Sleep(time.Minute)
				e, _ := r.GroupEvaluation("r.yml", "g")
				require.Equal(t, "clock", e.Evaluation)
				require.NotEmpty(t, e.Reason)
				require.Zero(t, r.group(t, "g").GetLastEvalTimestamp().Sub(slot)%(15*time.Second))
			})
		})
	}
}

func TestAfterScrape_SlowGroupsGoByTheClock(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval, expr = 15 * time.Second, `m{job="j"}`
		r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: '`+expr+`'}`)))
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval})
		time.Sleep(5 * interval)
		require.Empty(t, r.Slow())
		r.slowDown(expr, 2*time.Second)
		time.Sleep(10 * interval)
		require.Equal(t, []SlowGroup{{File: "r.yml", Group: "g", Interval: interval, Took: 2 * time.Second}}, r.Slow())
		e, _ := r.GroupEvaluation("r.yml", "g")
		require.Equal(t, "clock", e.Evaluation)
		require.Equal(t, slowReason, e.Reason)
		begin := time.Now()
		time.Sleep(20 * interval)
		require.InDelta(t, 20, len(r.of(expr, begin)), 1)
		r.slowDown(expr, 0)
		time.Sleep(15 * interval)
		require.Empty(t, r.Slow())
		e, _ = r.GroupEvaluation("r.yml", "g")
		require.Equal(t, "after-scrape", e.Evaluation)
		require.Equal(t, "scrape", e.Trigger)
		require.Empty(t, r.Missed())
	})
}

func TestAfterScrape_OnlyWhatAGroupReads(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		r.apply(t, effective(t, "", ruleFile(interval,
			`one {record: r, expr: 'm{job="a"}'}`,
			`two {record: r, expr: 'm{job=~"a|b"}'}`,
			`any {record: r, expr: 'm{instance="x"}'}`,
			`none {record: r, expr: 'm{job="other"}'}`,
		)))
		time.Sleep(3 * interval)
		begin := time.Now()
		for i, job := range []string{"a", "b", "c"} {
			time.Sleep(time.Duration(i+1) * time.Second)
			r.Committed(TriggerPush, []string{job}, time.Now())
			time.Sleep(settle)
		}
		synctest.Wait()
		since := func(expr string) (all []time.Duration) {
			for _, e := range r.of(expr, begin) {
				all = append(all, e.began.Sub(begin).Truncate(time.Second))
			}
			return all
		}
		require.Contains(t, since(`m{job="a"}`), time.Second)
		require.NotContains(t, since(`m{job="a"}`), 3*time.Second)
		require.Contains(t, since(`m{job=~"a|b"}`), time.Second)
		require.Contains(t, since(`m{instance="x"}`), time.Second)
		e, _ := r.GroupEvaluation("r.yml", "any")
		require.Contains(t, []string{"push", "clock"}, e.Trigger)
		e, _ = r.GroupEvaluation("r.yml", "none")
		require.Equal(t, "clock", e.Trigger)
		require.Nil(t, e.NewestSampleAge)
	})
}

func TestAfterScrape_LateSamplesAreEvaluatedNow(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval, expr = 15 * time.Second, `m{job="a"}`
		r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: '`+expr+`'}`)))
		time.Sleep(3 * interval)
		for _, stamp := range []time.Duration{0, -time.Hour, time.Hour, -time.Second} {
			time.Sleep(interval / 2)
			before := r.of(expr, time.Time{})
			now := time.Now()
			r.Committed(TriggerPush, []string{"a"}, now.Add(stamp))
			time.Sleep(settle)
			synctest.Wait()
			all := r.of(expr, time.Time{})
			require.Len(t, all, len(before)+1)
			at := all[len(all)-1].at
			require.True(t, at.After(before[len(before)-1].at))
			require.WithinDuration(t, now.Add(settle), at, time.Second+settle)
			require.False(t, at.After(time.Now()))
		}
	})
}

func TestRestores_WaitForAllTargets(t *testing.T) {
	bubble(t, func(o *Options) { o.ForGracePeriod = 0 }, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		since := time.Now().Add(-10 * time.Minute)
		for i := range 4 {
			r.append(t, time.Now().Add(-time.Minute), float64(since.Unix()), "__name__", "ALERTS_FOR_STATE", "alertname", "A", "job", "j", "instance", fmt.Sprint(i))
		}
		r.apply(t, effective(t, "", ruleFile(interval, `g {alert: A, expr: 'm{job="j"} > 0', for: 1h}`)))
		slot := r.group(t, "g").EvalTimestamp(time.Now().UnixNano()).Add(interval)
		for i := range 4 { // in the interval after the first evaluation, so that each target would bring one
			r.scrape(t, target{job: "j", instance: fmt.Sprint(i), offset: time.Until(slot) + time.Duration(i)*interval/4 + time.Second, every: interval})
		}
		time.Sleep(3 * interval)
		var active int
		for _, rule := range r.Upstream().AlertingRules() {
			rule.ForEachActiveAlert(func(a *rules.Alert) {
				active++
				require.WithinDuration(t, since, a.ActiveAt, 2*time.Minute, "of instance %s", a.Labels.Get("instance"))
			})
		}
		require.Equal(t, 4, active)
	})
}

func TestAfterScrape_ExternalLabelsThatChangeDelayNothing(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		file := [2]string{"r.yml", `groups: [{name: g, interval: 15s, rules: [{alert: A, expr: 'm{job="j"} > 0', annotations: {a: '{{ $externalLabels.x }}'}}]}]`}
		r.apply(t, effective(t, "", file))
		r.apply(t, effective(t, "global: {external_labels: {x: y}}", file))
		up := time.Now().Add(2 * time.Minute)
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: 15 * time.Second, value: func(at time.Time) float64 {
			if at.Before(up) {
				return 0
			}
			return 1
		}})
		time.Sleep(5 * time.Minute)
		a, ok := r.active(t, "A")
		require.True(t, ok)
		require.Equal(t, "y", a.Annotations.Get("a"))
		require.Less(t, a.FiredAt.Sub(up), 15*time.Second, "at the first sample")
	})
}

func TestAfterScrape_ChainIsOneMomentByTheClockToo(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		r.apply(t, effective(t, "", ruleFile(interval,
			`third {record: c, expr: 'b + 1'}`, `first {record: a, expr: 'm{job="j"}'}`, `second {record: b, expr: 'a + 1'}`)))
		begin := time.Now()
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, takes: 3 * time.Millisecond, jitter: time.Second, down: func(at time.Time) bool {
			return at.Sub(begin)/(4*time.Minute)%2 == 1
		}})
		time.Sleep(3 * interval)
		since := time.Now()
		time.Sleep(time.Hour)
		first := stamps(r.of(`m{job="j"}`, since))
		require.Equal(t, first, stamps(r.of(`a + 1`, since)))
		require.Equal(t, first, stamps(r.of(`b + 1`, since)))
	})
}

func stamps(all []evaluation) []time.Time {
	var at []time.Time
	for _, e := range all {
		at = append(at, e.at)
	}
	return at
}

func TestAfterScrape_EvaluationsAcrossTicksMissNone(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		const interval, expr = 15 * time.Second, `m{job="j"}`
		r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: '`+expr+`'}`)))
		r.slowDown(expr, 1400*time.Millisecond)                // not slow yet
		r.scrape(t, target{job: "j", every: 16 * time.Second}) // evaluations fall on each part of the interval
		time.Sleep(600 * interval)
		require.Empty(t, r.Slow())
		require.Zero(t, r.counter(t, "prometheus_rule_group_iterations_missed_total", "r.yml;g"))
		require.Empty(t, r.Missed())
	})
}
