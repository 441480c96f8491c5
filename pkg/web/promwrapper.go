package web

import (
	"encoding/json"
	"net/http"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// wrapperPath is where the wrapper of the sourcegraph/prometheus image had its
// endpoints. They answer any method with what they know, and change nothing.
const wrapperPath = "/prom-wrapper/"

// mountWrapper mounts those of the endpoints that are there whatever source of
// configuration there is.
func (s *Server) mountWrapper(mux *http.ServeMux) {
	s.mountExactly(mux, client.AlertsStatusPath, http.HandlerFunc(s.serveAlertsStatus))
	s.mountExactly(mux, client.AlertsHistoryPath, http.HandlerFunc(s.serveAlertsHistory))
}

// mountExactly mounts a handler at one path below the prefix. With a slash at its end
// clients are sent to the one without it; deeper there is nothing.
func (s *Server) mountExactly(mux *http.ServeMux, path string, handler http.Handler) {
	mux.HandleFunc(s.prefix+path, s.metrics.instrument(path, handler.ServeHTTP))
	mux.HandleFunc(s.prefix+path+"/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != s.prefix+path+"/" {
			http.NotFound(w, r)
			return
		}
		target := *r.URL
		target.Path, target.RawPath = s.prefix+path, ""
		http.Redirect(w, r, target.RequestURI(), http.StatusMovedPermanently)
	})
}

// serveAlertsStatus serves /prom-wrapper/alerts-status.
func (s *Server) serveAlertsStatus(w http.ResponseWriter, _ *http.Request) {
	if s.deps.AlertsStatus == nil {
		http.Error(w, "Alertmanager is disabled, so there are no alerts to count", http.StatusServiceUnavailable)
		return
	}
	status, err := s.deps.AlertsStatus()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeBare(w, status)
}

// writeBare writes JSON as the wrapper did: no line break at the end, and no type, for
// which net/http puts text/plain.
func writeBare(w http.ResponseWriter, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text) // the client has gone, then
}
