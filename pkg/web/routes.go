package web

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/util/httputil"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// routes mounts everything below the prefix.
func (s *Server) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle("/", s.prometheusRoutes())
	mux.Handle(s.prefix+"/alertmanager/", s.alertmanagerRoutes())
	mux.Handle(s.prefix+"/api/v1/", s.prometheusAPI())
	mux.Handle(s.prefix+client.BasePath+"/", s.srcpromAPI())
	s.mountWrapper(mux)
	for path, handler := range s.deps.Handlers {
		s.mountExactly(mux, path, handler)
	}
	if api := s.deps.AlertmanagerAPI; api != nil {
		mux.Handle(s.prefix+"/alertmanager/api/", http.StripPrefix(s.prefix+"/alertmanager", api))
	}
	guarded, err := sameOrigin(mux, s.external, s.prefix)
	if err != nil {
		return nil, err
	}
	spanName := otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
		return fmt.Sprintf("%s %s", r.Method, r.URL.Path)
	})
	return otelhttp.NewHandler(guarded, "", spanName), nil
}

// prometheusRoutes are what Prometheus serves beside its API.
func (s *Server) prometheusRoutes() http.Handler {
	root := s.instrumentedRouter("")
	if s.prefix != "" {
		root.Get("/", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, s.prefix+"/", http.StatusFound)
		})
	}
	r := root.WithPrefix(s.prefix)
	r.Get("/version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.deps.Version)
	})
	r.Get("/metrics", metricsHandler(s.deps.Registerer, s.gatherer))
	r.Get("/federate", s.whenReady(httputil.CompressionHandler{Handler: &federation{
		log:      s.log,
		metrics:  s.metrics,
		parser:   s.deps.Parser,
		local:    s.deps.Local,
		lookback: s.opts.LookbackDelta,
		config:   s.config,
	}}.ServeHTTP))
	s.registerProbes(r)
	s.registerLifecycle(r)
	registerDebug(r)
	s.registerPages(r)
	return root
}

// alertmanagerRoutes are what Alertmanager serves beside its API.
func (s *Server) alertmanagerRoutes() http.Handler {
	root := route.New()
	if s.deps.InstrumentAlertmanager != nil {
		root = root.WithInstrumentation(s.deps.InstrumentAlertmanager)
	}
	r := root.WithPrefix(s.prefix + "/alertmanager")
	r.Get("/metrics", metricsHandler(s.deps.AlertmanagerRegisterer, s.deps.AlertmanagerGatherer))
	if s.deps.AlertmanagerAPI != nil {
		registerAlertmanagerProbes(r, s.readiness)
		s.registerAlertmanagerLifecycle(r)
		r.Get("/", s.servePage(alertmanagerPage()))
	}
	return root
}

func metricsHandler(reg prometheus.Registerer, gatherer prometheus.Gatherer) http.HandlerFunc {
	return promhttp.InstrumentMetricHandler(reg, promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{})).ServeHTTP
}
