package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/srcprom/bench/internal/target"
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
	l := &lab{page: target.Page(), arrivals: make(chan arrival, 1024)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", l.metrics)
	mux.HandleFunc("POST /notify", l.notify)
	l.server = httptest.NewServer(mux)
	return l
}

func (l *lab) close() { l.server.Close() }

func (l *lab) target() string  { return strings.TrimPrefix(l.server.URL, "http://") }
func (l *lab) webhook() string { return l.server.URL + "/notify" }

func (l *lab) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", target.ContentType)
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
