package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"
)

// Merged is the desired state after files have been read.
type Merged struct {
	Documents Documents
	// LastRead goes into the next [Accepted].
	LastRead map[string]string
	// SetAside names the files whose documents are not what they should be: the
	// accepted version stands in for them, or they are absent. It is to be
	// reported with Effective.SetAside.
	SetAside []SetAside
	// Unmatched are the globs that match nothing, to be reported with
	// Effective.Unmatched.
	Unmatched []Unmatched
	Warnings  []string
}

// Merge decides who wins: a document keeps its last writer. prev is what was
// last accepted, nil for nothing; files are all files that belong to the desired
// state now.
//
//   - A file makes its document, unless the document was pushed (or removed) since
//     and the file still has the content that was last read from it.
//   - Documents of files that are not among files any more disappear. Pushed ones stay.
//   - For a file that cannot be read the accepted document stands in, and SetAside
//     says so. Where there is none, a rule or scrape file is absent, and any other
//     is an error of type [Faults]. So is a file that [GatherAccepted] was told to be wrong.
func Merge(prev *Accepted, files []File, now time.Time) (*Merged, error) {
	if prev == nil {
		prev = &Accepted{}
	}
	m := &Merged{Documents: Documents{}, LastRead: map[string]string{}}
	for name, doc := range prev.Documents {
		if doc.Provenance.Source != SourceFile {
			m.Documents[name] = doc
		}
	}
	for key, read := range prev.LastRead {
		if !filepath.IsAbs(key) {
			m.LastRead[key] = read
		}
	}
	var faults Faults
	for _, file := range files {
		if file.Err == nil {
			m.take(prev, file, now)
		} else if fault := m.standIn(prev, file); fault != nil {
			faults = append(faults, *fault)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return m, nil
}

// take decides between a file that was read and what was accepted.
func (m *Merged) take(prev *Accepted, file File, now time.Time) {
	next := Document{
		Name:       file.Document,
		Content:    file.Content,
		Provenance: Provenance{Source: SourceFile, Path: file.Path, At: now},
	}
	hash := next.Hash()
	m.LastRead[file.Path] = hash
	have, ok := prev.Documents[file.Document]
	unchanged := prev.LastRead[file.Path] == hash
	switch {
	case ok && have.Provenance.Source == SourceFile:
		if have.Provenance.Path == file.Path && have.Content == file.Content {
			next = have // with the time at which it came
		}
		m.Documents[file.Document] = next
	case ok && unchanged:
		m.Warnings = append(m.Warnings, fmt.Sprintf("%s: %q is not used: the document came in over %s since, and the file has not changed",
			file.Document, file.Path, have.Provenance.Source))
	case !ok && unchanged:
		m.Warnings = append(m.Warnings, fmt.Sprintf("%s: %q is not used: the document was removed since, and the file has not changed",
			file.Document, file.Path))
	default:
		m.Documents[file.Document] = next
	}
}

// standIn decides what runs for a file that could not be read.
func (m *Merged) standIn(prev *Accepted, file File) *Fault {
	if hash, ok := prev.LastRead[file.Path]; ok {
		m.LastRead[file.Path] = hash
	}
	have, ok := prev.Documents[file.Document]
	switch {
	case ok && have.Provenance.Source != SourceFile:
		m.Warnings = append(m.Warnings, fmt.Sprintf("%s: %s; the document that came in over %s goes on running",
			file.Document, file.Err, have.Provenance.Source))
		return nil
	case ok && have.Provenance.Path == file.Path:
		m.Documents[file.Document] = have
		m.aside(file, "its accepted version goes on running")
		return nil
	case file.isWrong():
		return &Fault{Document: file.Document, Line: file.line(), Reason: file.Err.Error()}
	case strings.HasPrefix(file.Document, RulesPrefix), strings.HasPrefix(file.Document, ScrapePrefix):
		m.aside(file, "it has no accepted version")
		return nil
	default:
		return &Fault{Document: file.Document, Reason: file.Err.Error()}
	}
}

func (m *Merged) aside(file File, consequence string) {
	m.SetAside = append(m.SetAside, SetAside{
		Document: file.Document,
		Name:     file.Path,
		Line:     file.line(),
		Reason:   fmt.Sprintf("%s; %s", file.Err, consequence),
	})
}

// with returns the documents with others put over them.
func (m *Merged) with(given Documents) Documents {
	all := maps.Clone(m.Documents)
	maps.Copy(all, given)
	return all
}
