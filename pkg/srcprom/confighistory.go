package srcprom

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// ConfigHistory returns the configurations that were accepted, the newest first,
// without any secret: up to limit of those whose versions are less than before,
// which is 0 for the newest.
func (s *Server) ConfigHistory(ctx context.Context, before uint64, limit int) (*client.ConfigHistory, error) {
	if s.started == nil {
		return nil, errNotMade
	}
	versions, err := s.state.Versions(before, limit+1) // the last one only to compare with
	if err != nil && (len(versions) == 0 || !errors.Is(err, state.ErrDamaged)) {
		return nil, err
	}
	if err != nil {
		s.log.Warn("Versions of the configuration cannot be read, and are left out of its history", "err", err)
	}
	history := &client.ConfigHistory{Versions: []client.ConfigVersion{}}
	for i, version := range versions[:min(limit, len(versions))] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var previous state.Version
		if i+1 < len(versions) {
			previous = versions[i+1]
		}
		history.Versions = append(history.Versions, wireVersion(&previous, &version))
	}
	if len(versions) > limit {
		history.Next = versions[limit-1].Version
	}
	return history, nil
}

func wireVersion(previous, version *state.Version) client.ConfigVersion {
	wire := client.ConfigVersion{
		Version:      version.Version,
		AppliedAt:    version.AppliedAt,
		Changes:      append([]string{}, version.Changes...), // [], never null
		SetAside:     []client.SetAside{},
		RolledBackTo: version.RolledBackTo,
		Documents:    map[string]client.DocumentChange{},
	}
	for _, entry := range version.SetAside {
		wire.SetAside = append(wire.SetAside, client.SetAside(entry))
	}
	for _, name := range union(previous.Documents, version.Documents).Names() {
		from, had := previous.Documents[name]
		to, has := version.Documents[name]
		if had && has && from.Content == to.Content {
			continue
		}
		change := client.DocumentChange{Diff: unifiedDiff(name, edition{from, previous.Version, had}, edition{to, version.Version, has})}
		if has {
			change.Provenance, change.Hash = wireProvenance(to), to.Hash()
		} else {
			change.Provenance = wireProvenance(from)
		}
		wire.Documents[name] = change
	}
	return wire
}

func union(a, b config.Documents) config.Documents {
	all := make(config.Documents, len(a)+len(b))
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

func wireProvenance(doc config.Document) client.Provenance {
	return client.Provenance{Source: string(doc.Provenance.Source), Path: doc.Provenance.Path, At: doc.Provenance.At}
}

// edition is a document in one version of the configuration.
type edition struct {
	doc     config.Document
	version uint64
	exists  bool
}

// unifiedDiff compares what may be shown of two editions.
func unifiedDiff(name string, from, to edition) string {
	text := diff.Diff(from.label(name), from.shown(), to.label(name), to.shown())
	_, unified, _ := strings.Cut(string(text), "\n") // its first line is not of the format
	return unified
}

func (e edition) label(name string) string {
	if !e.exists {
		return "/dev/null"
	}
	return fmt.Sprintf("%s@%d", name, e.version)
}

func (e edition) shown() []byte {
	if !e.exists {
		return nil
	}
	return []byte(config.Redact(e.doc))
}
