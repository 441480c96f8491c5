package srcprom

import (
	"context"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// AlertsStatus counts the alerts that fire and are not inhibited, as they were a moment
// ago. It never blocks. An error says that they are not known yet, or that there is no
// built-in Alertmanager.
func (s *Server) AlertsStatus() (*client.AlertsStatus, error) {
	if s.started == nil {
		return nil, errNotMade
	}
	return s.alerting.AlertsStatus()
}

// Silences are the silences that are active or will be.
func (s *Server) Silences(ctx context.Context) ([]client.Silence, error) {
	if s.started == nil {
		return nil, errNotMade
	}
	return s.alerting.Silences(ctx)
}

// CreateSilence makes a silence, or changes the one whose ID it has, and returns its
// id. It survives a crash then. After an error nothing has changed.
func (s *Server) CreateSilence(ctx context.Context, silence client.Silence) (id string, err error) {
	if s.started == nil {
		return "", errNotMade
	}
	return s.alerting.CreateSilence(ctx, silence)
}

// ExpireSilence ends a silence. That survives a crash then. After an error nothing has
// changed.
func (s *Server) ExpireSilence(ctx context.Context, id string) error {
	if s.started == nil {
		return errNotMade
	}
	return s.alerting.ExpireSilence(ctx, id)
}
