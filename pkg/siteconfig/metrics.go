package siteconfig

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What can become of a fetch.
const (
	outcomeApplied   = "applied"
	outcomeUnchanged = "unchanged"
	outcomeNoNews    = "no_news"
	outcomeInvalid   = "invalid"
	outcomeRefused   = "refused"
	outcomeFailed    = "failed"
)

type metrics struct {
	fetches           *prometheus.CounterVec
	unmatchedSilences prometheus.Gauge
	collectors        []prometheus.Collector
}

func newMetrics(s *Subscriber) *metrics {
	m := &metrics{
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "srcprom_siteconfig_fetches_total",
			Help: "Number of times that the site configuration was asked for, by what became of it.",
		}, []string{"outcome"}),
		unmatchedSilences: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "srcprom_siteconfig_unmatched_silences",
			Help: "Number of entries of observability.silenceAlerts that match no alert of a rule.",
		}),
	}
	for _, outcome := range []string{outcomeApplied, outcomeUnchanged, outcomeNoNews, outcomeInvalid, outcomeRefused, outcomeFailed} {
		m.fetches.WithLabelValues(outcome)
	}
	m.collectors = append([]prometheus.Collector{m.fetches, m.unmatchedSilences}, observers(s)...)
	return m
}

// observers look at the subscriber when they are asked.
func observers(s *Subscriber) []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	return []prometheus.Collector{
		gauge("srcprom_siteconfig_last_success_timestamp_seconds",
			"When the site configuration that was fetched was last known to run; 0 before that.",
			func() float64 { return seconds(s.status.view().success) }),
		gauge("srcprom_siteconfig_age_seconds",
			"Time since then, or since the start when it was never known; 0 when none is fetched.",
			func() float64 {
				v := s.status.view()
				if v.started.IsZero() {
					return 0
				}
				return time.Since(v.since()).Seconds()
			}),
		gauge("srcprom_siteconfig_problems",
			"Number of problems of the site configuration, as /prom-wrapper/config-subscriber tells them.",
			func() float64 { return float64(len(s.problems())) }),
		gauge("srcprom_siteconfig_applied_version",
			"Version of the configuration with which the site configuration was applied last; 0 before that.",
			func() float64 { return float64(s.status.view().version) }),
	}
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func (m *metrics) fetched(outcome string) { m.fetches.WithLabelValues(outcome).Inc() }

// unmatched sets how many silences match no alert of a rule.
func (m *metrics) unmatched(n int) { m.unmatchedSilences.Set(float64(n)) }

func (m *metrics) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	var errs []error
	for _, c := range m.collectors {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}
