package alerting

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// Deps is what a Manager needs of others. All fields are required but Discovery.
type Deps struct {
	Logger *slog.Logger
	// Registerer gets the metrics of Alertmanager.
	Registerer prometheus.Registerer
	// PrometheusRegisterer gets those of Prometheus's notifier.
	PrometheusRegisterer prometheus.Registerer
	// ExternalURL is where users reach the built-in Alertmanager: in links, and as a
	// label of metrics.
	ExternalURL *url.URL
	// Discovery finds external Alertmanagers. Nil refuses configurations that name
	// any.
	Discovery Discovery
	// ProcessID tells this server apart from every other one.
	ProcessID string
	// State keeps what must survive a crash. It must stay open until Run or Close
	// has returned. Required, but where Options.Disabled.
	State *state.State
	// Standing tells of alerts that were restored what their rule says of them. Nil
	// means that no rules send alerts here.
	Standing func(labels.Labels) Standing
}

func (d Deps) validate(opts Options) error {
	var errs []error
	for name, missing := range map[string]bool{
		"Logger":               d.Logger == nil,
		"Registerer":           d.Registerer == nil,
		"PrometheusRegisterer": d.PrometheusRegisterer == nil,
		"ExternalURL":          d.ExternalURL == nil,
		"ProcessID":            d.ProcessID == "",
		"State":                d.State == nil && !opts.Disabled,
	} {
		if missing {
			errs = append(errs, errors.New("alerting: Deps."+name+" is missing"))
		}
	}
	return errors.Join(errs...)
}

// Manager is the built-in Alertmanager and the way to external ones. Its methods
// are safe for concurrent use; those of one that was not made by [New] panic.
type Manager struct {
	opts     Options
	log      *slog.Logger
	engine   *engine // nil when Options.Disabled
	external *external
	sent     *notificationMetrics

	applying sync.Mutex             // held while a configuration takes effect
	current  atomic.Pointer[design] // nil before the first

	stopped atomic.Bool // Run is ending, or has ended

	life  sync.Mutex // guards begun
	begun bool
}

// New makes a Manager that has taken up what Deps.State knows and, in a cluster, listens.
// Alerts that are sent to it wait until Run. A Manager that will not be run must
// be closed: the engine starts goroutines of its own here.
func New(opts Options, deps Deps) (*Manager, error) {
	if err := errors.Join(opts.Validate(), deps.validate(opts)); err != nil {
		return nil, err
	}
	InitMatchers(deps.Logger, opts.Features)
	m := &Manager{opts: opts, log: deps.Logger.With("component", "alerting")}
	m.external, m.sent = newExternal(opts.External, deps)
	if !opts.Disabled {
		e, err := newEngine(opts, deps, m.sent)
		if err != nil {
			return nil, err
		}
		m.engine = e
	}
	if err := deps.PrometheusRegisterer.Register(m.discovered()); err != nil {
		return nil, errors.Join(fmt.Errorf("register metrics of alerting: %w", err), m.Close())
	}
	return m, nil
}

// discovered counts the targets as the notifier does, and the built-in one.
func (m *Manager) discovered() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: discoveredMetric,
		Help: "The number of alertmanagers discovered and active.",
	}, func() float64 { return float64(len(m.Alertmanagers())) })
}

func (m *Manager) drop(target string, n int) {
	m.sent.late(target, n)
	m.log.Warn("Alerts dropped, as alerting is stopped", "alertmanager", target, "count", n)
}

// Alertmanagers are the URLs that alerts are sent to, the built-in one first.
func (m *Manager) Alertmanagers() []*url.URL {
	external := m.external.notifier.Alertmanagers()
	if m.engine == nil {
		return external
	}
	own := m.engine.target()
	return append([]*url.URL{own}, withoutURL(external, own)...)
}

// DroppedAlertmanagers are the URLs that relabelling has dropped.
func (m *Manager) DroppedAlertmanagers() []*url.URL {
	return m.external.notifier.DroppedAlertmanagers()
}
