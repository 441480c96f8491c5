package web

import (
	_ "embed" // the OpenAPI document
	"net/http"

	"github.com/sourcegraph/srcprom/pkg/client"
)

//go:embed openapi.yaml
var openAPI []byte

// endpoint is one of srcprom's own, below client.BasePath.
type endpoint struct {
	method, path string
	handler      http.HandlerFunc
}

// endpoints are what openapi.yaml describes; a test compares the two.
func (s *Server) endpoints() []endpoint {
	configuration := &configAPI{
		configurer:   s.deps.Configurer,
		readiness:    s.readiness,
		applyContext: s.applyContext,
		maxBody:      maxConfigBody,
	}
	alerts := &alertsAPI{history: s.deps.History, explain: s.deps.Explain, readiness: s.readiness}
	tests := &testAPI{configuration: configuration, candidates: s.opts.EnableConfigAPI, test: s.deps.TestNotification}
	siteConfig := &siteConfigAPI{configAPI: configuration, push: s.deps.Push}
	return []endpoint{
		{http.MethodGet, "/config", s.whenConfigAPI(configuration.get)},
		{http.MethodPost, "/config", s.whenConfigAPI(configuration.post)},
		{http.MethodGet, "/config/history", s.whenConfigAPI(configuration.history)},
		{http.MethodPost, "/config/rollback", s.whenConfigAPI(configuration.rollback)},
		{http.MethodPost, "/siteconfig", s.whenConfigAPI(siteConfig.post)},
		{http.MethodGet, "/history", alerts.serveHistory},
		{http.MethodGet, "/explain", alerts.serveExplain},
		{http.MethodPost, "/test-notification", tests.post},
		{http.MethodGet, "/health", s.serveHealth},
		{http.MethodPost, "/admin/backup", s.whenAdminAPI(s.serveBackup)},
		{http.MethodGet, "/ready", s.serveReadiness},
		{http.MethodGet, "/openapi.yaml", serveOpenAPI},
	}
}

func (s *Server) srcpromAPI() http.Handler {
	mux := http.NewServeMux()
	for _, e := range s.endpoints() {
		mux.HandleFunc(e.method+" "+s.prefix+client.BasePath+e.path, s.metrics.instrument(client.BasePath+e.path, e.handler))
	}
	return mux
}

const configAPIOff = "configuration API is not enabled: start with --web.enable-config-api"

func (s *Server) whenConfigAPI(h http.HandlerFunc) http.HandlerFunc {
	return unlessOff(h, s.opts.EnableConfigAPI, configAPIOff)
}

func (s *Server) whenAdminAPI(h http.HandlerFunc) http.HandlerFunc {
	return unlessOff(h, s.opts.EnableAdminAPI, "admin API is not enabled: start with --web.enable-admin-api")
}

func unlessOff(h http.HandlerFunc, on bool, reason string) http.HandlerFunc {
	if on {
		return h
	}
	return func(w http.ResponseWriter, _ *http.Request) { writeError(w, http.StatusForbidden, reason) }
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	_, _ = w.Write(openAPI)
}
