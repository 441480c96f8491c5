package alerting

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// durableMetrics are about what survives a restart.
type durableMetrics struct {
	restored, setAside *prometheus.GaugeVec
	undecided          prometheus.Gauge
}

func newDurableMetrics(reg prometheus.Registerer) *durableMetrics {
	f := promauto.With(reg)
	m := &durableMetrics{
		restored: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "srcprom_alerting_restored_records",
			Help: "Number of records of the state file that were taken up at the start.",
		}, []string{"kind"}),
		setAside: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "srcprom_alerting_set_aside_records",
			Help: "Number of records of the state file, or of imported snapshots, that could not be read at the start.",
		}, []string{"kind"}),
		undecided: f.NewGauge(prometheus.GaugeOpts{
			Name: "srcprom_alerting_undecided_alerts",
			Help: "Number of restored alerts of which it is not known yet whether they still fire.",
		}),
	}
	for _, kind := range []state.Bucket{state.Silences, state.NotificationLog, state.Alerts} {
		m.restored.WithLabelValues(string(kind))
		m.setAside.WithLabelValues(string(kind))
	}
	return m
}
