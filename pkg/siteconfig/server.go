package siteconfig

import (
	"context"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// Server is what a [Subscriber] needs of the server that it looks after.
type Server interface {
	// Apply changes the configuration; Plan says what would happen.
	Apply(context.Context, config.Change) (*config.Result, error)
	Plan(context.Context, config.Change) (*config.Result, error)
	// Current is the configuration that runs, nil before the first.
	Current() *config.Accepted
	// Ready is closed when the server runs its first configuration.
	Ready() <-chan struct{}
	// Silences are those that are active or will be.
	Silences(context.Context) ([]client.Silence, error)
	// CreateSilence makes a silence, or changes the one whose ID it has; ExpireSilence
	// ends one. Without an error that survives a crash.
	CreateSilence(context.Context, client.Silence) (id string, err error)
	ExpireSilence(ctx context.Context, id string) error
}
