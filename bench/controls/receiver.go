package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"
)

// request is one notification, and what has become of it.
type request struct {
	at                  time.Time
	statuses            map[string]string // of alerts, by name
	answered, cancelled bool
}

func (r request) says(alertname, status string) bool { return r.statuses[alertname] == status }

// receiver is a webhook that can hold its answers back.
type receiver struct {
	server *httptest.Server

	mu       sync.Mutex // guards what follows
	requests []*request
	changed  chan struct{} // closed and replaced at each change
	held     chan struct{} // closed when answers are given; nil when they always are
}

func newReceiver() *receiver {
	r := &receiver{changed: make(chan struct{})}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	return r
}

func (r *receiver) url() string { return r.server.URL }

func (r *receiver) close() {
	r.server.CloseClientConnections()
	r.server.Close()
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender has died
	}
	var n struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	if err := json.Unmarshal(body, &n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	arrived := &request{at: time.Now(), statuses: map[string]string{}}
	for _, a := range n.Alerts {
		arrived.statuses[a.Labels["alertname"]] = a.Status
	}
	var held chan struct{}
	r.change(func() { r.requests = append(r.requests, arrived); held = r.held })
	if held != nil {
		select {
		case <-held:
		case <-req.Context().Done():
		}
	}
	gone := req.Context().Err() != nil
	r.change(func() { arrived.cancelled, arrived.answered = gone, !gone })
}

func (r *receiver) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

// hold keeps answers back until release is called, which may be done twice.
func (r *receiver) hold() (release func()) {
	held := make(chan struct{})
	r.change(func() { r.held = held })
	return sync.OnceFunc(func() {
		r.change(func() { r.held = nil })
		close(held)
	})
}

func (r *receiver) matching(match func(request) bool) (found []request, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, req := range r.requests {
		if match(*req) {
			found = append(found, *req)
		}
	}
	return found, r.changed
}

func (r *receiver) count(match func(request) bool) int {
	found, _ := r.matching(match)
	return len(found)
}

// first is the first request that matches; one has been awaited before.
func (r *receiver) first(match func(request) bool) request {
	found, _ := r.matching(match)
	return slices.MinFunc(found, func(a, b request) int { return a.at.Compare(b.at) })
}

func (r *receiver) await(ctx context.Context, match func(request) bool) error {
	for {
		found, changed := r.matching(match)
		if len(found) > 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
