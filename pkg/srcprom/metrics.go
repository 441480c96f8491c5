package srcprom

import (
	"errors"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// metrics are those that Prometheus's main owns, and our own.
type metrics struct {
	prometheusReload, alertmanagerReload reloadMetrics
	version, setAside                    prometheus.Gauge
}

// reloadMetrics tell for one engine how the last attempt to configure it ended.
type reloadMetrics struct {
	success, successTime prometheus.Gauge
}

func newMetrics(reg, amReg prometheus.Registerer) *metrics {
	m := &metrics{
		prometheusReload:   newReloadMetrics(reg, "prometheus"),
		alertmanagerReload: newReloadMetrics(amReg, "alertmanager"),
		version: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "srcprom_config_version",
			Help: "Version of the configuration that runs. It grows with each configuration that is accepted.",
		}),
		setAside: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "srcprom_config_set_aside_entries",
			Help: "Number of rule groups, scrape jobs and integrations that do not run as they are written.",
		}),
	}
	reg.MustRegister(m.version, m.setAside)
	return m
}

func newReloadMetrics(reg prometheus.Registerer, engine string) reloadMetrics {
	m := reloadMetrics{
		success: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: engine + "_config_last_reload_successful",
			Help: "Whether the last configuration reload attempt was successful.",
		}),
		successTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: engine + "_config_last_reload_success_timestamp_seconds",
			Help: "Timestamp of the last successful configuration reload.",
		}),
	}
	reg.MustRegister(m.success, m.successTime)
	return m
}

func (m reloadMetrics) set(ok bool) {
	if !ok {
		m.success.Set(0)
		return
	}
	m.success.Set(1)
	m.successTime.SetToCurrentTime()
}

// accepted records a configuration that runs now. While any entry is set aside,
// its engine counts as not reloaded: scripts and alerts rely on that.
func (m *metrics) accepted(version uint64, setAside []config.SetAside) {
	m.version.Set(float64(version))
	m.setAside.Set(float64(len(setAside)))
	m.prometheusReload.set(true)
	m.alertmanagerReload.set(true)
	for _, entry := range setAside {
		m.reloadOf(entry.Document).set(false)
	}
}

// refused records a configuration that does not run. Where the documents of one
// engine are wrong, nothing is said of the other.
func (m *metrics) refused(err error) {
	var faults config.Faults
	if !errors.As(err, &faults) {
		m.prometheusReload.set(false)
		m.alertmanagerReload.set(false)
		return
	}
	for _, fault := range faults {
		m.reloadOf(fault.Document).set(false)
	}
}

// reloadOf is the engine that a document belongs to.
func (m *metrics) reloadOf(document string) reloadMetrics {
	if document == config.AlertmanagerDocument || strings.HasPrefix(document, config.TemplatesPrefix) {
		return m.alertmanagerReload
	}
	return m.prometheusReload
}
