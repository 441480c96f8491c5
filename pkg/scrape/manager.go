package scrape

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/logging"

	"github.com/sourcegraph/srcprom/pkg/internal/counters"
	"github.com/sourcegraph/srcprom/pkg/internal/logfile"
)

// Deps are what a manager needs of others.
type Deps struct {
	// Appendable takes the samples. Required. It may refuse them as long as it
	// is not open, but see [Manager.Prepare].
	Appendable storage.AppendableV2
	// Logger receives what the manager and the engine say. Nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics. It must not have been given to another
	// manager. Nil means a registry that nobody sees.
	Registerer prometheus.Registerer
	// Features is told what is switched on, and which service discovery there
	// is. Nil tells nobody.
	Features features.Collector
}

// Manager discovers targets and scrapes them. Its methods are safe for
// concurrent use.
type Manager struct {
	opts      Options
	deps      Deps
	sdMetrics *discovery.SDMetrics
	up        *scrape.Manager
	discovery *Discovery
	fresh     *freshness
	counters  *counters.Registerer
	started   atomic.Bool

	discoveriesMu sync.Mutex // guards what follows
	discoveries   []*Discovery

	mu          sync.Mutex                 // held while a configuration is applied; guards what follows
	stopped     bool                       // nothing must be applied any more
	failureLogs map[string]*logfile.Opened // by path
}

// New returns a manager without targets.
func New(opts Options, deps Deps) (*Manager, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	if deps.Appendable == nil {
		return nil, errors.New("scrape: Deps.Appendable is nil: there is nowhere to put samples")
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Registerer == nil {
		deps.Registerer = prometheus.NewRegistry()
	}
	m := &Manager{opts: opts, fresh: newFreshness(opts), counters: watchCounters(deps), failureLogs: map[string]*logfile.Opened{}}
	deps.Registerer = m.counters
	m.deps = deps
	var err error
	if m.sdMetrics, err = discovery.CreateAndRegisterSDMetrics(deps.Registerer); err != nil {
		return nil, fmt.Errorf("scrape: metrics of service discovery: %w", err)
	}
	m.up, err = scrape.NewManager(opts.engineOptions(deps.Features), deps.Logger.With("component", "scrape manager"),
		m.openFailureLog, nil, watched{deps.Appendable, m.fresh}, deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	if m.discovery, err = m.NewDiscovery("scrape"); err != nil {
		return nil, err
	}
	if deps.Features != nil && opts.SynthesizeStartTimestamps {
		deps.Features.Enable(features.Scrape, "st-synthesis")
	}
	return m, nil
}

// Upstream is the engine's manager, for its API and for the metadata of metrics.
func (m *Manager) Upstream() *scrape.Manager { return m.up }

// openFailureLog is called by the engine while it applies a configuration, for
// each file anew. The caller holds mu.
func (m *Manager) openFailureLog(path string) (*logging.JSONFileLogger, error) {
	log, opened, err := logfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("scrape_failure_log_file: %w", err)
	}
	m.failureLogs[path] = opened
	return log, nil
}
