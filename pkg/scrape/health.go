package scrape

import "github.com/sourcegraph/srcprom/pkg/internal/counters"

// failureKind is what a counter of the engine counts.
type failureKind struct {
	what    string
	passing bool // see Failure.Passing
}

// failureCounters are those of the engine that count what keeps targets from being
// scraped. Targets that are down are not among them: those are the affair of rules.
// The kinds of service discovery that have no refresh failures have counters of
// their own.
func failureCounters() map[string]failureKind {
	return map[string]failureKind{
		"prometheus_sd_refresh_failures_total":               {what: "refreshing service discovery"},
		"prometheus_sd_file_read_errors_total":               {what: "reading files of targets", passing: true},
		"prometheus_sd_file_watcher_errors_total":            {what: "watching files of targets"},
		"prometheus_sd_dns_lookup_failures_total":            {what: "looking up names"},
		"prometheus_sd_consul_rpc_failures_total":            {what: "asking Consul"},
		"prometheus_sd_kuma_fetch_failures_total":            {what: "asking Kuma"},
		"prometheus_sd_kubernetes_failures_total":            {what: "asking Kubernetes", passing: true},
		"prometheus_target_scrape_pools_failed_total":        {what: "making a scrape pool"},
		"prometheus_target_scrape_pool_reloads_failed_total": {what: "changing a scrape pool"},
		"prometheus_target_sync_failed_total":                {what: "making targets of what was discovered"},
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
	// Passing says that it is no fault if it happens once: a file may be read while it
	// is written, and what watches may be told to begin anew.
	Passing bool
}

// Failures tells how often so far something has kept targets from being scraped.
func (m *Manager) Failures() []Failure {
	var all []Failure
	for name, kind := range failureCounters() {
		for _, v := range m.counters.Values(name) {
			all = append(all, Failure{What: kind.what, Job: v.Labels["config"] + v.Labels["scrape_job"], Count: v.Value, Passing: kind.passing})
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
