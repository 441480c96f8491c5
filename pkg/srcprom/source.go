package srcprom

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// paths are the files that the options name.
func (o *Options) paths() config.Paths {
	return config.Paths{Prometheus: o.ConfigFile, Alertmanager: o.AlertmanagerConfigFile}
}

// planFirst plans the configuration that Run begins with. Where a file is wrong
// or missing, and a version of it has been accepted before, that one runs.
func (s *Server) planFirst() error {
	accepted, err := s.state.Accepted()
	if err != nil {
		return err
	}
	if accepted == nil {
		accepted = &config.Accepted{}
	}
	s.running.Store(&running{accepted: accepted})
	now := time.Now()
	given, err := s.given(now)
	if err != nil {
		return err
	}
	merged, err := config.Gather(accepted, s.paths, given, now)
	if err != nil {
		return err
	}
	s.firstSum = s.checksum(merged.Documents)
	s.first, err = s.plan(merged)
	var faults config.Faults
	if !errors.As(err, &faults) {
		return err
	}
	merged, err = config.GatherAccepted(accepted, s.paths, given, now, faults)
	if err != nil {
		return err
	}
	s.first, err = s.plan(merged)
	return err
}

// given are the documents of the options, which win over everything.
func (s *Server) given(now time.Time) (config.Documents, error) {
	change := config.Change{
		Documents:  make(map[string]*string, len(s.opts.Documents)),
		Provenance: config.Provenance{Source: config.SourceGo, At: now},
	}
	for name, text := range s.opts.Documents {
		change.Documents[name] = &text
	}
	return change.ApplyTo(nil, now)
}

// planFiles plans the configuration files as they are now.
func (s *Server) planFiles() (*plan, error) {
	merged, err := config.Gather(s.running.Load().accepted, s.paths, nil, time.Now())
	if err != nil {
		return nil, err
	}
	return s.plan(merged)
}

// planChange plans a change of what runs. The two main documents stay as they
// were accepted, whatever their files say by now; what their globs match is read
// anew.
func (s *Server) planChange(change config.Change) (*plan, error) {
	accepted, now := s.running.Load().accepted, time.Now()
	if change.IfVersion != nil && *change.IfVersion != accepted.Version {
		return nil, fmt.Errorf("%w: it is at %d, and the change was made for %d", config.ErrVersion, accepted.Version, *change.IfVersion)
	}
	if err := checkMarks(change); err != nil {
		return nil, err
	}
	docs, err := change.ApplyTo(accepted.Documents, now)
	if err != nil {
		return nil, err
	}
	after := &config.Accepted{Documents: docs, Standing: accepted.Standing, LastRead: accepted.LastRead}
	merged, err := config.Gather(after, config.Paths{ConfigDir: s.paths.ConfigDir, AlertmanagerDir: s.paths.AlertmanagerDir}, mainDocuments(docs), now)
	if err != nil {
		return nil, err
	}
	for _, path := range []string{s.paths.Prometheus, s.paths.Alertmanager} {
		if hash, ok := accepted.LastRead[path]; ok {
			merged.LastRead[path] = hash
		}
	}
	p, err := s.plan(merged)
	if err != nil {
		return nil, err
	}
	if change.Strict && len(p.next.SetAside) > 0 {
		return nil, strictError{setAsideFaults(p.next.SetAside)}
	}
	return p, nil
}

// checkMarks refuses documents that were read from a server, and so have a mark
// where a secret belongs.
func checkMarks(change config.Change) error {
	var faults config.Faults
	for name, text := range change.Documents {
		if text != nil {
			faults = append(faults, config.RedactionMarks(config.Document{Name: name, Content: *text})...)
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

func mainDocuments(docs config.Documents) config.Documents {
	mains := config.Documents{}
	for _, name := range []string{config.PrometheusDocument, config.AlertmanagerDocument} {
		if doc, ok := docs[name]; ok {
			mains[name] = doc
		}
	}
	return mains
}

// plan checks and builds a configuration for every part.
func (s *Server) plan(merged *config.Merged) (*plan, error) {
	next, err := s.load(merged)
	if err != nil {
		return nil, err
	}
	p := &plan{lastRead: merged.LastRead, next: next}
	for _, part := range s.parts {
		step, err := part.Prepare(s.running.Load().effective, next)
		if err != nil {
			return nil, err
		}
		p.steps = append(p.steps, step)
		p.changes = append(p.changes, step.Changes...)
	}
	return p, nil
}

func (s *Server) load(merged *config.Merged) (*config.Effective, error) {
	opts := s.opts.load()
	opts.ConfigDir, opts.AlertmanagerDir = s.paths.ConfigDir, s.paths.AlertmanagerDir
	opts.Previous, opts.Running = s.running.Load().accepted, s.running.Load().effective
	opts.Parser = s.store.Parser()
	opts.Logger = s.log
	next, err := config.Load(withBuiltin(merged.Documents, s.builtin), opts)
	if err != nil {
		return nil, err
	}
	next.SetAside = append(merged.SetAside, next.SetAside...)
	next.Warnings = append(merged.Warnings, next.Warnings...)
	next.Warnings = append(next.Warnings, tracingWarnings(next)...)
	return next, nil
}

// successor is what is accepted after a plan has been carried out. Its version
// grows only if it says something else.
func (s *Server) successor(before *config.Accepted, p *plan) *config.Accepted {
	after := &config.Accepted{
		Version:   before.Version,
		AppliedAt: before.AppliedAt,
		Documents: withoutBuiltin(p.next.Documents),
		Standing:  p.next.Standing,
		LastRead:  p.lastRead,
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
func (s *Server) keep(before, after *config.Accepted) error {
	if before.Version == after.Version && maps.Equal(before.LastRead, after.LastRead) {
		return nil
	}
	err := s.state.SetAccepted(after)
	if err == nil {
		return nil
	}
	if hasPushed(before, after) {
		return err
	}
	s.log.Error("The configuration runs, but is not kept: if its files cannot be read at the next start, an older one will run", "err", err)
	return nil
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

// checksum tells two states of the configuration files apart; empty when they
// cannot be read, which may be only for the moment in which one is replaced.
func (s *Server) checksum(docs config.Documents) string {
	sum, err := config.Checksum(s.paths, docs)
	if err != nil {
		s.log.Warn("Looking for changes of the configuration files; it is tried again", "err", err)
		return ""
	}
	return sum
}
