package web

import (
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/common/route"
)

// registerDebug serves the profiles of the Go runtime, as Prometheus does, and
// never http.DefaultServeMux, on which any package may have registered anything.
func registerDebug(r *route.Router) {
	r.Get("/debug/*subpath", serveDebug)
	r.Post("/debug/*subpath", serveDebug)
}

func serveDebug(w http.ResponseWriter, r *http.Request) {
	subpath := route.Param(r.Context(), "subpath")
	if subpath == "/pprof" {
		http.Redirect(w, r, r.URL.Path+"/", http.StatusMovedPermanently)
		return
	}
	name, ok := strings.CutPrefix(subpath, "/pprof/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	switch name {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		r.URL.Path = "/debug/pprof/" + name // pprof.Index takes the name from it
		pprof.Index(w, r)
	}
}
