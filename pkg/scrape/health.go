package scrape

import "github.com/sourcegraph/srcprom/pkg/internal/counters"

// failureCounters are those of the engine that count what keeps targets from being
// scraped, by what failed. Targets that are down are not among them: those are the
// affair of rules.
func failureCounters() map[string]string {
	return map[string]string{
		"prometheus_sd_refresh_failures_total":               "refreshing service discovery",
		"prometheus_target_scrape_pools_failed_total":        "making a scrape pool",
		"prometheus_target_scrape_pool_reloads_failed_total": "changing a scrape pool",
		"prometheus_target_sync_failed_total":                "making targets of what was discovered",
	}
}

// failedConfigs is the number of service discoveries that could not be made.
const failedConfigs = "prometheus_sd_failed_configs"

// Failure counts how often something failed.
type Failure struct {
	What string
	// Job is whose it is; empty where it is not known.
	Job   string
	Count float64
}

// Failures tells how often so far something has kept targets from being scraped.
func (m *Manager) Failures() []Failure {
	var all []Failure
	for name, what := range failureCounters() {
		for _, v := range m.counters.Values(name) {
			all = append(all, Failure{What: what, Job: v.Labels["config"] + v.Labels["scrape_job"], Count: v.Value})
		}
	}
	return all
}

// FailedDiscoveries is how many service discoveries of the configuration that
// runs could not be made.
func (m *Manager) FailedDiscoveries() int {
	n := 0
	for _, v := range m.counters.Values(failedConfigs) {
		n += int(v.Value)
	}
	return n
}

func watchCounters(deps Deps) *counters.Registerer {
	names := []string{failedConfigs}
	for name := range failureCounters() {
		names = append(names, name)
	}
	return counters.Watch(deps.Registerer, names...)
}
