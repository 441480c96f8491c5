package main

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/siteconfig"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
)

// source plugs the site configuration into the server, which does not know what it
// is. It is none where none is wanted.
func (s *settings) source(log *slog.Logger, registry prometheus.Registerer) (srcprom.Source, error) {
	if !s.siteConfigOn {
		return srcprom.Source{}, nil
	}
	opts := s.siteConfig
	opts.Logger, opts.Registerer = log, registry
	for _, alert := range srcprom.HealthAlerts() {
		opts.OtherAlerts = append(opts.OtherAlerts, alert.Name)
	}
	sub, err := siteconfig.New(opts)
	if err != nil {
		return srcprom.Source{}, err
	}
	return srcprom.Source{
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
	}, nil
}
