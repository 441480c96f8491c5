package health

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sourcegraph/srcprom/pkg/client"
)

type metrics struct {
	problems, state *prometheus.GaugeVec
}

func newMetrics() *metrics {
	return &metrics{
		problems: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "srcprom_health_problems",
			Help: "Number of problems that a part of the server has, by their level.",
		}, []string{"part", "level"}),
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "srcprom_health_state",
			Help: "State of a part of the server: 0 is ok, 1 is degraded, 2 is failing.",
		}, []string{"part"}),
	}
}

func (m *metrics) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{m.problems, m.state} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *metrics) set(part client.PartHealth) {
	count := map[string]int{client.HealthCritical: 0, client.HealthWarning: 0}
	for _, p := range part.Problems {
		count[p.Level]++
	}
	for level, n := range count {
		m.problems.WithLabelValues(part.Name, level).Set(float64(n))
	}
	m.state.WithLabelValues(part.Name).Set(float64(rank(part.State)))
}
