package rules

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// timingMetrics tell how long samples wait for rules.
type timingMetrics struct {
	sampleToEvaluation prometheus.Histogram
}

func newTimingMetrics(reg prometheus.Registerer) *timingMetrics {
	m := &timingMetrics{sampleToEvaluation: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:                            "srcprom_rule_sample_to_evaluation_seconds",
		Help:                            "Time from the timestamp of a sample to the beginning of the first evaluation of a rule group that could see it; of several, the longest.",
		Buckets:                         []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300},
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	})}
	if reg != nil {
		reg.MustRegister(m.sampleToEvaluation)
	}
	return m
}

func (m *timingMetrics) evaluated(d due) {
	if d.waited >= 0 {
		m.sampleToEvaluation.Observe(d.waited.Seconds())
	}
}

var (
	evaluationsDesc = prometheus.NewDesc("srcprom_rule_group_evaluations_total",
		"Number of evaluations of a rule group, by what triggered them.", []string{"rule_group", "trigger"}, nil)
	lastTriggerDesc = prometheus.NewDesc("srcprom_rule_group_last_evaluation_trigger",
		"What triggered the last evaluation of a rule group: always 1.", []string{"rule_group", "trigger"}, nil)
	newestSampleAgeDesc = prometheus.NewDesc("srcprom_rule_group_newest_sample_age_seconds",
		"How old the newest sample that a rule group reads was when its last evaluation began.", []string{"rule_group"}, nil)
)

// timingCollector tells of each group how it was evaluated last.
type timingCollector struct{ *timing }

// Describe implements prometheus.Collector.
func (timingCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- evaluationsDesc
	ch <- lastTriggerDesc
	ch <- newestSampleAgeDesc
}

// Collect implements prometheus.Collector.
func (c timingCollector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.collected() {
		ch <- m
	}
}

func (c timingCollector) collected() []prometheus.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []prometheus.Metric
	add := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		all = append(all, prometheus.MustNewConstMetric(desc, kind, value, labels...))
	}
	for key, g := range c.groups {
		for by, n := range g.counts {
			add(evaluationsDesc, prometheus.CounterValue, float64(n), key, string(by))
		}
		if g.last.trigger == "" {
			continue
		}
		add(lastTriggerDesc, prometheus.GaugeValue, 1, key, string(g.last.trigger))
		if !g.last.newest.IsZero() {
			add(newestSampleAgeDesc, prometheus.GaugeValue, g.last.age.Seconds(), key)
		}
	}
	return all
}
