package srcprom

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/prometheus/config"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/health"
	"github.com/sourcegraph/srcprom/pkg/rules"
	"github.com/sourcegraph/srcprom/pkg/scrape"
	"github.com/sourcegraph/srcprom/pkg/tsdb"
	"github.com/sourcegraph/srcprom/pkg/web"
)

// Options say how a server runs. What it does is said by its configuration.
// Start from [DefaultOptions].
type Options struct {
	// Logger receives what the server and its engines say. Nil discards it.
	Logger *slog.Logger
	// Registry holds what /metrics shows. Nil means a new one.
	Registry *prometheus.Registry
	// AlertmanagerRegistry holds what /alertmanager/metrics shows. Nil means a new one.
	AlertmanagerRegistry *prometheus.Registry
	// ProcessGatherer adds to /metrics what libraries have registered for the
	// whole process. A program gives prometheus.DefaultGatherer; nil adds nothing.
	ProcessGatherer prometheus.Gatherer

	// ConfigFile is the path of prometheus.yml; empty means none.
	ConfigFile string
	// AlertmanagerConfigFile is the path of alertmanager.yml; empty means none.
	AlertmanagerConfigFile string
	// Documents to start with, by their names in package config. They win over
	// files and over what was accepted before.
	Documents map[string]string
	// Builtin says what is watched without being asked: BuiltinSelf (also
	// meant by the empty string) or BuiltinNone.
	Builtin string
	// AutoReload applies the configuration files anew when their content, or
	// that of a file which their globs match, has changed.
	AutoReload bool
	// AutoReloadInterval is how often that is looked at. Default 30s, at least 1s.
	AutoReloadInterval time.Duration
	// LogLevel holds where prometheus.yml has no runtime.log_level; empty means info.
	// The server only reports it: OnApply may act on it.
	LogLevel promconfig.LogLevel
	// ScrapeProtocols holds for scrape jobs where prometheus.yml names none; empty
	// means Prometheus's choice.
	ScrapeProtocols []promconfig.ScrapeProtocol
	// ExtraScrapeMetrics holds where prometheus.yml does not say.
	ExtraScrapeMetrics bool
	// Explain is config.LoadOptions.Explain.
	Explain func(reason string) (better string, refuse bool)
	// PrometheusVersion is what /api/v1/status/buildinfo and /version call the
	// server's version: clients choose by it what to ask for. Empty means this
	// program's own.
	PrometheusVersion string
	// OnApply is called after each apply, with what runs now. It must not call
	// the server.
	OnApply func(*config.Effective)

	// StopTimeout bounds how long Run takes to return once its context is done.
	// Notifications in flight have half of it; requests, rule evaluations and what
	// remote write still has to send have an eighth each, whatever the options of
	// their parts say; the storage closes in what remains. Default 8s.
	StopTimeout time.Duration

	// Storage are the settings of the TSDB and of the query engine. Storage.Dir
	// is the one data directory.
	Storage tsdb.Options
	// Scrape are the settings of service discovery and scraping.
	Scrape scrape.Options
	// Rules are the settings of rule evaluation.
	Rules rules.Options
	// Alerting are the settings of the built-in Alertmanager, of its cluster, and
	// of the sending to external ones.
	Alerting alerting.Options
	// Health are the settings of the server's watching over itself.
	Health health.Options
	// Source is another source of configuration.
	Source Source
	// History says how much of what was decided about alerts is kept.
	History HistoryOptions
	// Web are the settings of the HTTP surface.
	Web web.Options
}

// HistoryOptions bound the history of what was decided about alerts. What is
// beyond one of the bounds is removed by and by, the oldest first.
type HistoryOptions struct {
	// MaxAge is how long it is kept. Default 30 days; zero means the default.
	MaxAge time.Duration
	// MaxBytes is how much of the state file it takes. Default 64 MiB; zero means the
	// default.
	MaxBytes int64
}

// What Options.Builtin may be.
const (
	// BuiltinSelf adds, where there is no prometheus document, a configuration that
	// scrapes the server.
	BuiltinSelf = "self"
	// BuiltinNone adds nothing.
	BuiltinNone = "none"
)

// DefaultOptions are Prometheus's and Alertmanager's defaults, without a
// cluster.
func DefaultOptions() Options {
	return Options{
		Builtin:            BuiltinSelf,
		AutoReloadInterval: 30 * time.Second,
		StopTimeout:        8 * time.Second,
		Storage:            tsdb.DefaultOptions(),
		Scrape:             scrape.DefaultOptions(),
		Rules:              rules.DefaultOptions(),
		Alerting:           alerting.DefaultOptions(),
		Health:             health.DefaultOptions(),
		History:            HistoryOptions{MaxAge: 30 * 24 * time.Hour, MaxBytes: 64 << 20},
		Web:                web.DefaultOptions(),
	}
}

// validate reports every problem at once.
func (o *Options) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("srcprom: Options."+format, args...)) }
	if o.Builtin != "" && o.Builtin != BuiltinSelf && o.Builtin != BuiltinNone {
		bad("Builtin is %q: it must be %q or %q", o.Builtin, BuiltinSelf, BuiltinNone)
	}
	if o.AutoReload && o.AutoReloadInterval < time.Second {
		bad("AutoReloadInterval is %s: it must be at least 1s", o.AutoReloadInterval)
	}
	if o.StopTimeout <= 0 {
		bad("StopTimeout is %s: it must be positive", o.StopTimeout)
	}
	if o.History.MaxAge < 0 {
		bad("History.MaxAge is %s: it must not be negative", o.History.MaxAge)
	}
	if o.History.MaxBytes < 0 {
		bad("History.MaxBytes is %d: it must not be negative", o.History.MaxBytes)
	}
	for _, part := range []struct {
		name string
		err  error
	}{
		{"Storage", o.Storage.Validate()},
		{"Scrape", o.Scrape.Validate()},
		{"Rules", o.Rules.Validate()},
		{"Alerting", o.Alerting.Validate()},
		{"Health", o.Health.Validate()},
		{"Web", o.Web.Validate()},
	} {
		if part.err != nil {
			errs = append(errs, fmt.Errorf("srcprom: Options.%s: %w", part.name, part.err))
		}
	}
	return errors.Join(errs...)
}

// load are those of the options that say how documents are read.
func (o *Options) load() config.LoadOptions {
	return config.LoadOptions{
		RetentionDefault:          o.Storage.DefaultRetention(),
		LogLevelDefault:           o.LogLevel,
		ScrapeProtocolsDefault:    o.ScrapeProtocols,
		ExtraScrapeMetricsDefault: o.ExtraScrapeMetrics,
		Explain:                   o.Explain,
		CheckJob:                  scrape.CheckJob,
		CheckIntegration:          alerting.CheckIntegration,
	}
}
