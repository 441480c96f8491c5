package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/prometheus/common/route"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/httputil"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"
)

// prometheusAPI serves what is below /api/v1. Upstream's constructor takes a tenth
// of a second or more, most of it for a document that hardly anyone asks for, so
// it runs beside the start, and the requests that come before it is done wait.
func (s *Server) prometheusAPI() http.Handler {
	s.buildAPI = sync.OnceValue(s.mountAPI)
	built := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.buildAPI().ServeHTTP(w, r) })
	stream := s.untilStopping(built)
	document := s.openAPIDocument()
	adminDisabled := s.metrics.instrument("/api/v1/admin", s.serveAdminDisabled)

	return http.StripPrefix(s.prefix+"/api/v1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/openapi.yaml":
			document.ServeHTTP(w, r)
		case path == "/notifications/live":
			stream.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/admin/") && !s.opts.EnableAdminAPI && r.Method != http.MethodOptions:
			adminDisabled(w, r)
		default:
			built.ServeHTTP(w, r)
		}
	}))
}

// openAPIDocument makes the document when it is first asked for.
func (s *Server) openAPIDocument() http.Handler {
	builder := sync.OnceValue(func() *apiv1.OpenAPIBuilder {
		return apiv1.NewOpenAPIBuilder(apiv1.OpenAPIOptions{
			ExternalURL:    s.external.String(),
			Version:        s.deps.Version.Version,
			MaxSearchLimit: s.opts.MaxSearchLimit,
		}, s.log)
	})
	router := s.instrumentedRouter("/api/v1")
	router.Get("/openapi.yaml", s.whenReady(func(w http.ResponseWriter, r *http.Request) {
		builder().ServeOpenAPI(w, r)
	}))
	return router
}

// mountAPI makes upstream's API and mounts it on a router as Prometheus's
// web/web.go does.
func (s *Server) mountAPI() http.Handler {
	router := s.instrumentedRouter("/api/v1")
	api := s.newAPI()
	s.installRulesCodec(api)
	api.Register(router)
	return router
}

func (s *Server) instrumentedRouter(path string) *route.Router {
	return route.New().
		WithInstrumentation(s.metrics.instrumented(path)).
		WithInstrumentation(withLoggedPath(s.prefix + path))
}

// withLoggedPath puts the whole path of a request where the query log takes it
// from.
func withLoggedPath(prefix string) func(string, http.HandlerFunc) http.HandlerFunc {
	return func(_ string, handler http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			handler(w, r.WithContext(httputil.ContextWithPath(r.Context(), prefix+r.URL.Path)))
		}
	}
}

// newAPI is the only caller of upstream's constructor, whose arguments have no
// names at the call.
func (s *Server) newAPI() *apiv1.API {
	d, o := s.deps, s.opts
	var (
		appendable   storage.Appendable
		appendableV2 storage.AppendableV2
	)
	if o.EnableRemoteWriteReceiver || o.EnableOTLPReceiver {
		received := cmp.Or(d.Received, d.Storage)
		appendable, appendableV2 = received, received
	}
	// No path begins with this one. Any list at all halves the time that the
	// constructor takes for a document that is never served; ours is made on demand.
	noDocument := apiv1.OpenAPIOptions{IncludePaths: []string{"/nothing"}}

	return apiv1.NewAPI(
		d.Engine,
		d.Storage,
		appendable, appendableV2,
		d.Exemplars,
		func(context.Context) apiv1.ScrapePoolsRetriever { return d.Scrape },
		func(context.Context) apiv1.TargetRetriever { return d.Scrape },
		func(context.Context) apiv1.AlertmanagerRetriever { return d.Alertmanagers },
		s.config,
		o.Flags,
		apiv1.GlobalURLOptions{ListenAddress: s.Addr(), Host: s.external.Host, Scheme: s.external.Scheme},
		s.whenReady,
		d.Local,
		o.StorageDir,
		o.EnableAdminAPI,
		o.EnableSearch,
		o.MaxSearchLimit,
		s.log,
		func(context.Context) apiv1.RulesRetriever { return d.Rules },
		o.RemoteReadSampleLimit,
		o.RemoteReadConcurrencyLimit,
		o.RemoteReadBytesInFrame,
		false, // agent mode
		s.corsOrigin,
		s.runtimeInfo,
		&d.Version,
		s.notifications.Get,
		s.notifications.Sub,
		s.gatherer,
		d.Registerer,
		nil, // statistics renderer: the default one
		o.EnableRemoteWriteReceiver,
		o.AcceptedRemoteWriteMessages,
		o.EnableOTLPReceiver, o.ConvertOTLPDelta, o.NativeOTLPDeltaIngestion,
		o.STZeroIngestion,
		o.LookbackDelta,
		o.TypeAndUnitLabels,
		o.AppendMetadata,
		nil, // status codes: the default ones
		d.Features,
		noDocument,
		d.Parser,
	)
}

// config is a copy of the configuration in force, never nil.
func (s *Server) config() promconfig.Config {
	if config := s.deps.Config(); config != nil {
		return masked(config)
	}
	return promconfig.DefaultConfig
}

// serveAdminDisabled answers in the form of /api/v1. Upstream says 503 and keeps
// the flag to itself.
func (s *Server) serveAdminDisabled(w http.ResponseWriter, r *http.Request) {
	httputil.SetCORS(w, s.corsOrigin, r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"status":    "error",
		"errorType": "unavailable",
		"error":     "admin APIs disabled: start with --web.enable-admin-api",
	})
}

// untilStopping ends a stream at the first moment of a stop, which would
// otherwise wait for it in vain.
func (s *Server) untilStopping(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		release := context.AfterFunc(s.streams, func() { cancel(fmt.Errorf("server is stopping")) })
		defer release()
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}

// setFeatures publishes what Prometheus's web/web.go publishes.
func (s *Server) setFeatures() {
	f, o := s.deps.Features, s.opts
	f.Set(features.API, "lifecycle", o.EnableLifecycle)
	f.Set(features.API, "admin", o.EnableAdminAPI)
	f.Set(features.API, "remote_write_receiver", o.EnableRemoteWriteReceiver)
	f.Set(features.API, "otlp_write_receiver", o.EnableOTLPReceiver)
	f.Set(features.API, "search", o.EnableSearch)
	for _, algorithm := range apiv1.FuzzAlgorithms() {
		f.Enable(features.API, "search_fuzz_alg_"+algorithm)
	}
	f.Set(features.OTLPReceiver, "delta_conversion", o.ConvertOTLPDelta)
	f.Set(features.OTLPReceiver, "native_delta_ingestion", o.NativeOTLPDeltaIngestion)
	for _, name := range []string{
		"label_values_match", "query_warnings", "query_stats", "time_range_series",
		"time_range_labels", "exclude_alerts", "openapi_3.1", "openapi_3.2",
	} {
		f.Enable(features.API, name)
	}
	f.Set(features.UI, "ui_v3", false)
	f.Set(features.UI, "ui_v2", false)
}
