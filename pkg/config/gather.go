package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
	yamlv2 "go.yaml.in/yaml/v2"
)

// Paths say where documents are read from.
type Paths struct {
	// Prometheus and Alertmanager are the paths of prometheus.yml and
	// alertmanager.yml; empty means that there is none.
	Prometheus, Alertmanager string
	// ConfigDir is the directory for relative paths in the prometheus document.
	// Empty means that of the file, or else the working directory.
	ConfigDir string
	// AlertmanagerDir is the same for the alertmanager document.
	AlertmanagerDir string
}

// Absolute returns the paths with their defaults filled in, all absolute.
func (p Paths) Absolute() (Paths, error) {
	for _, dir := range []struct{ dir, file *string }{
		{&p.ConfigDir, &p.Prometheus},
		{&p.AlertmanagerDir, &p.Alertmanager},
	} {
		if *dir.dir == "" && *dir.file != "" {
			*dir.dir = filepath.Dir(*dir.file)
		}
		abs, err := filepath.Abs(*dir.dir)
		if err != nil {
			return Paths{}, fmt.Errorf("find the directory of the configuration: %w", err)
		}
		*dir.dir = abs
		if *dir.file == "" {
			continue
		}
		if *dir.file, err = filepath.Abs(*dir.file); err != nil {
			return Paths{}, fmt.Errorf("find the configuration file %q: %w", *dir.file, err)
		}
	}
	return p, nil
}

// Gather reads all files anew and finds out what the desired state is now:
// prometheus.yml and alertmanager.yml, then what the globs in these documents
// match, whatever source they are from. given are documents that win over
// everything; nil means none. What may be wrong with a file is described at [Merge].
func Gather(prev *Accepted, paths Paths, given Documents, now time.Time) (*Merged, error) {
	return gather(prev, paths, given, now, nil)
}

// GatherAccepted is Gather for a start that shall not fail because of files that
// [Load] refused: the accepted version of each stands in for it, and is what globs
// are read from. The error is of type [Faults] when one has no accepted version,
// or when a fault is not that of a file.
func GatherAccepted(prev *Accepted, paths Paths, given Documents, now time.Time, refused Faults) (*Merged, error) {
	wrong := map[string]Fault{}
	for _, fault := range refused {
		if _, again := wrong[fault.Document]; !again {
			wrong[fault.Document] = fault
		}
	}
	merged, err := gather(prev, paths, given, now, wrong)
	if err != nil {
		return nil, err
	}
	if len(wrong) > 0 {
		return nil, refused
	}
	return merged, nil
}

// gather takes those out of wrong that it has found a file of.
func gather(prev *Accepted, paths Paths, given Documents, now time.Time, wrong map[string]Fault) (*Merged, error) {
	paths, err := paths.Absolute()
	if err != nil {
		return nil, err
	}
	read := distrust(readMain(paths), given, wrong)
	mains, err := Merge(prev, read, now)
	if err != nil {
		return nil, err
	}
	matched, err := readMatched(mains.with(given), paths)
	if err != nil {
		return nil, err
	}
	matched.files = append(matched.files, unmatched(prev, read, matched.files)...)
	merged, err := Merge(prev, append(read, distrust(matched.files, given, wrong)...), now)
	if err != nil {
		return nil, err
	}
	merged.Documents = merged.with(given)
	merged.Unmatched = matched.unmatched
	return merged, nil
}

// distrust makes files that were found to be wrong look as if they could not be read.
func distrust(files []File, given Documents, wrong map[string]Fault) []File {
	for i, file := range files {
		_, covered := given[file.Document]
		if fault, ok := wrong[file.Document]; ok && !covered {
			files[i].Err = wrongFile{path: file.Path, fault: fault}
			delete(wrong, file.Document)
		}
	}
	return files
}

// unmatched are the accepted files that the globs of a main document do not match
// any more, where that document's own file cannot be read either: a directory that
// is gone as a whole must not take rules, jobs and templates with it.
func unmatched(prev *Accepted, mains, found []File) []File {
	if prev == nil {
		return nil
	}
	have := map[string]bool{}
	for _, file := range found {
		have[file.Document] = true
	}
	var files []File
	for _, main := range mains {
		if main.Err == nil {
			continue
		}
		for _, prefix := range globbedBy(main.Document) {
			for _, doc := range prev.Documents.WithPrefix(prefix) {
				if doc.Provenance.Source == SourceFile && !have[doc.Name] {
					files = append(files, readFile(doc.Name, doc.Provenance.Path))
				}
			}
		}
	}
	return files
}

// globbedBy are the prefixes of the documents that a main document's globs match.
func globbedBy(document string) []string {
	if document == AlertmanagerDocument {
		return []string{TemplatesPrefix}
	}
	return []string{RulesPrefix, ScrapePrefix}
}

// File is a file that belongs to the desired state, as it is on disk.
type File struct {
	Document string // the name of the document that it is
	Path     string // absolute
	Content  string
	Err      error // why it could not be read; it names the file
}

// wrongFile is the Err of a file that could be read, but not be used.
type wrongFile struct {
	path  string
	fault Fault
}

func (e wrongFile) Error() string { return fmt.Sprintf("%q: %s", e.path, e.fault.Reason) }

func (f File) isWrong() bool { return errors.As(f.Err, new(wrongFile)) }

// line is where a wrong file is wrong; 0 when that is unknown.
func (f File) line() int {
	var wrong wrongFile
	errors.As(f.Err, &wrong)
	return wrong.fault.Line
}

func readFile(document, path string) File {
	content, err := readText(path)
	return File{Document: document, Path: path, Content: content, Err: err}
}

func readMain(paths Paths) []File {
	var files []File
	if paths.Prometheus != "" {
		files = append(files, readFile(PrometheusDocument, paths.Prometheus))
	}
	if paths.Alertmanager != "" {
		files = append(files, readFile(AlertmanagerDocument, paths.Alertmanager))
	}
	return files
}

// matched are the files that globs match.
type matched struct {
	files     []File
	unmatched []Unmatched
}

// readMatched reads what the globs of the two documents match.
func readMatched(docs Documents, paths Paths) (*matched, error) {
	m := &matched{}
	seen := map[string]bool{}
	for _, g := range globsOf(docs, paths) {
		found, err := filepath.Glob(g.pattern)
		if err != nil {
			return nil, Faults{{Document: g.document, Reason: fmt.Sprintf("%s has the pattern %q: %s", g.setting, g.pattern, err)}}
		}
		if none := (Unmatched{Document: g.document, Setting: g.setting, Pattern: g.pattern}); len(found) == 0 && !slices.Contains(m.unmatched, none) {
			m.unmatched = append(m.unmatched, none)
		}
		for _, path := range found {
			if name := documentName(g.prefix, g.dir, path); !seen[name] {
				seen[name] = true
				m.files = append(m.files, readFile(name, path))
			}
		}
	}
	return m, nil
}

// glob is one pattern of a document.
type glob struct {
	document, setting string
	prefix            string // of the names of documents that it matches
	dir               string
	pattern           string // absolute
}

// globsOf finds the patterns in the two documents. One that does not parse has
// none: Load says what is wrong with it.
func globsOf(docs Documents, paths Paths) []glob {
	var globs []glob
	for _, setting := range []glob{
		{document: PrometheusDocument, setting: "rule_files", prefix: RulesPrefix, dir: paths.ConfigDir},
		{document: PrometheusDocument, setting: "scrape_config_files", prefix: ScrapePrefix, dir: paths.ConfigDir},
		{document: AlertmanagerDocument, setting: "templates", prefix: TemplatesPrefix, dir: paths.AlertmanagerDir},
	} {
		for _, pattern := range patternsIn(docs[setting.document].Content, setting.setting) {
			g := setting
			g.pattern = filepath.Clean(commoncfg.JoinDir(g.dir, pattern))
			globs = append(globs, g)
		}
	}
	return globs
}

// patternsIn reads a list at the top of a document, and nothing else of it.
func patternsIn(text, setting string) []string {
	if !strings.Contains(text, setting) {
		return nil
	}
	var doc struct {
		Rules     []string `yaml:"rule_files"`
		Scrape    []string `yaml:"scrape_config_files"`
		Templates []string `yaml:"templates"`
	}
	if err := guard(func() error { return yamlv2.Unmarshal([]byte(text), &doc) }); err != nil {
		return nil
	}
	switch setting {
	case "rule_files":
		return doc.Rules
	case "scrape_config_files":
		return doc.Scrape
	default:
		return doc.Templates
	}
}
