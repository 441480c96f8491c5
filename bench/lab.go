package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"
)

// lab is what all contenders have in common: the target that they scrape and
// the webhook that they tell.
type lab struct {
	server *httptest.Server
	page   string       // the constant part of the target's metrics
	round  atomic.Int64 // the alert that fires now; 0 for none
	// arrivals of the alert Round.
	arrivals chan arrival
}

// arrival is one alert at the webhook.
type arrival struct {
	round     string
	evaluated time.Time // the evaluation at which it began to fire
	arrived   time.Time
}

func newLab() *lab {
	l := &lab{page: targetPage(), arrivals: make(chan arrival, 1024)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", l.metrics)
	mux.HandleFunc("POST /notify", l.notify)
	l.server = httptest.NewServer(mux)
	return l
}

func (l *lab) close() { l.server.Close() }

func (l *lab) target() string  { return strings.TrimPrefix(l.server.URL, "http://") }
func (l *lab) webhook() string { return l.server.URL + "/notify" }

// targetPage has about as many series as Prometheus tells of itself.
func targetPage() string {
	var b strings.Builder
	b.WriteString("# TYPE target_requests_total counter\n")
	for i := range 400 {
		fmt.Fprintf(&b, "target_requests_total{handler=\"/api/v1/%d\",code=\"%d\"} %d\n", i/4, 200+i%4, i*i)
	}
	b.WriteString("# TYPE target_duration_seconds histogram\n")
	for i := range 40 {
		for j := range 10 {
			fmt.Fprintf(&b, "target_duration_seconds_bucket{handler=\"/api/v1/%d\",le=\"%d\"} %d\n", i, j, j*i)
		}
	}
	return b.String()
}

func (l *lab) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprint(w, l.page)
	if round := l.round.Load(); round > 0 {
		fmt.Fprintf(w, "# TYPE target_round gauge\ntarget_round{round=\"%d\"} 1\n", round)
	}
}

func (l *lab) notify(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	var n struct {
		Alerts []struct {
			Labels   map[string]string `json:"labels"`
			StartsAt time.Time         `json:"startsAt"`
		} `json:"alerts"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, alert := range n.Alerts {
		if alert.Labels["alertname"] == "Round" {
			l.arrivals <- arrival{alert.Labels["round"], alert.StartsAt, arrived}
		}
	}
}
