package alerting

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const discoveredMetric = "prometheus_notifications_alertmanagers_discovered"

// notificationMetrics are those of Prometheus's notifier, on which the built-in
// Alertmanager counts as one target more. Children are looked up at each use: the
// notifier deletes those of a target that goes away, and that target can be this
// process under its own address.
type notificationMetrics struct {
	sent, errors, dropped *prometheus.CounterVec
	latencySummary        *prometheus.SummaryVec
	latencyHistogram      *prometheus.HistogramVec
	queueLength           *prometheus.GaugeVec
}

// captureNotificationMetrics returns what NewManager of the notifier has to
// register on, and a func that returns its metrics afterwards.
func captureNotificationMetrics(reg prometheus.Registerer) (*capture, func() *notificationMetrics) {
	name := func(short string) string { return "prometheus_notifications_" + short }
	c := newCapture(reg, []string{
		name("sent_total"), name("errors_total"), name("dropped_total"),
		name("latency_seconds"), name("latency_histogram_seconds"), name("queue_length"),
	}, discoveredMetric)
	return c, func() *notificationMetrics {
		return &notificationMetrics{
			sent:             captured[*prometheus.CounterVec](c, name("sent_total")),
			errors:           captured[*prometheus.CounterVec](c, name("errors_total")),
			dropped:          captured[*prometheus.CounterVec](c, name("dropped_total")),
			latencySummary:   captured[*prometheus.SummaryVec](c, name("latency_seconds")),
			latencyHistogram: captured[*prometheus.HistogramVec](c, name("latency_histogram_seconds")),
			queueLength:      captured[*prometheus.GaugeVec](c, name("queue_length")),
		}
	}
}

// init makes the series of a target exist from the start.
func (m *notificationMetrics) init(target string) {
	m.sent.WithLabelValues(target)
	m.errors.WithLabelValues(target)
	m.dropped.WithLabelValues(target)
	m.queueLength.WithLabelValues(target)
}

func (m *notificationMetrics) delivered(target string, n int, took time.Duration) {
	m.sent.WithLabelValues(target).Add(float64(n))
	m.latencySummary.WithLabelValues(target).Observe(took.Seconds())
	m.latencyHistogram.WithLabelValues(target).Observe(took.Seconds())
}

// failed counts alerts that no further attempt is made for.
func (m *notificationMetrics) failed(target string, n int) {
	m.errors.WithLabelValues(target).Add(float64(n))
	m.dropped.WithLabelValues(target).Add(float64(n))
}

// late counts alerts that were given after the end.
func (m *notificationMetrics) late(target string, n int) {
	m.dropped.WithLabelValues(target).Add(float64(n))
}
