package srcprom

import (
	"net/http"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// Ready is closed when the server serves queries, scrapes and evaluates for the
// first time.
func (s *Server) Ready() <-chan struct{} { return s.started }

// Addr is the host:port of the first listener, with the port that the system
// chose where the options left it the choice.
func (s *Server) Addr() string { return s.web.Addr() }

// Handler is the whole HTTP surface, for those who serve it themselves. It asks
// nobody who they are: TLS and authentication belong to the server's own
// listeners.
func (s *Server) Handler() http.Handler { return s.web.Handler() }

// Quit makes Run stop, as the end of its context does. It does not wait.
func (s *Server) Quit() { s.quitOnce.Do(func() { close(s.quit) }) }

// Current is the configuration that runs, nil before the first. It must not be
// changed.
func (s *Server) Current() *config.Accepted {
	now := s.running.Load()
	if now == nil || now.effective == nil {
		return nil
	}
	current := *now.accepted
	current.Documents = now.effective.Documents // with the built-in ones
	return &current
}

// readiness says in words what is not ready, and whether the server stops.
func (s *Server) readiness() (reasons []string, stopping bool) {
	if isClosed(s.stopping) {
		return []string{"the server is stopping"}, true
	}
	if reason := s.alerting.NotReady(); reason != "" {
		reasons = append(reasons, reason)
	}
	switch {
	case isClosed(s.started):
	case isClosed(s.store.Opened()):
		reasons = append(reasons, "configuration: being applied")
	default:
		reasons = append(reasons, "storage: opening; /api/v1/status/walreplay tells how far it is")
	}
	if reasons != nil {
		reasons = append(reasons, failing(s.Health())...)
	}
	return reasons, false
}

// failing lists what does not work at all.
func failing(h client.Health) []string {
	var texts []string
	for _, part := range h.Parts {
		for _, p := range part.Problems {
			if p.Level == client.HealthCritical {
				texts = append(texts, part.Name+": "+p.Summary)
			}
		}
	}
	return texts
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
