package rules

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// metrics are what a registry has by a name.
func (m *testManager) metrics(t *testing.T, name string) []*dto.Metric {
	t.Helper()
	families, err := m.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()
		}
	}
	return nil
}

// byLabels are the values of metrics, by their labels' values.
func byLabels(metrics []*dto.Metric) map[string]float64 {
	values := map[string]float64{}
	for _, m := range metrics {
		key := ""
		for _, label := range m.GetLabel() {
			key += " " + label.GetValue()
		}
		values[key[1:]] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return values
}

func TestTimingMetrics(t *testing.T) {
	const interval, intervals = 15 * time.Second, 20
	group := ruleFile(interval, `g {alert: A, expr: 'm{job="j"} > 0'}`, `h {record: r, expr: 'ALERTS{alertname="A"}'}`)
	run := func(t *testing.T, r *rhythm) *dto.Histogram {
		r.apply(t, effective(t, "", group))
		r.scrape(t, target{job: "j", offset: 4 * time.Second, every: interval, takes: 3 * time.Millisecond})
		time.Sleep(intervals*interval + time.Second)
		problems, err := testutil.GatherAndLint(r.registry,
			"srcprom_rule_sample_to_evaluation_seconds", "srcprom_rule_group_evaluations_total",
			"srcprom_rule_group_last_evaluation_trigger", "srcprom_rule_group_newest_sample_age_seconds")
		require.NoError(t, err)
		require.Empty(t, problems)
		found := r.metrics(t, "srcprom_rule_sample_to_evaluation_seconds")
		require.Len(t, found, 1)
		return found[0].GetHistogram()
	}
	bubble(t, nil, func(t *testing.T, r *rhythm) {
		h := run(t, r)
		require.InDelta(t, 2*intervals, h.GetSampleCount(), 4)
		require.Equal(t, 0.01, h.GetBucket()[1].GetUpperBound())
		require.InDelta(t, 2*intervals, h.GetBucket()[1].GetCumulativeCount(), 4, "all but the first ones, which are by the clock")
		require.Equal(t, map[string]float64{"r.yml;g scrape": 1, "r.yml;h rules": 1}, byLabels(r.metrics(t, "srcprom_rule_group_last_evaluation_trigger")))
		require.Equal(t, map[string]float64{"r.yml;g": 0.008, "r.yml;h": 0.008}, byLabels(r.metrics(t, "srcprom_rule_group_newest_sample_age_seconds")))
		evaluations := byLabels(r.metrics(t, "srcprom_rule_group_evaluations_total"))
		require.InDelta(t, intervals, evaluations["r.yml;g scrape"], 1)
		require.LessOrEqual(t, evaluations["r.yml;g clock"], 1.)
		r.testManager.mu.Lock()
		defer r.testManager.mu.Unlock()
		require.NotEmpty(t, r.sampled)
		for _, newest := range r.sampled {
			require.Zero(t, newest.Sub(r.sampled[0])%interval, "the notifications know the samples")
		}
		require.Equal(t, r.alerts[0].FiredAt, r.sampled[0])
	})
	bubble(t, func(o *Options) { o.Evaluation = config.EvaluationClock }, func(t *testing.T, r *rhythm) {
		h := run(t, r)
		require.Equal(t, map[string]float64{"r.yml;g clock": 1, "r.yml;h clock": 1}, byLabels(r.metrics(t, "srcprom_rule_group_last_evaluation_trigger")))
		slot := r.group(t, "g").EvalTimestamp(time.Now().UnixNano())
		phase := byLabels(r.metrics(t, "srcprom_rule_group_newest_sample_age_seconds"))["r.yml;g"]
		require.InDelta(t, slot.Sub(r.timing.groups["r.yml;g"].newest).Seconds(), phase, interval.Seconds())
		require.Greater(t, h.GetSampleSum(), phase*intervals/2)
	})
}
