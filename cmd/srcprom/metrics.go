package main

import (
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/version"
)

// newRegistries returns the registries of /metrics and /alertmanager/metrics with
// what their engines' own programs put in: what the process is, and how it fares.
func newRegistries() (prom, alertmanager *prometheus.Registry) {
	prom, alertmanager = prometheus.NewRegistry(), prometheus.NewRegistry()
	prom.MustRegister(
		// The runtime metrics that Prometheus's cmd/prometheus/main.go adds.
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
			collectors.MetricsGC,
			collectors.MetricsScheduler,
			collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/sync/mutex/wait/total:seconds$`)},
		)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo("srcprom", version.Version),
		buildInfo("prometheus", engineVersion(prometheusModule)),
	)
	alertmanager.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo("alertmanager", engineVersion(alertmanagerModule)),
	)
	return prom, alertmanager
}
