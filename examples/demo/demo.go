package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// demo is a scrape target and a receiver of notifications.
type demo struct {
	mu          sync.Mutex // guards what follows
	out         io.Writer
	temperature float64
}

// newDemo starts at a pleasant temperature and prints notifications to out.
func newDemo(out io.Writer) http.Handler {
	d := &demo{out: out, temperature: 20}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", d.metrics)
	mux.HandleFunc("POST /temperature", d.set)
	mux.HandleFunc("POST /notify", d.notify)
	return mux
}

func (d *demo) metrics(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprintf(w, "# HELP demo_temperature_celsius Whatever was last set.\n"+
		"# TYPE demo_temperature_celsius gauge\ndemo_temperature_celsius %g\n", d.temperature)
}

// set takes a number as the whole body.
func (d *demo) set(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	temperature, err := strconv.ParseFloat(strings.TrimSpace(string(body)), 64)
	if err != nil {
		http.Error(w, fmt.Sprintf("%q is not a number", body), http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.temperature = temperature
	fmt.Fprintf(w, "the temperature is %g now\n", temperature)
}

// notification is the part that is printed of what Alertmanager posts to a
// webhook.
type notification struct {
	Alerts []struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"alerts"`
}

func (d *demo) notify(w http.ResponseWriter, r *http.Request) {
	var n notification
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, alert := range n.Alerts {
		fmt.Fprintf(d.out, "%s  >>> %s: %s: %s\n", time.Now().Format(time.TimeOnly),
			strings.ToUpper(alert.Status), alert.Labels["alertname"], alert.Annotations["summary"])
	}
}
