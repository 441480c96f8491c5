package receivers

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what must come: the resolved alerts of a site
// configuration come a minute after the firing ones.
const patience = 2 * time.Minute

// Service is one that takes notifications over HTTP.
type Service struct {
	// URL is what a configuration names: the webhook, the endpoint, or the base of an
	// API. It holds the secret where the service wants it there.
	URL string
	// Secret is what a sender has to know.
	Secret string

	t        testing.TB
	protocol protocol
	server   *httptest.Server
	ended    chan struct{} // closed when the test ends: nothing hangs any longer

	mu       sync.Mutex // guards what follows
	failure  Failure
	requests []Request
	changed  chan struct{} // closed and replaced with each request
}

// protocol is how a kind of service speaks.
type protocol struct {
	// url makes Service.URL.
	url func(base, secret string) string
	// refuse is how the service answers a sender that does not know the secret, or asks
	// for something that is not there; nil when it takes the request.
	refuse func(r *Request, secret string) *answer
	// check says what is wrong with a request that it takes.
	check func(r *Request) []string
	// accepted is the answer to what is right, invalid that to what is wrong.
	accepted func(r *Request) answer
	invalid  func(faults []string) answer
	// failures are the answers of a service that is told to fail.
	failures map[Failure]answer
}

// answer is what a service answers.
type answer struct {
	status int
	body   string
	header map[string]string
}

// Failure is a way in which a service does not take what it is sent.
type Failure int

// The failures. Each service has its own words for them.
const (
	Works       Failure = iota // it does not fail
	Rejected                   // for a reason that lasts, as Slack's 404 "no_service"
	RateLimited                // 429
	Unavailable                // 5xx
	Hanging                    // no answer until the sender gives up
	Echoing                    // 400, with all that was sent as the reason
)

// Request is one that a service has got.
type Request struct {
	At           time.Time
	Method, Path string
	Query        string
	Header       http.Header
	Body         []byte
	// Status of the answer; 0 where the sender gave up waiting for one.
	Status int
	// Faults are what the service would not take of the request, or would not
	// understand. They are found whether it is told to fail or not.
	Faults []string

	secret string
}

// start serves a protocol until the test ends.
func start(t testing.TB, p protocol, secret string) *Service {
	t.Helper()
	s := &Service{t: t, protocol: p, Secret: secret, ended: make(chan struct{}), changed: make(chan struct{})}
	s.server = httptest.NewServer(s)
	s.URL = p.url(s.server.URL, secret)
	t.Cleanup(func() {
		close(s.ended)
		s.server.Close()
	})
	return s
}

// Fail makes the service fail from now on. [Works] ends that.
func (s *Service) Fail(how Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = how
}

// Requests are copies of what has been answered, or given up by the sender, oldest
// first.
func (s *Service) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Await waits until there are n requests, and returns them all.
func (s *Service) Await(n int) []Request {
	s.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		requests, changed := slices.Clone(s.requests), s.changed
		s.mu.Unlock()
		if len(requests) >= n {
			return requests
		}
		select {
		case <-changed:
		case <-timeout.C:
			require.Failf(s.t, "waited in vain", "%s for %d requests, there are %d", patience, n, len(requests))
		}
	}
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender went away while it sent
	}
	got := Request{
		At: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Header: r.Header, Body: body, secret: s.Secret,
	}
	a := s.answer(&got)
	if a == nil { // it hangs
		select {
		case <-r.Context().Done():
		case <-s.ended:
		}
		s.keep(got)
		return
	}
	got.Status = a.status
	s.keep(got)
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (s *Service) keep(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	close(s.changed)
	s.changed = make(chan struct{})
}

// answer is nil when the service hangs.
func (s *Service) answer(r *Request) *answer {
	s.mu.Lock()
	failure := s.failure
	s.mu.Unlock()
	refused := s.protocol.refuse(r, s.Secret)
	if refused == nil {
		r.Faults = s.protocol.check(r)
	}
	switch {
	case failure == Hanging:
		return nil
	case failure == Echoing:
		return new(echo(r))
	case failure != Works:
		return new(s.protocol.failures[failure])
	case refused != nil:
		return refused
	case len(r.Faults) > 0:
		return new(s.protocol.invalid(r.Faults))
	}
	return new(s.protocol.accepted(r))
}

// echo is the answer that is worst for whoever shows it to others.
func echo(r *Request) answer {
	var b bytes.Buffer
	fmt.Fprintf(&b, "cannot make sense of %s %s?%s ", r.Method, r.Path, r.Query)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&b, "%s: %s; ", name, strings.Join(r.Header[name], ", "))
	}
	b.Write(r.Body)
	return answer{status: http.StatusBadRequest, body: b.String(), header: plainText()}
}

func plainText() map[string]string {
	return map[string]string{"Content-Type": "text/plain; charset=utf-8"}
}

func jsonText() map[string]string { return map[string]string{"Content-Type": "application/json"} }
