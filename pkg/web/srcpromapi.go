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
	return []endpoint{
		{http.MethodGet, "/config", s.whenConfigAPI(configuration.get)},
		{http.MethodPost, "/config", s.whenConfigAPI(configuration.post)},
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

func (s *Server) whenConfigAPI(h http.HandlerFunc) http.HandlerFunc {
	if s.opts.EnableConfigAPI {
		return h
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusForbidden, "configuration API is not enabled: start with --web.enable-config-api")
	}
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	_, _ = w.Write(openAPI)
}
