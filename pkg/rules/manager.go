package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/features"
)

// Deps are what a manager needs of others.
type Deps struct {
	// Appendable takes what rules record. Required.
	Appendable storage.Appendable
	// Queryable is where the state of pending alerts is read back from. Required.
	Queryable storage.Queryable
	// QueryFunc runs the expressions, for example rules.EngineQueryFunc. Required.
	QueryFunc rules.QueryFunc
	// Notify takes the alerts of one rule, as often as they are to be sent. It
	// holds up the evaluation of its group. Required.
	Notify rules.NotifyFunc
	// Parser parses the expressions, as QueryFunc does. Required.
	Parser parser.Parser
	// ExternalURL is what templates know as externalURL. Nil means none.
	ExternalURL *url.URL
	// Logger receives what the manager and the engine say. Nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics. It must not have been given to another
	// manager: the engine would panic. Nil registers none.
	Registerer prometheus.Registerer
	// Features is told what is switched on. Nil tells nobody.
	Features features.Collector
}

func (d Deps) validate() error {
	var errs []error
	for name, missing := range map[string]bool{
		"Appendable": d.Appendable == nil,
		"Queryable":  d.Queryable == nil,
		"QueryFunc":  d.QueryFunc == nil,
		"Notify":     d.Notify == nil,
		"Parser":     d.Parser == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("rules: Deps.%s is nil", name))
		}
	}
	return errors.Join(errs...)
}

// Manager evaluates rule groups. Its methods are safe for concurrent use.
type Manager struct {
	opts        Options
	deps        Deps
	externalURL string
	up          *rules.Manager
	loader      *loader
	restores    *restores
	evaluations *evaluations
	timing      *timing
	// groups are the engine's, after the last apply: during one, the engine tells them
	// only when the evaluations of those that change have ended.
	groups      atomic.Pointer[[]*rules.Group]
	queryOffset atomic.Int64       // a duration; read by groups that have none of their own
	cancel      context.CancelFunc // of all evaluations
	started     atomic.Bool

	mu      sync.Mutex // held while a configuration is applied; guards what follows
	stopped bool       // nothing must be applied any more
	current *ruleSet   // what runs
}

// New returns a manager without groups.
func New(opts Options, deps Deps) (*Manager, error) {
	if err := errors.Join(opts.Validate(), deps.validate()); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.ExternalURL == nil {
		deps.ExternalURL = &url.URL{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &Manager{
		opts:        opts,
		deps:        deps,
		externalURL: deps.ExternalURL.String(),
		loader:      &loader{},
		restores:    newRestores(),
		evaluations: newEvaluations(),
		cancel:      cancel,
		current:     &ruleSet{none: true},
	}
	m.timing = newTiming(m.evaluations.around(m.restores.evaluate), deps.Registerer)
	m.groups.Store(&[]*rules.Group{})
	m.loader.use(m.current)
	m.up = rules.NewManager(&rules.ManagerOptions{
		NameValidationScheme:   model.UTF8Validation, // names have been validated where the rules were read
		ExternalURL:            deps.ExternalURL,
		QueryFunc:              deps.QueryFunc,
		NotifyFunc:             deps.Notify,
		Context:                ctx,
		Appendable:             deps.Appendable,
		Queryable:              deps.Queryable,
		Logger:                 deps.Logger.With("component", "rule manager"),
		Registerer:             deps.Registerer,
		OutageTolerance:        opts.ForOutageTolerance,
		ForGracePeriod:         opts.ForGracePeriod,
		ResendDelay:            opts.ResendDelay,
		GroupLoader:            m.loader,
		DefaultRuleQueryOffset: func() time.Duration { return time.Duration(m.queryOffset.Load()) },
		MaxConcurrentEvals:     opts.MaxConcurrentEvals,
		ConcurrentEvalsEnabled: opts.ConcurrentEvals,
		FeatureRegistry:        deps.Features,
		Parser:                 deps.Parser,
	})
	// The engine takes up "for" states itself, but only for the groups of its
	// first update; this is that one. See restores.
	if err := m.up.Update(time.Minute, nil, labels.EmptyLabels(), m.externalURL, nil); err != nil {
		cancel()
		return nil, fmt.Errorf("rules: %w", err)
	}
	return m, nil
}

// Upstream is the engine's manager, for its API. It must not be updated or
// stopped.
func (m *Manager) Upstream() *rules.Manager { return m.up }
