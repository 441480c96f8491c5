package scrape

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/lifecycle"
	"github.com/sourcegraph/srcprom/pkg/internal/logfile"
)

// Prepare checks the scrape jobs of next. Its step restarts the scrape loops of
// the jobs that differ and leaves the others alone; a step with nothing to do
// touches none. A scrape failure log that log rotation has moved away counts as a
// change, and is opened anew.
//
// Scraping begins with the first commit, so the storage must be open by then. The
// first step has a Commit even without jobs: from then on it is known which there
// are.
//
// External labels alone are no change: the engine spreads the scrapes of new
// pools over time by them, and of no others.
func (m *Manager) Prepare(prev, next *config.Effective) (*lifecycle.Step, error) {
	from, err := jobsOf(prev)
	if err != nil {
		return nil, err
	}
	to, err := jobsOf(next)
	if err != nil {
		return nil, err
	}
	changes := append(compare(from.byName, to.byName), m.rotated(to)...)
	if len(changes) == 0 && m.fresh.hasBegun() {
		return &lifecycle.Step{}, nil
	}
	if faults := check(from.byName, to.byName); faults != nil {
		return nil, faults
	}
	return &lifecycle.Step{
		Changes: changes,
		Commit:  func() error { return m.apply(from, to) },
		Undo:    func() error { return m.apply(to, from) },
	}, nil
}

// jobs are the scrape jobs of a configuration.
type jobs struct {
	config *promconfig.Config
	byName map[string]*promconfig.ScrapeConfig
}

func jobsOf(e *config.Effective) (*jobs, error) {
	if e == nil {
		// The engine refuses a configuration that has not been loaded.
		none, err := promconfig.Load("", nil)
		return &jobs{config: none}, err
	}
	configs, err := e.Prometheus.GetScrapeConfigs()
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	j := &jobs{config: e.Prometheus, byName: make(map[string]*promconfig.ScrapeConfig, len(configs))}
	for _, c := range configs {
		j.byName[c.JobName] = c
	}
	return j, nil
}

// discoveries is what has to be found for each job.
func (j *jobs) discoveries() map[string]discovery.Configs {
	sets := make(map[string]discovery.Configs, len(j.byName))
	for name, job := range j.byName {
		sets[name] = job.ServiceDiscoveryConfigs
	}
	return sets
}

// failureLogs are the paths of all scrape failure logs, sorted.
func (j *jobs) failureLogs() []string {
	paths := map[string]struct{}{}
	for _, job := range j.byName {
		if job.ScrapeFailureLogFile != "" {
			paths[job.ScrapeFailureLogFile] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

// compare tells in words which jobs differ.
func compare(from, to map[string]*promconfig.ScrapeConfig) []string {
	var added, changed, removed []string
	for _, name := range slices.Sorted(maps.Keys(to)) {
		old, ok := from[name]
		switch {
		case !ok:
			added = append(added, name)
		case !reflect.DeepEqual(old, to[name]):
			changed = append(changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if _, ok := to[name]; !ok {
			removed = append(removed, name)
		}
	}
	return lifecycle.Changes("scrape", "job(s)", added, changed, removed)
}

// check builds all jobs that will be built anew. It returns nil, not an empty
// list, if there is no fault.
func check(from, to map[string]*promconfig.ScrapeConfig) error {
	var faults config.Faults
	fault := func(name, format string, args ...any) {
		faults = append(faults, config.Fault{Document: config.PrometheusDocument, Reason: "scrape_configs/" + name + ": " + fmt.Sprintf(format, args...)})
	}
	checked := map[string]error{"": nil}
	for _, name := range slices.Sorted(maps.Keys(to)) {
		job := to[name]
		if old, ok := from[name]; !ok || !reflect.DeepEqual(old, job) {
			if err := CheckJob(job); err != nil {
				fault(name, "%s", err)
			}
		}
		path := job.ScrapeFailureLogFile
		if _, ok := checked[path]; !ok {
			checked[path] = logfile.Check(path)
			if err := checked[path]; err != nil {
				fault(name, "scrape_failure_log_file: %s", err)
			}
		}
	}
	if faults == nil {
		return nil
	}
	return faults
}

// rotated tells in words which failure logs have been moved away.
func (m *Manager) rotated(to *jobs) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var changes []string
	for _, path := range to.failureLogs() {
		if m.failureLogs[path].Rotated() {
			changes = append(changes, fmt.Sprintf("scrape: failure log %q opened anew, it had been moved away", path))
		}
	}
	return changes
}

// apply makes the manager run to instead of from. When it fails, from still
// runs. The engine's manager comes before its discovery, since it must know a job
// before it hears of its targets.
func (m *Manager) apply(from, to *jobs) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return errStopped
	}
	if err := m.up.ApplyConfig(to.config); err != nil {
		return errors.Join(fmt.Errorf("scrape: %w", err), m.up.ApplyConfig(from.config))
	}
	inUse := to.failureLogs()
	maps.DeleteFunc(m.failureLogs, func(path string, _ *logfile.Opened) bool { return !slices.Contains(inUse, path) })
	if err := m.discovery.ApplyConfig(to.discoveries()); err != nil {
		return errors.Join(err, m.up.ApplyConfig(from.config))
	}
	m.fresh.use(to)
	return nil
}
