package alerting

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/common/route"
)

// Handler serves Alertmanager's API under the given prefix, such as /alertmanager.
// Until the first configuration runs it answers 503.
func (m *Manager) Handler(prefix string) http.Handler {
	if m.engine == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, errDisabled.Error(), http.StatusNotFound)
		})
	}
	return m.whenConfigured(m.engine.handler("/" + strings.Trim(prefix, "/")))
}

func (e *engine) handler(prefix string) http.Handler {
	router := route.New().WithInstrumentation(e.metrics.instrument)
	if prefix != "/" {
		router = router.WithPrefix(prefix)
	}
	api := e.api.Register(router, prefix)
	return e.durably(api, e.limited(api))
}

// limited gives an answer after Options.HTTPTimeout, as Alertmanager does; what was
// called goes on.
func (e *engine) limited(next http.Handler) http.Handler {
	timeout := e.opts.HTTPTimeout
	if timeout <= 0 {
		return next
	}
	return http.TimeoutHandler(next, timeout, fmt.Sprintf("Exceeded configured timeout of %v.\n", timeout))
}

// whenConfigured stands before the API, which knows no state without
// configuration.
func (m *Manager) whenConfigured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reason := m.NotReady(); reason != "" {
			http.Error(w, reason, http.StatusServiceUnavailable)
			return
		}
		if m.isOwn(r) {
			return // 200: these alerts have come in through Send
		}
		next.ServeHTTP(w, r)
	})
}

// isOwn tells whether this very process posts alerts to itself, as a target of
// prometheus.yml.
func (m *Manager) isOwn(r *http.Request) bool {
	method, at := operation(r)
	return method == http.MethodPost &&
		strings.HasSuffix(at, "/api/v2/alerts") &&
		r.Header.Get(processHeader) == m.external.processID
}
