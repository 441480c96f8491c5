package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/prometheus/util/notifications"
)

// cancelGrace is how long requests have to answer after they were cancelled, and
// once more after their connections were closed.
const cancelGrace = 500 * time.Millisecond

// Run serves until ctx is done, or until a listener fails, and then stops: new
// connections are refused at once, running requests have Options.DrainTimeout and
// are then cancelled. It may be called once, and returns an error if a request
// would not end.
func (s *Server) Run(ctx context.Context) error {
	if !s.end() {
		return errors.New("web: Run: the server has already run or was closed")
	}
	defer s.endRequests()
	defer s.endStreams()
	if ctx.Err() != nil {
		s.stopping.Store(true)
		return s.listeners.Close()
	}
	var running sync.WaitGroup
	running.Go(func() { s.buildAPI() })
	doors := s.doors()
	failed := make(chan error, len(doors))
	for _, d := range doors {
		running.Go(func() { failed <- d.serve(s.log) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	err = errors.Join(err, s.stop(doors))
	running.Wait()
	return errors.Join(err, s.listeners.Close())
}

// door is one listener with the HTTP server that serves it. Each has a server of
// its own, because exporter-toolkit changes the server that it is given.
type door struct {
	listener      net.Listener
	server        *http.Server
	webConfigFile string // empty: plain, and nobody is asked who they are
}

func (s *Server) doors() []*door {
	var doors []*door
	for _, listener := range s.listeners.public {
		doors = append(doors, &door{listener, s.httpServer(s.handler), s.opts.WebConfigFile})
	}
	internal := s.handler
	if s.opts.WebConfigFile != "" {
		internal = only(s.handler, s.prefix, internalPaths())
	}
	for _, listener := range s.listeners.internal {
		doors = append(doors, &door{listener, s.httpServer(internal), ""})
	}
	self := only(s.handler, s.prefix, selfPaths())
	return append(doors, &door{s.listeners.self, s.httpServer(self), ""})
}

func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:     s.drain.counted(withPanicLog(h, s.log)),
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelError),
		ReadTimeout: s.opts.ReadTimeout,
		BaseContext: func(net.Listener) context.Context { return s.requests },
		ConnState:   s.drain.connState,
	}
}

// serve returns nil after a stop.
func (d *door) serve(log *slog.Logger) error {
	err := d.serveAny(log)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve on %q: %w", d.listener.Addr(), err)
}

func (d *door) serveAny(log *slog.Logger) error {
	if d.webConfigFile == "" {
		return d.server.Serve(d.listener)
	}
	addresses, systemd := []string{}, false
	return toolkit.Serve(d.listener, d.server, &toolkit.FlagConfig{
		WebListenAddresses: &addresses,
		WebSystemdSocket:   &systemd,
		WebConfigFile:      &d.webConfigFile,
	}, log)
}

// stop ends all doors within a bounded time.
func (s *Server) stop(doors []*door) error {
	s.stopping.Store(true)
	s.notifications.AddNotification(notifications.ShuttingDown)
	s.endStreams()

	ctx, cancel := context.WithCancel(context.Background())
	var closing sync.WaitGroup
	for _, d := range doors {
		closing.Go(func() { _ = d.server.Shutdown(ctx) }) // no new connections; idle ones end
	}
	drained := s.awaitRequests()
	cancel()
	closing.Wait()
	for _, d := range doors {
		_ = d.server.Close()
	}
	if drained || wait(s.drain.quiet(), cancelGrace) {
		return nil
	}
	return fmt.Errorf("stop serving: %d requests do not end although they were cancelled", s.drain.running())
}

// awaitRequests says whether all requests have ended, be it that they were
// cancelled.
func (s *Server) awaitRequests() bool {
	if wait(s.drain.quiet(), s.opts.DrainTimeout) {
		return true
	}
	s.log.Warn("Requests are still running, cancelling them", "requests", s.drain.running(), "waited", s.opts.DrainTimeout)
	s.endRequests()
	return wait(s.drain.quiet(), cancelGrace)
}

// wait says whether c was closed within the time.
func wait(c <-chan struct{}, atMost time.Duration) bool {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}
