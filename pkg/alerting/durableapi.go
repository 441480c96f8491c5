package alerting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// durably stands before Alertmanager's API. What a call changes is on the disk
// when it is answered; where that fails, the answer is 500, and a change of a
// silence is taken back. For that such a change has no time limit but that of the
// disk: what is given up with an error must not take effect afterwards.
func (e *engine) durably(next, limited http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, at := operation(r)
		switch {
		case method == http.MethodPost && strings.HasSuffix(at, "/api/v2/alerts"):
			e.serveAlerts(limited, w, r)
		case method == http.MethodPost && strings.HasSuffix(at, "/api/v2/silences"):
			e.serveSilences(next, w, r, "")
		case method == http.MethodDelete && strings.HasSuffix(path.Dir(at), "/api/v2/silence"):
			id, _ := url.PathUnescape(path.Base(at)) // EscapedPath is valid
			e.serveSilences(next, w, r, id)
		default:
			limited.ServeHTTP(w, r)
		}
	})
}

// operation is the method and the escaped path of a call as the router behind
// Alertmanager's API reads them: see defaultRouter.Lookup in middleware/router.go of
// go-openapi/runtime.
func operation(r *http.Request) (method, at string) {
	return strings.ToUpper(r.Method), path.Clean(r.URL.EscapedPath())
}

// serveAlerts serves a posting of alerts. They stay in memory when they cannot be
// written: they fire, and clients repeat them. Alerts are taken beside ones that
// are refused, so the disk is waited for in any case.
func (e *engine) serveAlerts(next http.Handler, w http.ResponseWriter, r *http.Request) {
	answer := newAnswer()
	next.ServeHTTP(answer, r)
	if err := awaitDisk(r.Context(), e.state); err != nil {
		answer.replace(http.StatusInternalServerError, fmt.Sprintf("the alerts are taken, but would not survive a crash: %v", err))
	}
	answer.copyTo(w)
}

// serveSilences serves a call that changes silences. id is the one that it
// expires; empty when it creates or edits one.
func (e *engine) serveSilences(next http.Handler, w http.ResponseWriter, r *http.Request, id string) {
	answer := newAnswer()
	if err := e.silencesWritable(); err != nil {
		answer.replace(http.StatusServiceUnavailable, err.Error())
		answer.copyTo(w)
		return
	}
	body, err := io.ReadAll(r.Body) // before the gate, since clients may be slow
	if err != nil {
		answer.replace(http.StatusBadRequest, fmt.Sprintf("read the request: %v", err))
		answer.copyTo(w)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	err = e.changeSilences(r.Context(), id, func() (ok bool) {
		next.ServeHTTP(answer, r)
		return answer.status < http.StatusBadRequest
	})
	if err != nil {
		answer.replace(http.StatusInternalServerError, err.Error())
	}
	answer.copyTo(w)
}

// answer is an HTTP answer that is not sent yet.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// replace makes it an error in the format of Alertmanager's API, which is a JSON
// string.
func (a *answer) replace(status int, text string) {
	a.header.Del("Content-Length")
	a.header.Set("Content-Type", "application/json")
	a.status = status
	a.body.Reset()
	_ = json.NewEncoder(&a.body).Encode(text) // a string and a buffer do not fail
}

func (a *answer) copyTo(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, _ = w.Write(a.body.Bytes()) // the client has gone, then
}
