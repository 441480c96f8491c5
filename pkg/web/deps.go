package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/features"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// Deps are what a Server shows of the other parts. All are needed, except where
// a comment says otherwise.
type Deps struct {
	Logger *slog.Logger
	// Listeners from Listen, under the same options. New takes them over, also
	// when it fails. Nil: New calls Listen.
	Listeners *Listeners

	// Registerer takes the server's own metrics; Gatherer is what /metrics shows.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
	// ProcessGatherer adds to /metrics what libraries registered for the whole
	// process; of a name that Gatherer has as well, Gatherer's series are shown.
	// prometheus.DefaultGatherer in a program; nil for nothing.
	ProcessGatherer prometheus.Gatherer
	// AlertmanagerRegisterer and AlertmanagerGatherer do the same for
	// /alertmanager/metrics.
	AlertmanagerRegisterer prometheus.Registerer
	AlertmanagerGatherer   prometheus.Gatherer

	// Storage answers queries.
	Storage storage.Storage
	// Received takes what the receivers of remote write and OTLP receive. Nil: Storage
	// does.
	Received storage.Storage
	// Local is this server's own store, without remote read: for federation,
	// administration and status.
	Local LocalStorage
	// Exemplars may be nil when none are stored.
	Exemplars storage.ExemplarQueryable
	Engine    promql.QueryEngine
	Parser    parser.Parser
	// Retention in force, in words: "15d or 1GiB". Nil: unknown.
	Retention func() string

	Scrape ScrapeRetriever
	Rules  apiv1.RulesRetriever
	// GroupEvaluation is what /api/v1/rules tells of a rule group beyond what Prometheus
	// tells; ok is false where there is nothing. It is called for each group of each
	// answer and must not block. Nil: there is nothing of any.
	GroupEvaluation func(file, group string) (evaluation client.GroupEvaluation, ok bool)
	Alertmanagers   apiv1.AlertmanagerRetriever
	// AlertmanagerAPI serves /api/v2 (and the farewell of /api/v1); the paths that
	// it gets start with /api, whatever prefixes stand before it outside. Nil: there
	// is no built-in Alertmanager, and of it only its metrics answer.
	AlertmanagerAPI http.Handler
	// InstrumentAlertmanager measures those of Alertmanager's handlers that its API
	// does not measure itself. Nil: they are not measured.
	InstrumentAlertmanager func(name string, handler http.HandlerFunc) http.HandlerFunc

	// Config returns the Prometheus configuration in force; nil before the first.
	Config func() *promconfig.Config
	// Configurer is the door to the configuration.
	Configurer Configurer
	// Ready returns one line for each part that is not ready, and whether the
	// server has begun to stop. It is called on each request and must not block.
	Ready func() (reasons []string, stopping bool)
	// Health says how each part is. It is called on each request and must not block.
	Health func() client.Health
	// Quit asks the process to stop. It must not wait for that.
	Quit func()

	// History and Explain answer questions about alerts; an error that has a method
	// BadQuery says what is wrong with the question. Nil: there is no built-in
	// Alertmanager.
	History func(context.Context, client.HistoryQuery) (*client.History, error)
	Explain func(context.Context, client.ExplainQuery) (*client.Explanations, error)
	// TestNotification sends one. Its errors are those of Configurer.Apply, one that has
	// a method BadQuery, or one that has a method NotFound when there is no such
	// receiver. Nil: there is no built-in Alertmanager.
	TestNotification func(context.Context, client.TestNotificationRequest) (*client.TestNotificationResult, error)
	// AlertsStatus counts the alerts that fire. It is called on each request and must not
	// block; an error says that they are not known. Nil: there is no built-in
	// Alertmanager.
	AlertsStatus func() (*client.AlertsStatus, error)
	// Handlers of others, mounted below the route prefix, each at exactly its path. They
	// get any method; those below /prom-wrapper/, which must change nothing, also from
	// pages of other origins. May be nil.
	Handlers map[string]http.Handler
	// Detail is told with readiness. Nil: there is nothing to tell.
	Detail func() []string
	// Push takes a site configuration, or says what would happen then. Its errors are
	// those of Configurer.Apply. Nil: nobody wants one.
	Push func(ctx context.Context, text string, dryRun bool) (*client.SiteConfigResult, error)
	// Backup writes an archive of everything. It is called with the administration
	// switched on only.
	Backup func(context.Context, io.Writer) error

	Features features.Collector
	Version  apiv1.PrometheusVersion
}

// LocalStorage is what the store of this server offers beside queries.
type LocalStorage interface {
	storage.Queryable
	apiv1.TSDBAdminStats
}

// ScrapeRetriever is the read side of the scrape manager.
type ScrapeRetriever interface {
	apiv1.ScrapePoolsRetriever
	apiv1.TargetRetriever
}

// Configurer is the one door to the configuration. Plan and Apply, and those of a
// roll back, return config.Faults for a configuration that is refused, an error that
// wraps config.ErrVersion when the version differs, and one that wraps
// config.ErrNotKept when there is no such version to go back to.
type Configurer interface {
	// Current returns what was last applied; nil before the first.
	Current() *config.Accepted
	// Plan says what Apply would do.
	Plan(ctx context.Context, change config.Change) (*config.Result, error)
	Apply(ctx context.Context, change config.Change) (*config.Result, error)
	// Reload reads all files again and applies them. An error names what was
	// refused, or what was set aside.
	Reload(ctx context.Context) error
	// ConfigHistory returns what was accepted, newest first, secrets redacted: up to
	// limit versions that are less than before, which is 0 for the newest.
	ConfigHistory(ctx context.Context, before uint64, limit int) (*client.ConfigHistory, error)
	// PlanRollback says what Rollback would do.
	PlanRollback(ctx context.Context, to config.Rollback) (*config.Result, error)
	Rollback(ctx context.Context, to config.Rollback) (*config.Result, error)
}

// optionalDeps are the fields of Deps that may be nil.
func optionalDeps() []string {
	return []string{
		"Listeners", "ProcessGatherer", "Received", "Exemplars", "Retention", "GroupEvaluation", "AlertmanagerAPI", "InstrumentAlertmanager",
		"History", "Explain", "AlertsStatus", "TestNotification", "Detail", "Push",
	}
}

func (d Deps) validate() error {
	optional := make(map[string]bool)
	for _, name := range optionalDeps() {
		optional[name] = true
	}
	var errs []error
	fields := reflect.TypeFor[Deps]()
	for i := range fields.NumField() {
		field := fields.Field(i)
		switch field.Type.Kind() {
		case reflect.Pointer, reflect.Interface, reflect.Func:
			if !optional[field.Name] && reflect.ValueOf(d).Field(i).IsNil() {
				errs = append(errs, fmt.Errorf("web: Deps.%s: want it set", field.Name))
			}
		}
	}
	return errors.Join(errs...)
}
