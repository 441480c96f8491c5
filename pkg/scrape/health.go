package scrape

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"

	"github.com/sourcegraph/srcprom/pkg/internal/counters"
)

// failureKind is what a counter of the engine counts.
type failureKind struct {
	what      string
	passing   bool   // see Failure.Passing
	mechanism string // the only kind of service discovery that it is of
	again     time.Duration
}

// givenUp is for what the engine does not try again before the next start: that
// long it is told of.
const givenUp = 24 * time.Hour

// failureCounters are those of the engine that count what keeps targets from being
// scraped. Targets that are down are not among them: those are the affair of rules.
// The kinds of service discovery that have no refresh failures have counters of
// their own.
func failureCounters() map[string]failureKind {
	return map[string]failureKind{
		"prometheus_sd_refresh_failures_total":               {what: "refreshing service discovery"},
		"prometheus_sd_file_read_errors_total":               {what: "reading files of targets", passing: true, mechanism: "file"},
		"prometheus_sd_file_watcher_errors_total":            {what: "watching files of targets", again: givenUp},
		"prometheus_sd_dns_lookup_failures_total":            {what: "looking up names", mechanism: "dns"},
		"prometheus_sd_consul_rpc_failures_total":            {what: "asking Consul", mechanism: "consul"},
		"prometheus_sd_kuma_fetch_failures_total":            {what: "asking Kuma", mechanism: "kuma"},
		"prometheus_sd_kubernetes_failures_total":            {what: "asking Kubernetes", passing: true, mechanism: "kubernetes"},
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
	Job string
	// Discovery is the name of the other discovery, made by [Manager.NewDiscovery], to
	// which what Job names belongs; empty means that it is a scrape job, or not known.
	Discovery string
	Count     float64
	// Again is after how long at most it is tried again; zero means soon, or when
	// something changes.
	Again time.Duration
	// Passing says that it is no fault if it happens once: a file may be read while it
	// is written, and what watches may be told to begin anew.
	Passing bool
}

// failed is what failures are told apart by.
type failed struct{ what, job, discovery string }

// Failures tells how often so far something has kept targets from being scraped: one
// for each thing that fails and each job, whichever of several discoveries of the job it is.
func (m *Manager) Failures() []Failure {
	sums := map[failed]Failure{}
	for name, kind := range failureCounters() {
		for _, v := range m.counters.Values(name) {
			set := v.Labels["config"]
			f := Failure{What: kind.what, Job: set + v.Labels["scrape_job"], Count: v.Value, Again: kind.again, Passing: kind.passing}
			if set != "" {
				f.Discovery = m.otherDiscovery(set)
			}
			if set != "" || kind.mechanism != "" {
				f.Again = max(f.Again, m.refreshInterval(set, kind.mechanism))
			}
			key := failed{f.What, f.Job, f.Discovery}
			f.Count += sums[key].Count
			f.Again = max(f.Again, sums[key].Again)
			sums[key] = f
		}
	}
	return slices.Collect(maps.Values(sums))
}

// otherDiscovery is the name of the discovery that has a set which is not that of a
// scrape job. They all share one counter.
func (m *Manager) otherDiscovery(set string) string {
	m.discoveriesMu.Lock()
	defer m.discoveriesMu.Unlock()
	for _, d := range m.discoveries { // the manager's own is the first
		if _, ok := (*d.sets.Load())[set]; ok {
			if d == m.discovery {
				return ""
			}
			return d.name
		}
	}
	return ""
}

// refreshInterval is the longest of what a named set of targets, or all, are
// discovered by.
func (m *Manager) refreshInterval(set, mechanism string) time.Duration {
	m.discoveriesMu.Lock()
	defer m.discoveriesMu.Unlock()
	var longest time.Duration
	for _, d := range m.discoveries {
		for name, configs := range *d.sets.Load() {
			for _, c := range configs {
				if (set == "" || set == name) && (mechanism == "" || mechanism == c.Name()) {
					longest = max(longest, refreshIntervalOf(c))
				}
			}
		}
	}
	return longest
}

// refreshIntervalOf is zero where a kind of service discovery has none. What they
// have in common, the engine has no interface for.
func refreshIntervalOf(c discovery.Config) time.Duration {
	v := reflect.Indirect(reflect.ValueOf(c))
	if v.Kind() != reflect.Struct {
		return 0
	}
	if interval := v.FieldByName("RefreshInterval"); interval.IsValid() {
		d, _ := reflect.TypeAssert[model.Duration](interval)
		return time.Duration(d)
	}
	return 0
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
