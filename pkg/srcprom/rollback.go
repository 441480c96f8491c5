package srcprom

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// PlanRollback tells what Rollback would do, and changes nothing. Its error is that
// of Rollback.
func (s *Server) PlanRollback(ctx context.Context, to config.Rollback) (*config.Result, error) {
	return s.planOnly(ctx, func() (*plan, error) { return s.planRollback(to) })
}

// Rollback makes the server run the documents of an earlier version again, as a new
// version. Documents that become others by it count as pushed: Reload leaves them
// until their files say something else than they do now. No file is read. The error
// is that of [Server.Apply], or [config.ErrNotKept].
func (s *Server) Rollback(ctx context.Context, to config.Rollback) (*config.Result, error) {
	return s.planAndCommit(ctx, func() (*plan, error) { return s.planRollback(to) })
}

func (s *Server) planRollback(to config.Rollback) (*plan, error) {
	accepted := s.running.Load().accepted
	if err := checkVersion(accepted, to.IfVersion); err != nil {
		return nil, err
	}
	target, err := s.state.VersionAt(to.Version)
	if errors.Is(err, state.ErrNoVersion) {
		return nil, fmt.Errorf("%w: %d; see the configuration history for those that are", config.ErrNotKept, to.Version)
	}
	if err != nil {
		return nil, err
	}
	p, err := s.planAfter(standIns(accepted, &target.Accepted), &config.Merged{
		Documents: rolledBack(accepted.Documents, target.Documents, to.Provenance),
		LastRead:  merge(target.LastRead, accepted.LastRead),
	})
	if err != nil {
		return nil, err
	}
	p.rolledBackTo = to.Version
	return p, p.checkStrict(to.Strict)
}

// rolledBack are the documents of a target. Those that are the same now keep their
// provenance.
func rolledBack(now, target config.Documents, provenance config.Provenance) config.Documents {
	if provenance.At.IsZero() {
		provenance.At = time.Now()
	}
	docs := make(config.Documents, len(target))
	for name, doc := range target {
		doc.Provenance = provenance
		if have, ok := now[name]; ok && have.Content == doc.Content {
			doc = have
		}
		docs[name] = doc
	}
	return docs
}

// standIns is what entries are taken from that stand in for those that have to be
// set aside. What stood in for an entry in the target does so again; for others it
// is what runs now.
func standIns(now, target *config.Accepted) *config.Accepted {
	previous := *now
	previous.Standing = merge(now.Standing, target.Standing)
	return &previous
}

// merge is one map with another put over it.
func merge(under, over map[string]string) map[string]string {
	merged := make(map[string]string, len(under)+len(over))
	maps.Copy(merged, under)
	maps.Copy(merged, over)
	return merged
}
