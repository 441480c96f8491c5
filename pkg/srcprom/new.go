package srcprom

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"
	promconfig "github.com/prometheus/prometheus/config"
	promrules "github.com/prometheus/prometheus/rules"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/notifications"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/rules"
	"github.com/sourcegraph/srcprom/pkg/scrape"
	"github.com/sourcegraph/srcprom/pkg/state"
	"github.com/sourcegraph/srcprom/pkg/tsdb"
	"github.com/sourcegraph/srcprom/pkg/web"
)

// stateDir is the sub-directory of the data directory for everything that is
// not the TSDB's.
const stateDir = "srcprom"

// New opens the state, binds the listeners, builds every part and checks the
// configuration. It starts nothing. A server that New has returned must be run,
// or closed with Close.
func New(opts Options) (*Server, error) {
	opts.complete()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		opts:       opts,
		log:        opts.Logger,
		started:    make(chan struct{}),
		stopping:   make(chan struct{}),
		quit:       make(chan struct{}),
		configLock: make(chan struct{}, 1),
		backupLock: make(chan struct{}, 1),
	}
	s.up, s.down = context.WithCancelCause(context.Background())
	s.running.Store(&running{accepted: &config.Accepted{}})
	if err := s.build(); err != nil {
		if releaseErr := s.release(context.Background()); releaseErr != nil {
			s.log.Error("Releasing what had been acquired", "err", releaseErr)
		}
		return nil, err
	}
	return s, nil
}

// complete fills in what follows from other options.
func (o *Options) complete() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.AlertmanagerRegistry == nil {
		o.AlertmanagerRegistry = prometheus.NewRegistry()
	}
	if o.Builtin == "" {
		o.Builtin = BuiltinSelf
	}
	o.Alerting.DataDir = filepath.Join(o.Storage.Dir, stateDir)
	o.Web.StorageDir = o.Storage.Dir
	o.Web.LookbackDelta = o.Storage.LookbackDelta
	o.Scrape.LookbackDelta = o.Storage.LookbackDelta
	o.Scrape.Pushed = o.Web.EnableRemoteWriteReceiver || o.Web.EnableOTLPReceiver
	if o.Alerting.DeadMansSwitchReceiver != "" {
		o.Health.DeadMansSwitch = o.Alerting.DeadMansSwitchInterval
	}
	// Parts stop one after another, so each has a share of the whole time;
	// notifications in flight have half of it. What remains is for the storage.
	o.Web.DrainTimeout = o.StopTimeout / 8
	o.Rules.StopTimeout = o.StopTimeout / 8
	o.Alerting.DrainTimeout = o.StopTimeout / 2
	o.Storage.RemoteFlushDeadline = min(o.Storage.RemoteFlushDeadline, o.StopTimeout/8)
}

// build acquires one thing after another; each release is registered in the
// line after.
func (s *Server) build() error {
	var err error
	path := filepath.Join(s.opts.Storage.Dir, stateDir, "state.db")
	if s.state, err = state.Open(path, state.Options{
		Logger: s.log, Registerer: s.opts.Registry,
		HistoryMaxAge: s.opts.History.MaxAge, HistoryMaxBytes: s.opts.History.MaxBytes,
	}); err != nil {
		return err
	}
	s.releases.Push("state", s.state.Close)
	s.clearBackup()
	listeners, err := web.Listen(s.opts.Web, s.log)
	if err != nil {
		return err
	}
	s.releases.Push("listeners", listeners.Close)
	s.externalURL = listeners.ExternalURL()
	s.metrics = newMetrics(s.opts.Registry, s.opts.AlertmanagerRegistry)
	if err := s.buildParts(listeners); err != nil {
		return err
	}
	if s.paths, err = s.opts.paths().Absolute(); err != nil {
		return err
	}
	if s.opts.Builtin == BuiltinSelf {
		if s.builtin, err = builtinDocuments(listeners.Addr(), listeners.RoutePrefix()); err != nil {
			return fmt.Errorf("built-in configuration: %w", err)
		}
	}
	brought, err := documentsOf(s.opts.Source.Builtin, config.SourceBuiltin, time.Time{})
	if err != nil {
		return fmt.Errorf("srcprom: Options.Source.Builtin: %w", err)
	}
	s.builtin = withBuiltin(brought, s.builtin)
	return s.planFirst()
}

// buildParts makes the parts and plugs them together; nothing else knows more
// than one of them.
func (s *Server) buildParts(listeners *web.Listeners) error {
	var (
		err      error
		registry = s.opts.Registry
		feats    = features.NewRegistry()
	)
	s.tracer = newTracer(s.log.With("component", "tracing"))
	s.store, err = tsdb.New(s.opts.Storage, tsdb.Deps{
		Logger: s.log, Registerer: registry, Features: feats,
		ScrapeManager: func() (*promscrape.Manager, error) { return s.scrape.Upstream(), nil },
	})
	if err != nil {
		return err
	}
	s.releases.Push("storage", func() error { return s.store.Close(s.closing) })
	s.releases.Push("backup", s.endBackups)
	s.opts.Scrape.HTTPClientOptions = append(s.opts.Scrape.HTTPClientOptions, commoncfg.WithDialContextFunc(s.dial))
	s.scrape, err = scrape.New(s.opts.Scrape, scrape.Deps{
		Logger: s.log, Registerer: registry, Features: feats, Appendable: s.watchedStorage(rules.TriggerScrape),
	})
	if err != nil {
		return err
	}
	if s.notifyDiscovery, err = s.scrape.NewDiscovery(notifyDiscovery); err != nil {
		return err
	}
	externalURL := s.externalURL.JoinPath("alertmanager")
	s.alerting, err = alerting.New(s.opts.Alerting, alerting.Deps{
		Logger: s.log, Registerer: s.opts.AlertmanagerRegistry, PrometheusRegisterer: registry,
		ExternalURL: externalURL, Discovery: s.notifyDiscovery, ProcessID: uuid.NewString(),
		State: s.state, Standing: s.standing,
	})
	if err != nil {
		return err
	}
	s.releases.Push("alerting", s.alerting.Close)
	s.rules, err = rules.New(s.opts.Rules, rules.Deps{
		Logger: s.log, Registerer: registry, Features: feats, Parser: s.store.Parser(),
		Appendable: s.store.Storage(), Queryable: s.store.Local(),
		QueryFunc:   promrules.EngineQueryFunc(s.store.Engine(), s.store.Storage()),
		Notify:      sendAlerts(s.alerting, s.externalURL.String()),
		ExternalURL: s.externalURL,
	})
	if err != nil {
		return err
	}
	// Alerting comes first, see [Server.start]; rules come last, when all that
	// their alerts need is there.
	s.parts = []part{s.alerting, s.tracer, s.store, s.scrape, s.rules}
	if err := s.buildHealth(); err != nil {
		return err
	}
	return s.buildWeb(listeners, feats)
}

func (s *Server) buildWeb(listeners *web.Listeners, feats features.Collector) error {
	var err error
	s.web, err = web.New(s.opts.Web, web.Deps{
		Logger: s.log.With("component", "web"), Listeners: listeners,
		Registerer: s.opts.Registry, Gatherer: s.opts.Registry, ProcessGatherer: s.opts.ProcessGatherer,
		AlertmanagerRegisterer: s.opts.AlertmanagerRegistry, AlertmanagerGatherer: s.opts.AlertmanagerRegistry,
		Storage: s.store.Storage(), Received: s.watchedStorage(rules.TriggerPush), Local: s.store.Local(), Exemplars: s.store.Local(),
		Engine: s.store.Engine(), Parser: s.store.Parser(), Retention: s.store.RetentionInfo,
		Scrape: s.scrape.Upstream(), Rules: s.rules.Upstream(), GroupEvaluation: s.rules.GroupEvaluation, Alertmanagers: s.alerting,
		AlertmanagerAPI: s.alertmanagerAPI(), InstrumentAlertmanager: s.alerting.Instrument,
		Config:           s.prometheusConfig,
		Configurer:       s,
		Ready:            s.readiness,
		Health:           s.Health,
		Quit:             s.Quit,
		History:          whenAlerting(s, s.alerting.History),
		Backup:           s.Backup,
		Explain:          whenAlerting(s, s.Explain),
		TestNotification: whenAlerting(s, s.TestNotification),
		AlertsStatus:     whenAlerting(s, s.AlertsStatus),
		Handlers:         s.opts.Source.Handlers,
		Detail:           s.opts.Source.Detail,
		Push:             s.push(),
		Features:         feats,
		Version: apiv1.PrometheusVersion{
			Version: cmp.Or(s.opts.PrometheusVersion, version.Version), Revision: version.Revision, Branch: version.Branch,
			BuildUser: version.BuildUser, BuildDate: version.BuildDate, GoVersion: version.GoVersion,
		},
	})
	if err != nil {
		return err
	}
	s.releases.Push("web", s.web.Close)
	s.web.Notifications().AddNotification(notifications.StartingUp)
	return nil
}

// alertmanagerAPI is nil when there is no built-in Alertmanager.
func (s *Server) alertmanagerAPI() http.Handler {
	if s.opts.Alerting.Disabled {
		return nil
	}
	return s.alerting.Handler("/")
}

// whenAlerting is f, or nil when there is no built-in Alertmanager.
func whenAlerting[F any](s *Server, f F) F {
	if s.opts.Alerting.Disabled {
		var none F
		return none
	}
	return f
}

// alertingFirst is the number of parts that take over the first configuration
// before the storage is open.
const alertingFirst = 2

// dial connects scrapes and, for the host that stands for this process, leads
// back into it.
func (s *Server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if host, _, err := net.SplitHostPort(address); err == nil && host == selfHost {
		return s.web.DialSelf(ctx)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, address)
}

func (s *Server) prometheusConfig() *promconfig.Config {
	current := s.running.Load().effective
	if current == nil {
		return nil
	}
	return current.Prometheus
}
