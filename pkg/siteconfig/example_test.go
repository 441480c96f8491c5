package siteconfig_test

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/siteconfig"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
)

// A server that does what the site configuration of a Sourcegraph instance says about
// alerts.
func Example() {
	settings := siteconfig.DefaultOptions()
	settings.URL = "http://sourcegraph-frontend-internal"
	sub, err := siteconfig.New(settings)
	if err != nil {
		fmt.Println(err)
		return
	}
	opts := srcprom.DefaultOptions()
	opts.Source = srcprom.Source{
		Overlay:  sub.Overlay(),
		Builtin:  sub.Builtin(),
		Handlers: sub.Handlers(),
		Checks:   sub.Checks(),
		Detail:   sub.Detail,
		Applied:  sub.Applied,
		Push: func(ctx context.Context, server *srcprom.Server, text string, dryRun bool) (*client.SiteConfigResult, error) {
			return sub.Push(ctx, server, text, dryRun)
		},
		Run: func(ctx context.Context, server *srcprom.Server) error { return sub.Run(ctx, server) },
	}
	server, err := srcprom.New(opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := server.Run(ctx); err != nil {
		fmt.Println(err)
	}
}
