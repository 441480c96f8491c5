package state

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one open file.
type metrics struct {
	registerer prometheus.Registerer // nil when nobody wants them
	collectors []prometheus.Collector

	commits  prometheus.Counter
	failures prometheus.Counter
	duration prometheus.Histogram
}

func newMetrics(s *State) *metrics {
	m := &metrics{
		registerer: s.opts.Registerer,
		commits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "srcprom_state_commits_total",
			Help: "Number of transactions that were tried on the state file.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "srcprom_state_commit_failures_total",
			Help: "Number of transactions that the state file did not take.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "srcprom_state_commit_duration_seconds",
			Help:    "Time that a transaction takes until it is on the disk.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 16),
		}),
	}
	m.collectors = append([]prometheus.Collector{m.commits, m.failures, m.duration}, observers(s)...)
	if m.registerer != nil {
		m.registerer.MustRegister(m.collectors...)
	}
	return m
}

// observers look at the state when they are asked.
func observers(s *State) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "srcprom_state_pending_records",
			Help: "Number of changes that are in memory and not yet on the disk.",
		}, func() float64 { return float64(s.queue.length()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "srcprom_state_writable",
			Help: "Whether the last transaction on the state file succeeded, and none goes on for long.",
		}, s.writable),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "srcprom_state_size_bytes",
			Help: "Size of the state file.",
		}, s.size),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "srcprom_state_history_entries_dropped_total",
			Help: "Number of entries of the history that were lost because the disk did not take them for too long.",
		}, func() float64 { return float64(s.queue.historyDropped()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "srcprom_state_damaged_records_total",
			Help: "Number of records that were lost because the state file is, or was, damaged.",
		}, func() float64 { return float64(s.Damaged()) }),
	}
}

func (s *State) writable() float64 {
	if _, err := s.Unwritable(); err != nil {
		return 0
	}
	return 1
}

func (s *State) size() float64 {
	info, err := s.file.Stat()
	if err != nil {
		return 0
	}
	return float64(info.Size())
}

func (m *metrics) committed(began time.Time, err error) {
	m.commits.Inc()
	m.duration.Observe(time.Since(began).Seconds())
	if err != nil {
		m.failures.Inc()
	}
}

// unregister lets the next one that opens the file have the metrics.
func (m *metrics) unregister() {
	if m == nil || m.registerer == nil {
		return
	}
	for _, c := range m.collectors {
		m.registerer.Unregister(c)
	}
}
