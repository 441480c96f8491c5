package frontend

import (
	"net/http"
	"time"
)

func (f *Frontend) newHTTP() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /.internal/configuration", f.configuration)
	return &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
}

func (f *Frontend) configuration(w http.ResponseWriter, r *http.Request) {
	a, id := f.called(Call{
		Protocol:  "http",
		Actor:     r.Header.Get("X-Sourcegraph-Actor-UID"),
		UserAgent: r.UserAgent(),
	})
	if err := f.hold(r.Context(), a); err != nil {
		panic(http.ErrAbortHandler)
	}
	if a.RetryAfter != "" {
		w.Header().Set("Retry-After", a.RetryAfter)
	}
	if a.Code != 0 {
		http.Error(w, "no database: "+Secret, a.httpStatus())
		return
	}
	body, err := a.body(id, Secret)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(body)
}
