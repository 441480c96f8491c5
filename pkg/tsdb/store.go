package tsdb

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/features"

	"github.com/sourcegraph/srcprom/pkg/internal/counters"
	"github.com/sourcegraph/srcprom/pkg/internal/logfile"
)

// Deps are what a store needs of others. All may be left zero.
type Deps struct {
	// Logger receives what the store and the engine say. Nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics. It must not have been given to another
	// store, running or not: the engine would panic. Nil registers none.
	Registerer prometheus.Registerer
	// Features is told what is switched on. Nil tells nobody.
	Features features.Collector
	// ScrapeManager is asked by remote write for the metadata of metrics. It
	// may return an error as long as there is none. Nil sends no metadata.
	ScrapeManager func() (*scrape.Manager, error)
}

// Store is the database, remote storage and the query engine. Its methods are
// safe for concurrent use.
type Store struct {
	opts Options
	deps Deps
	log  *slog.Logger

	counters     *counters.Registerer // of the database
	local        *Local
	remote       *remoteStorage
	fanout       storage.Storage
	parser       parser.Parser
	engine       *promql.Engine
	queries      *queryTracker
	subqueryStep atomic.Int64 // of subqueries that name none, in milliseconds

	opened    chan struct{} // closed when the database is open
	closed    chan struct{} // closed when Close is done
	closeOnce sync.Once
	closeErr  error // read after closed

	mu        sync.Mutex                     // guards what follows
	opening   chan struct{}                  // nil before Open; closed when its goroutine has ended
	closing   bool                           // no database must be taken over any more
	doing     string                         // what Close is waiting for
	retention promconfig.TSDBRetentionConfig // zero while the database is not open
	queryLog  *logfile.Opened                // nil if there is none
}

// New returns a store that is not open. What it starts, the goroutines of remote
// storage, ends with [Store.Close], which therefore has to be called.
func New(opts Options, deps Deps) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("tsdb: %w", err)
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		opts:     opts,
		deps:     deps,
		log:      deps.Logger.With("component", "storage"),
		counters: watchCounters(deps.Registerer),
		local:    &Local{stats: tsdb.NewDBStats(), margin: 2 * opts.minBlockDuration()},
		parser:   parser.NewParser(opts.Parser),
		queries:  newQueryTracker(opts.QueryMaxConcurrency),
		opened:   make(chan struct{}),
		closed:   make(chan struct{}),
	}
	s.subqueryStep.Store(time.Duration(promconfig.DefaultGlobalConfig.EvaluationInterval).Milliseconds())
	s.remote = newRemoteStorage(opts, deps, s.local)
	s.fanout = storage.NewFanout(deps.Logger, s.local, s.remote)
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger:                   deps.Logger.With("component", "query engine"),
		Reg:                      deps.Registerer,
		MaxSamples:               opts.QueryMaxSamples,
		Timeout:                  opts.QueryTimeout,
		ActiveQueryTracker:       s.queries,
		LookbackDelta:            opts.LookbackDelta,
		NoStepSubqueryIntervalFn: func(int64) int64 { return s.subqueryStep.Load() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		EnablePerStepStats:       opts.PerStepStats,
		EnableDelayedNameRemoval: opts.DelayedNameRemoval,
		EnableTypeAndUnitLabels:  opts.TypeAndUnitLabels,
		UseStartTimestamps:       opts.UseStartTimestamps,
		FeatureRegistry:          deps.Features,
		Parser:                   s.parser,
	})
	if deps.Features != nil && opts.MetadataWALRecords {
		deps.Features.Enable(features.TSDB, "metadata_wal_records")
	}
	return s, nil
}

// Storage is the database and remote storage as one.
func (s *Store) Storage() storage.Storage { return s.fanout }

// Local is the database alone, with its administration and statistics.
func (s *Store) Local() *Local { return s.local }

// Engine runs PromQL.
func (s *Store) Engine() *promql.Engine { return s.engine }

// Parser parses PromQL, with the parts of it switched on that the engine has.
func (s *Store) Parser() parser.Parser { return s.parser }

// LookbackDelta is how far back a query looks for a sample.
func (s *Store) LookbackDelta() time.Duration {
	if s.opts.LookbackDelta == 0 {
		return DefaultOptions().LookbackDelta
	}
	return s.opts.LookbackDelta
}

// Opened is closed when the database is open.
func (s *Store) Opened() <-chan struct{} { return s.opened }
