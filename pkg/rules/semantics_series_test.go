package rules

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"
)

// seconds is a value that tells when it was scraped.
func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

func TestSeries_OneSampleOfEachEvaluation(t *testing.T) {
	bothModes(t, nil, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		r.apply(t, effective(t, "", ruleFile(interval,
			`g {record: r, expr: 'max(m{job="j"})'}`, `h {record: s, expr: 'max(r)'}`, `i {alert: A, expr: 'max(m{job="j"}) > 1'}`)))
		begin := time.Now()
		comesAndGoes := func(at time.Time) bool { return at.Sub(begin)/(10*time.Minute)%3 == 1 }
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, takes: 2 * time.Second, jitter: 3 * time.Second, value: seconds, down: comesAndGoes})
		for i := range 20 { // many at once, and spread
			r.scrape(t, target{job: "j", instance: fmt.Sprint(i), offset: time.Duration(i) * interval / 20, every: interval, value: seconds, down: func(at time.Time) bool {
				return at.Sub(begin)/(20*time.Minute)%2 == 0
			}})
		}
		for i := range 60 { // and some that are sent, with timestamps from anywhere
			time.Sleep(time.Minute)
			r.Committed(TriggerPush, []string{"j"}, time.Now().Add(time.Duration(i%5-2)*interval))
		}
		r.stop()
		for expr, series := range map[string][]point{
			`max(m{job="j"})`:     without(r.stored(t, "__name__", "r")),
			`max(r)`:              without(r.stored(t, "__name__", "s")),
			`max(m{job="j"}) > 1`: without(r.stored(t, "__name__", "ALERTS", "alertname", "A", "alertstate", "firing")),
		} {
			var with []evaluation
			for _, e := range r.of(expr, time.Time{}) {
				require.False(t, e.at.After(e.began), "%s is in the future", e.at)
				if e.found > 0 {
					with = append(with, e)
				}
			}
			if expr == `max(m{job="j"}) > 1` {
				with = with[len(with)-len(series):] // without those before its state is read back
			}
			require.Greater(t, len(series), 150)
			require.Len(t, series, len(with), "none was refused")
			for i, e := range with {
				require.Equal(t, milli(e.at), series[i].at)
				require.True(t, i == 0 || series[i].at.After(series[i-1].at))
			}
		}
		for _, g := range r.Upstream().RuleGroups() {
			require.Equal(t, rules.HealthGood, g.Rules()[0].Health())
		}
	})
}

func TestSeries_QueryOffset(t *testing.T) {
	bothModes(t, nil, func(t *testing.T, r *rhythm) {
		const interval, offset = 15 * time.Second, 40 * time.Second
		r.apply(t, effective(t, "global: {evaluation_interval: 15s, rule_query_offset: 40s}", [2]string{"r.yml", `groups:
- {name: g, query_offset: 40s, rules: [{record: r, expr: 'm{job="j"} * 1'}, {alert: A, expr: 'm{job="j"} > 1'}]}
- {name: h, rules: [{record: s, expr: 'm{job="j"} * 1'}]}
- {name: i, query_offset: 0s, rules: [{record: u, expr: 'm{job="j"} * 1'}]}
`}))
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, value: seconds})
		time.Sleep(10 * time.Minute)
		for group, name := range map[string]string{"g": "r", "h": "s", "i": "u"} {
			behind := offset
			if group == "i" {
				behind = 0
			}
			series := r.stored(t, "__name__", name)
			require.InDelta(t, 40, len(series), 4)
			for _, p := range series {
				scraped := time.UnixMilli(int64(math.Round(p.v * 1000)))
				require.False(t, scraped.After(p.at), "nothing of later is seen")
				require.Less(t, p.at.Sub(scraped), interval, "but the last of before")
			}
			last := series[len(series)-1].at
			require.Equal(t, milli(r.group(t, group).GetLastEvalTimestamp().Add(-behind)), last)
		}
		alerts := r.stored(t, "__name__", "ALERTS", "alertname", "A", "alertstate", "firing")
		recorded := r.stored(t, "__name__", "r")
		require.Equal(t, recorded[len(recorded)-1].at, alerts[len(alerts)-1].at)
	})
}

func TestSeries_MarkersOfWhatIsGone(t *testing.T) {
	bothModes(t, nil, func(t *testing.T, r *rhythm) {
		const interval = 15 * time.Second
		all := [2]string{"r.yml", `groups:
- {name: g, rules: [{record: r, expr: 'm{job="j"} * 1'}, {record: s, expr: 'm{job="j"} * 2'}, {alert: A, expr: 'm{job="j"} > 0'}]}
- {name: h, rules: [{record: u, expr: 'm{job="j"} * 3'}]}
`}
		less := [2]string{"r.yml", `groups: [{name: g, rules: [{record: r, expr: 'm{job="j"} * 1'}]}]`}
		r.apply(t, effective(t, "global: {evaluation_interval: 15s}", all))
		begin := time.Now()
		gone := begin.Add(5 * time.Minute)
		back := gone.Add(5 * time.Minute)
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, value: func(at time.Time) float64 {
			if !at.Before(gone) && at.Before(back) {
				return math.Float64frombits(value.StaleNaN)
			}
			return 1
		}})
		time.Sleep(12 * time.Minute)
		for expr, series := range map[string][]point{
			`m{job="j"} * 1`: r.stored(t, "__name__", "r"),
			`m{job="j"} * 3`: r.stored(t, "__name__", "u"),
			`m{job="j"} > 0`: r.stored(t, "__name__", "ALERTS", "alertname", "A", "alertstate", "firing"),
		} {
			var first time.Time
			for _, e := range r.of(expr, gone) {
				if e.found == 0 && first.IsZero() {
					first = milli(e.at)
				}
			}
			require.Less(t, first.Sub(gone), 2*interval)
			require.Equal(t, []time.Time{first}, markers(series), "%s: at the first evaluation without it, once", expr)
		}

		r.apply(t, effective(t, "global: {evaluation_interval: 15s}", less))
		removed := time.Now()
		time.Sleep(5 * time.Minute)
		next := milli(r.of(`m{job="j"} * 1`, removed)[0].at)
		for name, series := range map[string][]point{
			"s":      r.stored(t, "__name__", "s"),
			"ALERTS": r.stored(t, "__name__", "ALERTS", "alertname", "A", "alertstate", "firing"),
		} {
			require.Equal(t, next, series[len(series)-1].at, "%s: a rule that is gone: at the group's next evaluation", name)
			require.Equal(t, next, markers(series)[1])
		}
		series := r.stored(t, "__name__", "u")
		require.Equal(t, milli(removed), series[len(series)-1].at, "a group that is gone: when it went")
		require.Equal(t, milli(removed), markers(series)[1])
		require.Len(t, markers(r.stored(t, "__name__", "r")), 1, "what stays goes on")
	})
}

// markers are when a series was marked stale.
func markers(series []point) []time.Time {
	var all []time.Time
	for _, p := range series {
		if p.stale {
			all = append(all, p.at)
		}
	}
	return all
}

func TestSeries_RulesOfAGroupAreOneMoment(t *testing.T) {
	for name, concurrent := range map[string]bool{"one after another": false, "concurrently": true} {
		t.Run(name, func(t *testing.T) {
			bothModes(t, func(o *Options) { o.ConcurrentEvals = concurrent }, func(t *testing.T, r *rhythm) {
				const interval = 15 * time.Second
				r.apply(t, effective(t, "", ruleFile(interval, `g `+
					`{record: r, expr: 'm{job="j"} * 1'}, {record: s, expr: 'r + 1'}, {record: other, expr: 'm{job="j"} * 3'}, `+
					`{record: u, expr: 's + 1'}, {alert: A, expr: 'u > 0'}, {record: v, expr: 'ALERTS_FOR_STATE{alertname="A"} * 0 + on() group_left() s'}`)))
				r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, value: seconds})
				time.Sleep(10 * time.Minute)
				r.stop()
				first := r.stored(t, "__name__", "r")
				require.InDelta(t, 40, len(first), 2)
				for name, more := range map[string]float64{"s": 1, "u": 2, "v": 1} {
					series := r.stored(t, "__name__", name)
					require.GreaterOrEqual(t, len(series), len(first)-2)
					for i, p := range first[len(first)-len(series):] {
						require.Equal(t, p.at, series[i].at)
						require.InDelta(t, p.v+more, series[i].v, 1e-6, "%s at %s", name, p.at)
					}
				}
			})
		})
	}
}

// TestSeries_RateHasAValueAtEveryMoment while targets are late, come and go.
func TestSeries_RateHasAValueAtEveryMoment(t *testing.T) {
	const interval = 15 * time.Second
	slack := (&pace{interval: interval}).slack()
	for name, tc := range map[string]struct {
		target
		apart time.Duration // samples, at most
		spans time.Duration // so long a range has two of them at every moment
	}{
		"steady":         {apart: interval, spans: 2 * interval},
		"late":           {target: target{takes: 2 * time.Second}, apart: interval, spans: 2*interval + 2*time.Second},
		"jittering":      {target: target{jitter: 40 * time.Millisecond}, apart: interval + 40*time.Millisecond, spans: 2*interval + 40*time.Millisecond},
		"irregular":      {target: target{jitter: 10 * time.Second}, apart: interval + slack, spans: 2 * (interval + slack)},
		"flapping":       {target: target{down: atTimes}, apart: interval + slack, spans: 2 * (interval + slack)},
		"late, flapping": {target: target{takes: 2 * time.Second, down: atTimes}, apart: interval + slack + 2*time.Second, spans: 2 * (interval + slack + 2*time.Second)},
		"slower":         {target: target{every: 16 * time.Second}, apart: interval + slack, spans: 2 * (interval + slack)},
		"quicker":        {target: target{every: 7 * time.Second}, apart: interval, spans: 2 * interval},
	} {
		t.Run(name, func(t *testing.T) {
			bothModes(t, nil, func(t *testing.T, r *rhythm) {
				to := tc.target
				to.job, to.offset, to.value = "j", 4*time.Second, seconds
				if to.every == 0 {
					to.every = interval
				}
				r.apply(t, effective(t, "", ruleFile(interval, `g {record: r, expr: 'max(m{job="j"})'}`)))
				begin := time.Now().Add(3 * interval)
				r.scrape(t, to)
				time.Sleep(time.Hour)
				r.stop()
				apart, spans := spacing(r.of(`max(m{job="j"})`, begin))
				require.LessOrEqual(t, apart, tc.apart+settle)
				require.LessOrEqual(t, spans, tc.spans+2*settle)
				for _, window := range []string{"45s", "1m"} {
					end := time.Now()
					q, err := r.engine.NewRangeQuery(t.Context(), r.db, nil, "rate(r["+window+"])", begin.Add(time.Minute), end, time.Second)
					require.NoError(t, err)
					defer q.Close()
					matrix, err := q.Exec(t.Context()).Matrix()
					require.NoError(t, err)
					require.Len(t, matrix, 1)
					require.Len(t, matrix[0].Floats, int(end.Sub(begin.Add(time.Minute))/time.Second)+1)
				}
			})
		})
	}
}

func atTimes(at time.Time) bool { return at.Unix()%100 > 40 }

// spacing tells how far apart samples are that evaluations record, and how long a
// range must be to have two of them at every moment: just before the next comes too.
func spacing(all []evaluation) (apart, spans time.Duration) {
	for i, e := range all[2:] {
		apart = max(apart, e.at.Sub(all[i+1].at))
		spans = max(spans, e.began.Sub(all[i].at))
	}
	return apart, spans
}
