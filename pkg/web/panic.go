package web

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
)

// withPanicLog logs a panic of h with its stack and aborts the connection; the
// server goes on. It follows withStackTracer of Prometheus's web/web.go.
func withPanicLog(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			reason := recover()
			if reason == nil {
				return
			}
			if err, ok := reason.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				log.Error("Panic while serving a request, its connection is aborted",
					"client", r.RemoteAddr, "method", r.Method, "path", r.URL.Path, "err", reason, "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler) // net/http logs no other panic a second time
		}()
		h.ServeHTTP(w, r)
	})
}
