package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// ending is what became of a request to a sink.
type ending string

const (
	held      ending = "held"      // not answered yet
	answered  ending = "answered"  // with 2xx
	refused   ending = "refused"   // with another status
	cancelled ending = "cancelled" // the sender went away before the answer
)

// delivery is one request to a sink, from its arrival to its end.
type delivery struct {
	srcpromtest.Notification
	life   int // of the sender: how often it had been restarted before
	ending ending
	ended  time.Time // zero while it is held
}

// receiver is the first element of the path: how the sink behaves to it.
func (d delivery) receiver() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(d.Path, "/"), "/")
	return name
}

// of tells whether a delivery has an alert of that name.
func of(alertname string) func(delivery) bool {
	return func(d delivery) bool {
		return slices.ContainsFunc(d.Alerts, func(a srcpromtest.Alert) bool { return a.Labels["alertname"] == alertname })
	}
}

func (d delivery) has(alertname, status string) bool {
	return slices.ContainsFunc(d.Alerts, func(a srcpromtest.Alert) bool {
		return a.Labels["alertname"] == alertname && a.Status == status
	})
}

// sink is a webhook that knows what became of each request: whether it was
// answered, and which of a sender's lives it came from. The path decides how it
// answers, see behave.
type sink struct {
	URL string // without a slash at the end

	t      testing.TB
	server *httptest.Server

	mu         sync.Mutex // guards what follows
	life       int
	deliveries []*delivery
	changed    chan struct{} // closed and replaced at each change
	conns      int           // connections that are open
	behaviour  map[string]behaviour
}

// behaviour answers a request whose body has been read: with a status, as soon as
// it returns. It returns when gone is closed, since then the sender is no more.
type behaviour func(n srcpromtest.Notification, gone <-chan struct{}) int

// newSink starts a sink that answers 200 at once.
func newSink(t testing.TB) *sink {
	s := &sink{t: t, changed: make(chan struct{}), behaviour: map[string]behaviour{}}
	s.server = httptest.NewUnstartedServer(s)
	s.server.Config.ConnState = s.count
	s.server.Start()
	s.URL = s.server.URL
	t.Cleanup(s.server.Close)
	return s
}

// behave sets how requests to /name and to all paths below it are answered.
func (s *sink) behave(name string, b behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour[name] = b
}

// after answers 200 when a duration has passed.
func after(d time.Duration) behaviour {
	return func(_ srcpromtest.Notification, gone <-chan struct{}) int {
		select {
		case <-time.After(d):
		case <-gone:
		}
		return http.StatusOK
	}
}

// until answers 200 when a channel is closed.
func until(release <-chan struct{}) behaviour {
	return func(_ srcpromtest.Notification, gone <-chan struct{}) int {
		select {
		case <-release:
		case <-gone:
		}
		return http.StatusOK
	}
}

// always answers with a status at once.
func always(status int) behaviour {
	return func(srcpromtest.Notification, <-chan struct{}) int { return status }
}

// fencePath is asked by fence.
const fencePath = "/fence"

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == fencePath {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender died while it sent: nothing has arrived
	}
	d := &delivery{ending: held}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&d.Notification); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.Path, d.At = r.URL.Path, time.Now()
	respond := s.arrived(d)
	status := http.StatusOK
	if respond != nil {
		status = respond(d.Notification, r.Context().Done())
	}
	if r.Context().Err() == nil {
		w.WriteHeader(status)
		_ = http.NewResponseController(w).Flush()
	}
	s.end(d, status, r.Context().Err())
}

func (s *sink) arrived(d *delivery) behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.life = s.life
	s.deliveries = append(s.deliveries, d)
	s.changeLocked()
	return s.behaviour[d.receiver()]
}

func (s *sink) end(d *delivery, status int, gone error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.ended = time.Now()
	switch {
	case gone != nil:
		d.ending = cancelled
	case status/100 == 2:
		d.ending = answered
	default:
		d.ending = refused
	}
	s.changeLocked()
}

func (s *sink) count(_ net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns++
	case http.StateClosed:
		s.conns--
	default:
		return
	}
	s.changeLocked()
}

func (s *sink) changeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// all returns copies of what has arrived, oldest first.
func (s *sink) all() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]delivery, len(s.deliveries))
	for i, d := range s.deliveries {
		all[i] = *d
	}
	return all
}

// matching returns what has arrived and matches, oldest first.
func (s *sink) matching(match func(delivery) bool) []delivery {
	return slices.DeleteFunc(s.all(), func(d delivery) bool { return !match(d) })
}

// await waits until a delivery matches, and returns the first that does.
func (s *sink) await(what string, match func(delivery) bool) delivery {
	s.t.Helper()
	var found delivery
	s.awaitAll(what, func(all []delivery) bool {
		i := slices.IndexFunc(all, match)
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// awaitAll waits until all that has arrived satisfies a condition.
func (s *sink) awaitAll(what string, ok func([]delivery) bool) {
	s.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if ok(s.all()) {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			require.Failf(s.t, "waited in vain", "%s for %s; deliveries:\n%s", patience, what, transcript(s.all()))
		}
	}
}

// nextLife is called when the sender has died. It waits until everything that the
// sender sent has been read, and counts what comes from then on to its next life.
func (s *sink) nextLife() {
	s.t.Helper()
	s.fence()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		changed, conns := s.changed, s.conns
		if conns == 0 {
			s.life++
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		select {
		case <-changed:
		case <-timeout.C:
			require.Failf(s.t, "waited in vain", "%s for %d connections of the dead sender to close", patience, conns)
		}
	}
}

// fence connects once: connections are accepted in their order, so that all from
// before have been accepted when it returns.
func (s *sink) fence() {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(s.URL + fencePath)
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
}

// transcript is for a person who looks for what went wrong.
func transcript(deliveries []delivery) string {
	var b strings.Builder
	for _, d := range deliveries {
		b.WriteString(d.At.Format("15:04:05.000 ") + d.line() + "\n")
	}
	return b.String()
}

func (d delivery) line() string {
	var b strings.Builder
	b.WriteString("life " + string(rune('0'+d.life%10)) + " " + d.Path + " " + string(d.ending))
	if !d.ended.IsZero() {
		b.WriteString(" after " + d.ended.Sub(d.At).Round(time.Millisecond).String())
	}
	b.WriteString(" " + d.GroupKey + ":")
	for _, a := range d.Alerts {
		b.WriteString(" " + a.Labels["alertname"] + "=" + a.Status)
	}
	return b.String()
}
