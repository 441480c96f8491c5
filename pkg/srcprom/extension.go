package srcprom

import (
	"context"
	"net/http"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/health"
)

// Source is a source of configuration beside files, the Go API and the HTTP API. The
// zero value is none. All of its fields may be nil.
type Source struct {
	// Overlay computes what runs from the document that the source makes.
	Overlay config.Overlay
	// Builtin are documents that run where no other source has given one of the same
	// name, or, of rules, a file of the same name in any directory. They are never kept.
	Builtin map[string]string
	// Handlers are mounted below the route prefix, each at exactly its path: with a slash
	// at its end clients are sent to the one without it. They get any method; those below
	// /prom-wrapper/, which must change nothing, also from pages of other origins. They
	// must not wait for an apply.
	Handlers map[string]http.Handler
	// Checks look at the source. Their alerts are raised like the server's own.
	Checks []health.Check
	// Detail is told with readiness, whether the server is ready or not.
	Detail func() []string
	// Applied is called after each apply, with what runs now. It must not call the
	// server.
	Applied func(*config.Effective)
	// Push takes what somebody has sent to POST /api/srcprom/v1/siteconfig, or says
	// what would happen then. Its errors are those of [Server.Apply].
	Push func(ctx context.Context, server *Server, text string, dryRun bool) (*client.SiteConfigResult, error)
	// Run looks after the source until ctx is done, from when the listeners answer.
	// Its errors are logged, and end nothing but the source.
	Run func(ctx context.Context, server *Server) error
}

// runSource runs the source; a server goes on without it.
func (s *Server) runSource(ctx context.Context) error {
	if s.opts.Source.Run != nil {
		if err := s.opts.Source.Run(ctx, s); err != nil && ctx.Err() == nil {
			s.log.Error("A source of configuration has ended; what it brought last goes on running", "err", err)
		}
	}
	<-ctx.Done()
	return nil
}

// push is nil when the source takes nothing.
func (s *Server) push() func(context.Context, string, bool) (*client.SiteConfigResult, error) {
	if s.opts.Source.Push == nil {
		return nil
	}
	return func(ctx context.Context, text string, dryRun bool) (*client.SiteConfigResult, error) {
		return s.opts.Source.Push(ctx, s, text, dryRun)
	}
}
