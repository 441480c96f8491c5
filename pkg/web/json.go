package web

import (
	"encoding/json"
	"net/http"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// writeJSON answers on srcprom's own endpoints. What they say holds for now only.
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only when the client has gone
}

func writeError(w http.ResponseWriter, status int, reason string) {
	writeJSON(w, status, client.ErrorBody{Error: reason})
}
