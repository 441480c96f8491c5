package srcpromtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// AwaitTimeout is how long Receiver.Await waits.
const AwaitTimeout = 30 * time.Second

// Notification is what an Alertmanager posts to a webhook, version 4 of
// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
type Notification struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   uint64            `json:"truncatedAlerts"`
	Status            string            `json:"status"` // firing or resolved
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []Alert           `json:"alerts"`

	// Path is the path of the URL to which it was posted.
	Path string `json:"-"`
	// At is when it arrived.
	At time.Time `json:"-"`
}

// Alert is one alert of a Notification.
type Alert struct {
	Status       string            `json:"status"` // firing or resolved
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// Firing matches notifications in which the alert of that name fires.
func Firing(alertname string) func(Notification) bool { return has(alertname, "firing") }

// Resolved matches notifications in which the alert of that name is resolved.
func Resolved(alertname string) func(Notification) bool { return has(alertname, "resolved") }

func has(alertname, status string) func(Notification) bool {
	return func(n Notification) bool {
		return slices.ContainsFunc(n.Alerts, func(a Alert) bool {
			return a.Labels["alertname"] == alertname && a.Status == status
		})
	}
}

// Receiver is a webhook that records every notification posted to it, under
// any path.
type Receiver struct {
	// URL to which notifications are posted.
	URL string

	t testing.TB

	mu       sync.Mutex // guards what follows
	got      []Notification
	arrived  chan struct{} // closed and replaced at each arrival
	response func(http.ResponseWriter, *http.Request)
}

// NewReceiver starts a receiver, which is stopped when the test ends.
func NewReceiver(t testing.TB) *Receiver {
	r := &Receiver{t: t, arrived: make(chan struct{})}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL + "/"
	return r
}

// ServeHTTP records a notification.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	n := Notification{Path: req.URL.Path, At: time.Now()}
	if err := json.NewDecoder(req.Body).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.got = append(r.got, n)
	close(r.arrived)
	r.arrived = make(chan struct{})
	response := r.response
	r.mu.Unlock()
	if response != nil {
		response(w, req)
	}
}

// Respond sets how notifications are answered after they have been recorded;
// nil means with status 200.
func (r *Receiver) Respond(response func(http.ResponseWriter, *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.response = response
}

// Notifications returns what has arrived, oldest first.
func (r *Receiver) Notifications() []Notification {
	got, _ := r.snapshot()
	return got
}

func (r *Receiver) snapshot() ([]Notification, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got), r.arrived
}

// Await returns the first notification that matches, of those that have arrived
// and those to come. When none has come within AwaitTimeout the test fails,
// saying what was awaited and what came instead.
func (r *Receiver) Await(what string, match func(Notification) bool) Notification {
	r.t.Helper()
	timeout := time.NewTimer(AwaitTimeout)
	defer timeout.Stop()
	for {
		got, arrived := r.snapshot()
		if i := slices.IndexFunc(got, match); i >= 0 {
			return got[i]
		}
		select {
		case <-arrived:
		case <-timeout.C:
			r.t.Fatalf("srcpromtest: waited %s for %s; notifications so far: %s", AwaitTimeout, what, summary(got))
		}
	}
}

func summary(notifications []Notification) string {
	if len(notifications) == 0 {
		return "none"
	}
	lines := make([]string, len(notifications))
	for i, n := range notifications {
		var alerts []string
		for _, a := range n.Alerts {
			alerts = append(alerts, a.Labels["alertname"]+" "+a.Status)
		}
		lines[i] = fmt.Sprintf("%s to %s: %s", n.Path, n.Receiver, strings.Join(alerts, ", "))
	}
	return strings.Join(lines, "; ")
}
