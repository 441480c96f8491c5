package srcprom

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// successor is what is accepted after a plan has been carried out. Its version
// grows only if it says something else.
func (s *Server) successor(before *config.Accepted, p *plan) *state.Version {
	after := &state.Version{
		Accepted: config.Accepted{
			Version:   before.Version,
			AppliedAt: before.AppliedAt,
			Documents: withoutBuiltin(p.next.Documents),
			Standing:  p.next.Standing,
			LastRead:  p.lastRead,
		},
		Changes:      p.changes,
		SetAside:     p.next.SetAside,
		RolledBackTo: p.rolledBackTo,
	}
	if before.Version == 0 || len(config.Diff(before.Documents, after.Documents)) > 0 || !maps.Equal(before.Standing, after.Standing) {
		after.Version++
		after.AppliedAt = time.Now()
	}
	return after
}

// keep writes an accepted configuration to the state. A configuration of which
// all that is new came from files does not depend on that: they are still there
// at the next start. Anything else must be refused when it cannot be kept.
func (s *Server) keep(before *config.Accepted, after *state.Version) error {
	if isKept(before, after) {
		return nil
	}
	return s.accept(before, after)
}

// keepFirst is keep for a start. What a program without a history of configurations
// has kept gets into it now, so that it can be gone back to.
func (s *Server) keepFirst(before *config.Accepted, after *state.Version) error {
	_, err := s.state.VersionAt(after.Version)
	if isKept(before, after) && !errors.Is(err, state.ErrNoVersion) {
		return nil
	}
	return s.accept(before, after)
}

func (s *Server) accept(before *config.Accepted, after *state.Version) error {
	err := s.state.Accept(after)
	if err == nil {
		return nil
	}
	if after.RolledBackTo != 0 || hasPushed(before, &after.Accepted) {
		return err
	}
	s.log.Error("The configuration runs, but is not kept: if its files cannot be read at the next start, an older one will run", "err", err)
	return nil
}

// takeBack keeps what ran before in the place of what then could not be made to run.
func (s *Server) takeBack(before *config.Accepted, after *state.Version) error {
	if isKept(before, after) {
		return nil
	}
	if err := s.state.Accept(&state.Version{Accepted: *before}); err != nil {
		return fmt.Errorf("take back the configuration that could not be made to run: %w", err)
	}
	return nil
}

// isKept says whether what was kept before says all of what comes after.
func isKept(before *config.Accepted, after *state.Version) bool {
	return before.Version == after.Version && maps.Equal(before.LastRead, after.LastRead)
}

// hasPushed says whether a document that is new did not come from a file.
func hasPushed(before, after *config.Accepted) bool {
	for name, doc := range after.Documents {
		if doc.Provenance.Source != config.SourceFile && before.Documents[name].Content != doc.Content {
			return true
		}
	}
	for name, doc := range before.Documents {
		if _, there := after.Documents[name]; !there && doc.Provenance.Source != config.SourceFile {
			return true
		}
	}
	return false
}
