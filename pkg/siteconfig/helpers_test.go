package siteconfig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// plainOverlay keeps a text as it is.
type plainOverlay struct{}

func (plainOverlay) Read(text string) (string, error) {
	if strings.Contains(text, "unreadable") {
		return "", fmt.Errorf("read site configuration: %w", syntaxError{3, 9, "expected a comma"})
	}
	return text, nil
}

func (plainOverlay) Alertmanager(u config.Underlay) config.Overlaid {
	return config.Overlaid{Root: u.Root}
}

// fakeServer applies what it is given, unless it is told to refuse. What "problem"
// occurs in has one.
type fakeServer struct {
	*fakeSilences

	sub   *Subscriber
	ready chan struct{}
	// before is called, once, by the next Apply before it does anything.
	before func()

	mu      sync.Mutex // guards what follows
	current config.Accepted
	refuse  error
	applies int
}

func newFakeServer() *fakeServer {
	s := &fakeServer{fakeSilences: newFakeSilences(), ready: make(chan struct{})}
	close(s.ready)
	return s
}

func (s *fakeServer) Ready() <-chan struct{} { return s.ready }

func (s *fakeServer) Current() *config.Accepted {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.current
	return &current
}

func (s *fakeServer) Plan(_ context.Context, c config.Change) (*config.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, result, _ := s.planLocked(c)
	return result, s.refuse
}

func (s *fakeServer) Apply(_ context.Context, c config.Change) (*config.Result, error) {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applies++
	if s.refuse != nil {
		return nil, s.refuse
	}
	if c.IfVersion != nil && *c.IfVersion != s.current.Version {
		return nil, config.ErrVersion
	}
	next, result, effective := s.planLocked(c)
	s.current = next
	result.Version = next.Version
	s.sub.Applied(effective)
	return result, nil
}

func (s *fakeServer) planLocked(c config.Change) (config.Accepted, *config.Result, *config.Effective) {
	next := config.Accepted{Version: s.current.Version, Documents: maps.Clone(s.current.Documents), LastRead: maps.Clone(s.current.LastRead)}
	if next.Documents == nil {
		next.Documents, next.LastRead = config.Documents{}, map[string]string{}
	}
	maps.Copy(next.LastRead, c.LastRead)
	text := *c.Documents[config.SiteConfigDocument]
	result := &config.Result{Version: s.current.Version, SetAside: []config.SetAside{}}
	if text != s.current.Documents[config.SiteConfigDocument].Content {
		next.Version++
		result.Changes = []string{"siteconfig: changed"}
	}
	next.Documents[config.SiteConfigDocument] = config.Document{Name: config.SiteConfigDocument, Content: text, Provenance: c.Provenance}
	if strings.Contains(text, "problem") {
		result.Problems = []string{"`observability.alerts`: notifier 0 has no `url`"}
	}
	return next, result, &config.Effective{Documents: next.Documents, Problems: result.Problems}
}

// remove takes the document away, as a roll back does, and nothing else.
func (s *fakeServer) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Documents = config.Documents{}
	s.current.Version++
}

// site is the site configuration that runs.
func (s *fakeServer) site() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.Documents[config.SiteConfigDocument].Content
}

func (s *fakeServer) applied() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applies
}

func (s *fakeServer) refusing(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

// logged is a log that tests read.
type logged struct {
	mu   sync.Mutex // guards what follows
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) lines() int { return strings.Count(l.String(), "\n") }

// harness is a subscriber and what it looks after.
type harness struct {
	*Subscriber
	t        *testing.T
	server   *fakeServer
	log      *logged
	registry *prometheus.Registry
}

func newHarness(t *testing.T, server *fakeServer, edit func(*Options)) *harness {
	t.Helper()
	h := &harness{t: t, server: server, log: &logged{}, registry: prometheus.NewRegistry()}
	o := DefaultOptions()
	o.Logger = slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.Registerer = h.registry
	if edit != nil {
		edit(&o)
	}
	var err error
	h.Subscriber, err = New(o)
	require.NoError(t, err)
	h.overlay = plainOverlay{}
	server.sub = h.Subscriber
	return h
}

// run runs the subscriber until stop is called.
func (h *harness) run() (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx, h.server) }()
	return sync.OnceFunc(func() {
		cancel()
		require.NoError(h.t, <-done)
	})
}

// descriptions are those of the problems, nil where these are nil.
func (h *harness) descriptions() []string {
	var all []string
	for _, p := range h.problems() {
		require.Equal(h.t, "SiteConfig", p.Kind)
		all = append(all, p.Description)
	}
	return all
}

// alerts are the names of what the checks find.
func (h *harness) alerts() []string {
	var all []string
	for _, check := range h.Checks() {
		for _, p := range check.Look() {
			require.NotEmpty(h.t, p.Summary)
			require.NotEmpty(h.t, p.Remedy)
			all = append(all, p.Alert)
		}
	}
	return all
}

func (h *harness) fetches(outcome string) float64 {
	return testutil.ToFloat64(h.metrics.fetches.WithLabelValues(outcome))
}

// gauge is the value of a metric without labels.
func (h *harness) gauge(name string) float64 {
	h.t.Helper()
	families, err := h.registry.Gather()
	require.NoError(h.t, err)
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	require.FailNow(h.t, "no such metric", name)
	return 0
}

// fakeSource says what a test says.
type fakeSource struct {
	mu    sync.Mutex // guards what follows
	text  string
	moved bool // migrating
	err   error
	at    []time.Time
}

func (f *fakeSource) fetch(context.Context) (answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = append(f.at, time.Now())
	return answer{site: f.text, migrating: f.moved}, f.err
}

func (f *fakeSource) wait(ctx context.Context, d time.Duration) { sleep(ctx, d) }
func (f *fakeSource) close()                                    {}

func (f *fakeSource) says(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.moved, f.err = text, false, nil
}

func (f *fakeSource) migrates() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.moved, f.err = "{}", true, nil
}

func (f *fakeSource) fails(err *fetchError) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeSource) times() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time{}, f.at...)
}

var (
	errAway    = &fetchError{reason: "connection refused", unreachable: true}
	errGarbled = &fetchError{reason: "the answer is garbled"}
	errNoRoom  = errors.New("write state: no space left on device")
)
