package srcprom

import (
	"errors"
	"fmt"
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
	return documentsOf(s.opts.Documents, config.SourceGo, now)
}

// documentsOf makes documents of texts by their names.
func documentsOf(texts map[string]string, source config.Source, at time.Time) (config.Documents, error) {
	change := config.Change{
		Documents:  make(map[string]*string, len(texts)),
		Provenance: config.Provenance{Source: source, At: at},
	}
	for name, text := range texts {
		change.Documents[name] = &text
	}
	return change.ApplyTo(nil, at)
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
	if err := checkVersion(accepted, change.IfVersion); err != nil {
		return nil, err
	}
	if err := checkMarks(change); err != nil {
		return nil, err
	}
	docs, err := change.ApplyTo(accepted.Documents, now)
	if err != nil {
		return nil, err
	}
	after := &config.Accepted{Documents: docs, Standing: accepted.Standing, LastRead: merge(accepted.LastRead, change.LastRead)}
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
	return p, p.checkStrict(change.Strict)
}

// checkVersion refuses what was asked for another version than the one that runs.
func checkVersion(accepted *config.Accepted, want *uint64) error {
	if want == nil || *want == accepted.Version {
		return nil
	}
	return fmt.Errorf("%w: it is at %d, and the change was made for %d", config.ErrVersion, accepted.Version, *want)
}

// checkStrict refuses a plan that sets entries aside, where the caller did not want
// that.
func (p *plan) checkStrict(strict bool) error {
	if !strict || len(p.next.SetAside) == 0 {
		return nil
	}
	return strictError{setAsideFaults(p.next.SetAside)}
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
	return s.planAfter(s.running.Load().accepted, merged)
}

// planAfter does so where the entries of another configuration than that which runs
// are to stand in for those that have to be set aside.
func (s *Server) planAfter(previous *config.Accepted, merged *config.Merged) (*plan, error) {
	next, err := s.load(previous, merged)
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

func (s *Server) load(previous *config.Accepted, merged *config.Merged) (*config.Effective, error) {
	opts := s.opts.load()
	opts.ConfigDir, opts.AlertmanagerDir = s.paths.ConfigDir, s.paths.AlertmanagerDir
	opts.Previous, opts.Running = previous, s.running.Load().effective
	opts.Overlay = s.opts.Source.Overlay
	opts.Parser = s.store.Parser()
	opts.Logger = s.log
	next, err := config.Load(withBuiltin(merged.Documents, s.builtin), opts)
	if err != nil {
		return nil, err
	}
	next.SetAside = append(merged.SetAside, next.SetAside...)
	next.Unmatched = merged.Unmatched
	for _, unmatched := range merged.Unmatched {
		merged.Warnings = append(merged.Warnings, unmatched.String())
	}
	next.Warnings = append(merged.Warnings, next.Warnings...)
	next.Warnings = append(next.Warnings, tracingWarnings(next)...)
	return next, nil
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
