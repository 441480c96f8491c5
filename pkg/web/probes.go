package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/common/route"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// registerProbes answers GET and HEAD of /-/healthy and /-/ready.
func (s *Server) registerProbes(r *route.Router) {
	healthy := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s is Healthy.\n", s.opts.AppName)
	}
	r.Get("/-/healthy", healthy)
	r.Head("/-/healthy", healthy)
	r.Get("/-/ready", s.serveReady)
	r.Head("/-/ready", s.serveReady)
}

// registerAlertmanagerProbes answers as Alertmanager does, which is ready as soon
// as it serves: silences and alerts are taken while the store still opens.
func registerAlertmanagerProbes(r *route.Router, readiness func() client.Readiness) {
	ok := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "OK") }
	ready := func(w http.ResponseWriter, req *http.Request) {
		if readiness().Stopping {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
			return
		}
		ok(w, req)
	}
	r.Get("/-/healthy", ok)
	r.Head("/-/healthy", ok)
	r.Get("/-/ready", ready)
	r.Head("/-/ready", ready)
}

// serveReady says in words which parts are not ready, one per line.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	readiness := s.readiness()
	if readiness.Ready {
		fmt.Fprintln(w, strings.Join(append([]string{s.opts.AppName + " is Ready."}, readiness.Detail...), "\n"))
		return
	}
	setStopping(w, readiness)
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, strings.Join(append(readiness.Reasons, readiness.Detail...), "\n"))
}

// serveReadiness is the same for programs.
func (s *Server) serveReadiness(w http.ResponseWriter, _ *http.Request) {
	readiness := s.readiness()
	status := http.StatusOK
	if !readiness.Ready {
		setStopping(w, readiness)
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, readiness)
}

// serveHealth says how each part is. Whoever wants a status code asks for readiness.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	health := s.deps.Health()
	health.Parts = append([]client.PartHealth{}, health.Parts...) // [], never null
	writeJSON(w, http.StatusOK, health)
}

func (s *Server) readiness() client.Readiness {
	reasons, stopping := s.deps.Ready()
	if stopping = stopping || s.stopping.Load(); stopping && len(reasons) == 0 {
		reasons = []string{"stopping"}
	}
	if reasons == nil {
		reasons = []string{}
	}
	return client.Readiness{Ready: len(reasons) == 0, Stopping: stopping, Reasons: reasons, Detail: s.detail()}
}

// detail is what else is to be told with readiness.
func (s *Server) detail() []string {
	if s.deps.Detail == nil {
		return nil
	}
	return s.deps.Detail()
}

// whenReady answers as Prometheus does (testReady of web/web.go) until the server
// is ready, and once it stops.
func (s *Server) whenReady(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		readiness := s.readiness()
		if readiness.Ready {
			h(w, r)
			return
		}
		setStopping(w, readiness)
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "Service Unavailable")
	}
}

func setStopping(w http.ResponseWriter, readiness client.Readiness) {
	w.Header().Set("X-Prometheus-Stopping", fmt.Sprint(readiness.Stopping))
}
