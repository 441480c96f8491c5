package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/common/route"
)

// registerLifecycle answers /-/reload and /-/quit as Prometheus does.
func (s *Server) registerLifecycle(r *route.Router) {
	for path, handler := range map[string]http.HandlerFunc{"/-/reload": s.serveReload, "/-/quit": s.serveQuit} {
		handler = s.whenLifecycle(handler)
		r.Post(path, handler)
		r.Put(path, handler)
		r.Get(path, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Only POST or PUT requests allowed", http.StatusMethodNotAllowed)
		})
	}
}

// registerAlertmanagerLifecycle answers /-/reload as Alertmanager does, but only
// with the flag. There is one configuration, so it reloads all of it.
func (s *Server) registerAlertmanagerLifecycle(r *route.Router) {
	r.Post("/-/reload", s.whenLifecycle(s.serveReload))
}

func (s *Server) whenLifecycle(h http.HandlerFunc) http.HandlerFunc {
	if s.opts.EnableLifecycle {
		return h
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Lifecycle API is not enabled: start with --web.enable-lifecycle", http.StatusForbidden)
	}
}

func (s *Server) serveReload(w http.ResponseWriter, r *http.Request) {
	if readiness := s.readiness(); !readiness.Ready {
		setStopping(w, readiness)
		http.Error(w, "not reloaded: "+strings.Join(readiness.Reasons, "; "), http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := s.applyContext(r)
	defer cancel()
	if err := s.deps.Configurer.Reload(ctx); err != nil {
		http.Error(w, fmt.Sprintf("failed to reload config: %s", err), http.StatusInternalServerError)
	}
}

// applyContext is done when the server cancels its requests, and not when the
// client goes away: a change that was asked for is made.
func (s *Server) applyContext(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	release := context.AfterFunc(s.requests, cancel)
	return ctx, func() { release(); cancel() }
}

func (s *Server) serveQuit(w http.ResponseWriter, _ *http.Request) {
	if s.quitting.CompareAndSwap(false, true) {
		fmt.Fprint(w, "Requesting termination... Goodbye!")
		s.deps.Quit()
		return
	}
	fmt.Fprint(w, "Termination already in progress.")
}
