package siteconfig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// Subscriber makes a server do what a site configuration says. Its methods are safe for
// concurrent use.
type Subscriber struct {
	opts     Options
	address  *url.URL // of the frontend; nil for none
	log      *slog.Logger
	overlay  config.Overlay
	status   *status
	metrics  *metrics
	silences *silences
	started  atomic.Bool
	// brought is the checksum of the text that the source has brought last, whether or not
	// it could be used; nil before the first.
	brought atomic.Pointer[string]
}

// New returns a Subscriber that does nothing before [Subscriber.Run].
func New(opts Options) (*Subscriber, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("siteconfig: %w", err)
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	address, err := opts.address()
	if err != nil {
		return nil, fmt.Errorf("siteconfig: %w", err)
	}
	s := &Subscriber{
		opts:    opts,
		address: address,
		log:     opts.Logger.With("component", "siteconfig"),
		overlay: newOverlay(opts),
		status:  newStatus(opts.PollInterval),
	}
	s.metrics = newMetrics(s)
	s.silences = newSilences(s.log, opts.alertsWithoutRules(), s.metrics.unmatched)
	if err := s.metrics.register(opts.Registerer); err != nil {
		return nil, fmt.Errorf("siteconfig: register metrics: %w", err)
	}
	return s, nil
}

// Overlay translates the document that the subscriber makes.
func (s *Subscriber) Overlay() config.Overlay { return s.overlay }

// Applied takes note of a configuration that runs. It never blocks.
func (s *Subscriber) Applied(e *config.Effective) {
	s.status.runs(e)
	s.silences.runs(e)
}

// Run looks after the site configuration of a server until ctx is done. It may be
// called once.
func (s *Subscriber) Run(ctx context.Context, server Server) error {
	if s.started.Swap(true) {
		return errors.New("siteconfig: Run has been called before")
	}
	select {
	case <-server.Ready():
	case <-ctx.Done():
		return nil
	}
	s.resume(server.Current())
	var keeping sync.WaitGroup
	defer keeping.Wait()
	keeping.Go(func() { s.silences.run(ctx, server) })
	if !s.isWatched() {
		<-ctx.Done()
		return nil
	}
	s.poll(ctx, server, s.source())
	return nil
}

// resume goes on from what the server has kept.
func (s *Subscriber) resume(current *config.Accepted) {
	if current == nil {
		return
	}
	if sum, ok := current.LastRead[lastReadKey]; ok {
		s.brought.CompareAndSwap(nil, &sum)
	}
	if _, ok := current.Documents[config.SiteConfigDocument]; ok {
		s.status.applied(current.Version)
	}
}

// poll asks the source until ctx is done.
func (s *Subscriber) poll(ctx context.Context, server Server, from source) {
	defer from.close()
	s.status.start(time.Now())
	(&poller{Subscriber: s, server: server, source: from}).run(ctx)
}

// isWatched says whether there is a source to ask.
func (s *Subscriber) isWatched() bool { return s.opts.File != "" || s.opts.URL != "" }

func (s *Subscriber) source() source {
	if s.opts.File != "" {
		return newFile(s.opts.File, s.log)
	}
	return newFrontend(s.address, s.opts, s.log)
}
