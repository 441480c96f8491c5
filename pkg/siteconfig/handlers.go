package siteconfig

import (
	"encoding/json"
	"net/http"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// Handlers are what the subscriber serves, by path. They answer with what is known, and
// wait for nothing.
func (s *Subscriber) Handlers() map[string]http.Handler {
	return map[string]http.Handler{client.ConfigStatusPath: http.HandlerFunc(s.serveStatus)}
}

// serveStatus serves /prom-wrapper/config-subscriber as the sourcegraph/prometheus image
// did, byte for byte: any method, null where there are no problems, no line break at the
// end, and no type, for which net/http puts text/plain.
func (s *Subscriber) serveStatus(w http.ResponseWriter, _ *http.Request) {
	text, err := json.Marshal(client.ConfigStatus{Problems: s.problems()})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text) // the client has gone, then
}
