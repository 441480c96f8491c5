package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/mwitkow/go-conntrack"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"
	promconfig "github.com/prometheus/prometheus/config"
	promruntime "github.com/prometheus/prometheus/util/runtime"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
)

// serve runs the server until a signal or a request stops it, and returns the
// exit code of the process.
func serve(s *settings, signals *signals, stderr io.Writer) int {
	level := new(slog.LevelVar)
	setLevel(level, s.logLevel)
	log := newLogger(stderr, s.logFormat, level)
	for _, warning := range s.warnings {
		log.Warn("Command line and environment", "warning", warning)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	go signals.untilStopped(log, stop, os.Exit)

	if err := start(ctx, s, signals, log, level); err != nil {
		log.Error("srcprom failed", "err", oneLine(err))
		return exitFailure
	}
	return 0
}

func start(ctx context.Context, s *settings, signals *signals, log *slog.Logger, level *slog.LevelVar) error {
	log.Info("Starting "+buildName, "version", version.Info(),
		"prometheus", engineVersion(prometheusModule), "alertmanager", engineVersion(alertmanagerModule))
	log.Info("operational information", "build_context", version.BuildContext(), "host_details", promruntime.Uname(),
		"fd_limits", promruntime.FdLimits(), "vm_limits", promruntime.VMLimits())
	if err := setProcess(s, log); err != nil {
		return err
	}
	opts := s.server
	opts.Logger = log
	opts.LogLevel = promconfig.LogLevel(s.logLevel)
	opts.Registry, opts.AlertmanagerRegistry = newRegistries()
	opts.ProcessGatherer = prometheus.DefaultGatherer
	opts.Explain = explainFault
	opts.PrometheusVersion = engineVersion(prometheusModule)
	opts.OnApply = func(e *config.Effective) {
		setGOGC(e.Prometheus.Runtime.GoGC, log)
		setLevel(level, string(e.Prometheus.Runtime.LogLevel))
	}
	var err error
	if opts.Source, err = s.source(log, opts.Registry); err != nil {
		return err
	}
	server, err := srcprom.New(opts)
	if err != nil {
		return err
	}
	go signals.reloads(ctx, server.Ready(), func(ctx context.Context) {
		_ = server.Reload(ctx) // it has logged why
	})
	return server.Run(ctx)
}

// setProcess sets what belongs to the process and not to one server in it. It
// follows Prometheus's cmd/prometheus/main.go.
func setProcess(s *settings, log *slog.Logger) error {
	slog.SetDefault(log)
	s.engine.apply()
	setGOGC(promconfig.DefaultRuntimeConfig.GoGC, log)
	s.limits.apply(log)
	// What has no HTTP client of its own is counted by conntrack as well.
	http.DefaultTransport.(*http.Transport).DialContext = conntrack.NewDialContextFunc(conntrack.DialWithTracing())
	return setKubernetesClient(prometheus.DefaultRegisterer, log)
}

// setLevel takes only names that flags or configuration have been checked for.
func setLevel(level *slog.LevelVar, name string) {
	if l, err := parseLevel(name); err == nil {
		level.Set(l)
	}
}
