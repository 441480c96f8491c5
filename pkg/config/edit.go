package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxNameBytes bounds the name of a document.
const maxNameBytes = 1024

// ApplyTo returns the documents as they are after the change; docs stays as it
// is. A document whose content is not changed keeps its provenance. Names that
// cannot be set and texts that cannot be a document are an error of type [Faults].
func (c Change) ApplyTo(docs Documents, now time.Time) (Documents, error) {
	provenance := c.Provenance
	if provenance.At.IsZero() {
		provenance.At = now
	}
	next := maps.Clone(docs)
	if next == nil {
		next = Documents{}
	}
	var faults Faults
	for _, name := range slices.Sorted(maps.Keys(c.Documents)) {
		content := c.Documents[name]
		if name == SiteConfigDocument && !c.setsSiteConfig(name) {
			faults = append(faults, Fault{Document: name, Reason: "only its own source sets and removes it: push a site configuration, or switch its source off"})
			continue
		}
		if _, there := docs[name]; content == nil && there { // whatever it is called
			delete(next, name)
			continue
		}
		if err := checkName(name); err != nil && !c.setsSiteConfig(name) {
			faults = append(faults, Fault{Document: strings.ToValidUTF8(name, "\ufffd"), Reason: err.Error()})
			continue
		}
		if content == nil {
			delete(next, name)
			continue
		}
		if err := checkText(*content); err != nil {
			faults = append(faults, Fault{Document: name, Reason: err.Error()})
			continue
		}
		if have, ok := docs[name]; !ok || have.Content != *content {
			next[name] = Document{Name: name, Content: *content, Provenance: provenance}
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return next, nil
}

// setsSiteConfig says whether the document of this name comes from its source.
func (c Change) setsSiteConfig(name string) bool {
	return name == SiteConfigDocument && c.Provenance.Source == SourceSiteConfig
}

// checkName tells why a document cannot have this name.
func checkName(name string) error {
	rest := ""
	switch {
	case name == PrometheusDocument, name == AlertmanagerDocument:
		return nil
	case strings.HasPrefix(name, RulesPrefix):
		rest = strings.TrimPrefix(name, RulesPrefix)
	case strings.HasPrefix(name, TemplatesPrefix):
		rest = strings.TrimPrefix(name, TemplatesPrefix)
	default:
		return fmt.Errorf("there is no document of this name: it must be %s, %s, %s<name> or %s<name>",
			PrometheusDocument, AlertmanagerDocument, RulesPrefix, TemplatesPrefix)
	}
	switch {
	case strings.Trim(rest, "/") == "":
		return fmt.Errorf("the name ends after %q", name)
	case len(name) > maxNameBytes:
		return fmt.Errorf("the name has %d bytes, more than %d", len(name), maxNameBytes)
	case !utf8.ValidString(name):
		return fmt.Errorf("the name is not UTF-8")
	case slices.Contains(strings.Split(rest, "/"), ".."):
		return fmt.Errorf("the name must not contain a %q", "..")
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("the name must not contain control characters")
	}
	return nil
}

// Diff tells in words how two sets of documents differ, one line for each
// document, in the order of their names.
func Diff(prev, next Documents) []string {
	all := maps.Clone(prev)
	if all == nil {
		all = Documents{}
	}
	maps.Copy(all, next)
	var lines []string
	for _, name := range all.Names() {
		before, had := prev[name]
		after, has := next[name]
		switch {
		case !had:
			lines = append(lines, name+": added")
		case !has:
			lines = append(lines, name+": removed")
		case before.Content != after.Content:
			lines = append(lines, name+": changed")
		}
	}
	return lines
}
