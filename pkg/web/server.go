package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafana/regexp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/util/notifications"
)

// Server is the HTTP surface. Use New; the zero value does not work.
type Server struct {
	log           *slog.Logger
	opts          Options
	deps          Deps
	listeners     *Listeners
	external      *url.URL
	prefix        string
	corsOrigin    *regexp.Regexp
	gatherer      prometheus.Gatherer
	metrics       *metrics
	notifications *notifications.Notifications
	started       time.Time
	workingDir    string
	stall         time.Duration // of the client of a backup

	handler  http.Handler        // everything
	buildAPI func() http.Handler // makes upstream's API once, whoever comes first
	drain    *drain

	stopping atomic.Bool
	quitting atomic.Bool
	// streams is done at the first moment of a stop, requests when those that are
	// still running then have had their time.
	streams, requests       context.Context
	endStreams, endRequests context.CancelFunc

	mu    sync.Mutex // guards what follows
	ended bool       // Run or Close was called
}

// New mounts everything and serves nothing yet: connections wait for Run.
func New(opts Options, deps Deps) (*Server, error) {
	s, err := newServer(opts, deps)
	if err != nil && deps.Listeners != nil {
		err = errors.Join(err, deps.Listeners.Close())
	}
	return s, err
}

func newServer(opts Options, deps Deps) (*Server, error) {
	if err := errors.Join(opts.Validate(), deps.validate()); err != nil {
		return nil, err
	}
	if opts.LookbackDelta == 0 {
		opts.LookbackDelta = DefaultOptions().LookbackDelta
	}
	corsOrigin, err := relabel.NewRegexp(opts.CORSOrigin)
	if err != nil {
		return nil, err
	}
	workingDir, err := os.Getwd()
	if err != nil {
		workingDir = "<error retrieving current working directory>" // as upstream
	}
	s := &Server{
		log:        deps.Logger,
		opts:       opts,
		deps:       deps,
		corsOrigin: corsOrigin.Regexp,
		gatherer:   merged{own: deps.Gatherer, process: deps.ProcessGatherer},
		started:    time.Now().UTC(),
		workingDir: workingDir,
		stall:      backupStall,
		drain:      newDrain(),
	}
	s.streams, s.endStreams = context.WithCancel(context.Background())
	s.requests, s.endRequests = context.WithCancel(context.Background())
	return s, s.assemble()
}

// assemble binds before it registers metrics, so that a New that failed over a
// taken address can be tried again with the same registry.
func (s *Server) assemble() (err error) {
	if s.listeners = s.deps.Listeners; s.listeners == nil {
		if s.listeners, err = Listen(s.opts, s.log); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.listeners.Close())
		}
	}()
	s.external, s.prefix = s.listeners.ExternalURL(), s.listeners.RoutePrefix()
	if s.metrics, err = newMetrics(s.deps.Registerer, func() bool { return s.readiness().Ready }); err != nil {
		return err
	}
	s.notifications = notifications.NewNotifications(s.opts.MaxNotificationsSubscribers, s.deps.Registerer)
	s.setFeatures()
	s.handler, err = s.routes()
	return err
}

// Addr is the bound address of the first public listener.
func (s *Server) Addr() string { return s.listeners.Addr() }

// Handler serves everything, without the web configuration file: no TLS, and
// nobody is asked who they are.
func (s *Server) Handler() http.Handler { return s.handler }

// Notifications are what /api/v1/notifications shows. The server adds that it is
// shutting down; the rest is the caller's to add and delete.
func (s *Server) Notifications() *notifications.Notifications { return s.notifications }

// DialSelf connects to this server in memory, past TLS and authentication, for
// GET of /metrics and /alertmanager/metrics and nothing else: a server that
// scrapes itself must not need credentials for its own door. It waits until Run
// serves, and speaks plain HTTP.
func (s *Server) DialSelf(ctx context.Context) (net.Conn, error) {
	return s.listeners.self.dial(ctx)
}

// Close releases the addresses of a server that never ran. During or after Run it
// does nothing.
func (s *Server) Close() error {
	if !s.end() {
		return nil
	}
	return s.listeners.Close()
}

// end says whether the caller is the first to run or close the server.
func (s *Server) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.ended
	s.ended = true
	return first
}
