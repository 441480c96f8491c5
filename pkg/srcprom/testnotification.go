package srcprom

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// TestNotification sends a notification that is marked as a test, through what runs or
// through a candidate, and says what became of it; see [alerting.Manager.TestNotification].
// A candidate is planned as by [Server.Plan], and not applied. The error is
// [config.Faults] where it is refused, [alerting.QueryError] or
// [alerting.UnknownReceiverError] where the request is wrong, or [ErrNotRunning].
func (s *Server) TestNotification(ctx context.Context, req client.TestNotificationRequest) (*client.TestNotificationResult, error) {
	if s.started == nil {
		return nil, errNotMade
	}
	on, err := s.testedConfig(ctx, req)
	if err != nil {
		return nil, err
	}
	result, err := s.alerting.TestNotification(ctx, on, req)
	if err != nil {
		return nil, err
	}
	for _, problem := range on.Problems {
		result.Problems = append(result.Problems, client.ConfigProblem{Description: problem, Kind: "SiteConfig"})
	}
	return result, nil
}

// testedConfig is the configuration that a test notification goes through.
func (s *Server) testedConfig(ctx context.Context, req client.TestNotificationRequest) (*config.Effective, error) {
	if !req.HasCandidate() {
		if current := s.running.Load().effective; current != nil {
			return current, nil
		}
		return nil, ErrNotRunning
	}
	change, err := s.candidate(req)
	if err != nil {
		return nil, err
	}
	unlock, err := s.lockConfig(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p, err := s.planChange(change)
	if err != nil {
		return nil, err
	}
	return p.next, nil
}

// candidate is the change that a request is about. Where it has a site configuration
// all of it counts as coming from there, since nothing else may set that.
func (s *Server) candidate(req client.TestNotificationRequest) (config.Change, error) {
	change := config.Change{
		Documents:  maps.Clone(req.Documents),
		Provenance: config.Provenance{Source: config.SourceHTTP, At: time.Now().UTC()},
	}
	if req.SiteConfig == nil {
		return change, nil
	}
	if s.opts.Source.Overlay == nil {
		return change, alerting.QueryError{Reason: "site_config: this server reads no site configuration"}
	}
	if _, given := req.Documents[config.SiteConfigDocument]; given {
		return change, config.Faults{{Document: config.SiteConfigDocument, Reason: "comes from site_config alone"}}
	}
	document, err := s.opts.Source.Overlay.Read(*req.SiteConfig)
	if err != nil {
		if faults, ok := errors.AsType[config.Faults](err); ok {
			return change, faults
		}
		return change, config.Faults{{Document: config.SiteConfigDocument, Reason: err.Error()}}
	}
	if change.Documents == nil {
		change.Documents = map[string]*string{}
	}
	change.Documents[config.SiteConfigDocument] = &document
	change.Provenance.Source = config.SourceSiteConfig
	return change, nil
}
