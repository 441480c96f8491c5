package rules

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestLongRun_NeitherDriftsNorMissesNorDoubles(t *testing.T) {
	for name, tc := range map[string]struct{ interval, d time.Duration }{
		"a week of minutes":             {time.Minute, 7 * 24 * time.Hour},
		"a day of quarters of a minute": {15 * time.Second, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			bothModes(t, nil, func(t *testing.T, r *rhythm) { longRun(t, r, tc.interval, tc.d) })
		})
	}
}

func longRun(t *testing.T, r *rhythm, interval, d time.Duration) {
	r.bare = true
	const jitter, takes = 40 * time.Millisecond, 3 * time.Millisecond
	r.apply(t, effective(t, "", ruleFile(interval,
		`one {alert: One, expr: 'm{job="one"}', for: 5m}`, `two {record: two, expr: 'm{job="two"}'}`,
		`third {record: c, expr: 'b + 1'}`, `first {record: a, expr: 'm{job="one"} + 1'}`, `second {record: b, expr: 'a + 1'}`)))
	r.scrape(t, target{job: "one", offset: interval / 5, every: interval, takes: takes, jitter: jitter},
		target{job: "two", instance: "a", offset: interval / 3, every: interval, takes: takes, jitter: jitter},
		target{job: "two", instance: "b", offset: interval * 4 / 5, every: interval, takes: takes, jitter: jitter})
	time.Sleep(3 * interval)
	begin := time.Now()
	time.Sleep(d)
	scrapes, late := map[string]int{`m{job="two"}`: 2}, settle+takes
	after := r.opts.Evaluation == config.EvaluationAfterScrape
	for _, expr := range []string{`m{job="one"}`, `m{job="two"}`, `m{job="one"} + 1`, `a + 1`, `b + 1`} {
		all := r.of(expr, begin)
		want := int(d / interval)
		if after {
			want *= max(scrapes[expr], 1)
		}
		require.InDelta(t, want, len(all), 1, "%s", expr)
		gaps, lags := bounds{}, bounds{}
		for i, e := range all[1:] {
			gaps.add(e.at.Sub(all[i].at))
			lags.add(e.began.Sub(e.at))
		}
		switch {
		case !after:
			require.Equal(t, bounds{interval, interval}, gaps)
			require.Less(t, lags.most, time.Millisecond)
			continue
		case scrapes[expr] == 2:
			require.InDelta(t, interval*7/15, gaps.least, float64(jitter))
			require.InDelta(t, interval*8/15, gaps.most, float64(jitter))
		default:
			require.InDelta(t, interval, gaps.least, float64(jitter))
			require.InDelta(t, interval, gaps.most, float64(jitter))
		}
		require.InDelta(t, late, lags.least, float64(time.Millisecond), "no drift")
		require.InDelta(t, late, lags.most, float64(time.Millisecond), "no drift")
	}
	require.Empty(t, r.Missed())
	for _, g := range r.Upstream().RuleGroups() {
		require.Zero(t, r.counter(t, "prometheus_rule_group_iterations_missed_total", "r.yml;"+g.Name()))
		total := r.counter(t, "prometheus_rule_group_iterations_total", "r.yml;"+g.Name())
		require.InDelta(t, len(r.of(g.Rules()[0].Query().String(), time.Time{})), total, 0)
	}
}

// bounds are the least and the most of some durations.
type bounds struct{ least, most time.Duration }

func (b *bounds) add(d time.Duration) {
	if *b == (bounds{}) {
		b.least = d
	}
	b.least, b.most = min(b.least, d), max(b.most, d)
}
