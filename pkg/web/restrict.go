package web

import (
	"net/http"
)

// selfPaths are what this process may ask of itself without saying who it is.
func selfPaths() []string {
	return []string{"GET /metrics", "GET /alertmanager/metrics"}
}

// internalPaths are what is left of the internal addresses once a web
// configuration file guards the public ones. Anything on the host can reach
// loopback, so whatever reads or changes more than deployed configuration files
// and probes need must ask at the guarded door. Both metrics paths and the alerts
// API are named by every such file.
func internalPaths() []string {
	return append(selfPaths(),
		"POST /alertmanager/api/v2/alerts",
		"GET /-/healthy", "HEAD /-/healthy",
		"GET /-/ready", "HEAD /-/ready",
		"GET /alertmanager/-/healthy", "HEAD /alertmanager/-/healthy",
		"GET /alertmanager/-/ready", "HEAD /alertmanager/-/ready",
	)
}

// only lets requests of the given methods and exact paths through to h.
func only(h http.Handler, prefix string, allowed []string) http.Handler {
	set := make(map[string]bool, len(allowed))
	for _, request := range allowed {
		set[request] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if len(path) < len(prefix) || path[:len(prefix)] != prefix || !set[r.Method+" "+path[len(prefix):]] {
			http.Error(w, "not served on this address, which asks nobody who they are: use the public one", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
