package config

import (
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

const ruleGroups = "groups"

// loadRules reads the rule documents. It needs the prometheus document, which
// says what a valid metric name is.
func (l *loader) loadRules() {
	if l.out.Prometheus == nil {
		return
	}
	parsed := l.parsedRules()
	for _, doc := range l.docs.WithPrefix(RulesPrefix) {
		groups, known := parsed[doc.Name]
		if !known {
			var err error
			if groups, err = l.parseRules(doc.Content); err != nil {
				groups = l.splitRules(doc, err)
			}
		}
		l.out.RuleFiles = append(l.out.RuleFiles, RuleFile{ID: ruleFileID(doc), Groups: groups})
	}
}

// parsedRules returns the groups of the documents that run as they are, whole.
// Nobody changes them, so that two configurations may share them.
func (l *loader) parsedRules() map[string][]rulefmt.RuleGroup {
	parsed := map[string][]rulefmt.RuleGroup{}
	running := l.opts.Running
	if running == nil || running.Prometheus.GlobalConfig.MetricNameValidationScheme != l.out.Prometheus.GlobalConfig.MetricNameValidationScheme {
		return parsed
	}
	for i, doc := range running.Documents.WithPrefix(RulesPrefix) {
		if l.docs[doc.Name].Content == doc.Content {
			parsed[doc.Name] = running.RuleFiles[i].Groups
		}
	}
	for _, aside := range running.SetAside {
		delete(parsed, aside.Document)
	}
	return parsed
}

func ruleFileID(doc Document) string {
	if doc.Provenance.Path != "" {
		return doc.Provenance.Path
	}
	return doc.Name
}

func (l *loader) parseRules(text string) (groups []rulefmt.RuleGroup, err error) {
	err = guard(func() error {
		scheme := l.out.Prometheus.GlobalConfig.MetricNameValidationScheme
		parsed, errs := rulefmt.Parse([]byte(text), false, scheme, l.opts.Parser, l.opts.Logger)
		if len(errs) > 0 {
			return errors.Join(errs...)
		}
		groups = parsed.Groups
		return nil
	})
	return groups, err
}

// splitRules reads a rule document whose groups cannot all be used: the rest of
// it first, then each group.
func (l *loader) splitRules(doc Document, whole error) []rulefmt.RuleGroup {
	root, entries, err := splitText(doc.Content, whole, splitGroups(doc.Name))
	if err != nil {
		l.refuse(doc.Name, err, nil)
		return nil
	}
	rest, err := encodeNode(root)
	if err != nil {
		l.refuse(doc.Name, err, nil)
		return nil
	}
	if _, err := l.parseRules(rest); err != nil {
		l.refuse(doc.Name, err, mapLines(root, rest))
		return nil
	}
	before := len(l.out.SetAside)
	groups := l.eachGroup(doc, entries)
	if len(l.out.SetAside) == before {
		l.refuse(doc.Name, whole, nil) // wrong as a whole only, for example by too many aliases
	}
	return groups
}

// eachGroup reads the groups one by one and sets aside what is wrong.
func (l *loader) eachGroup(doc Document, entries []entry) []rulefmt.RuleGroup {
	var groups []rulefmt.RuleGroup
	used := map[string]bool{}
	for _, e := range entries {
		name := textOf(e.node, "name")
		if name != "" && used[name] {
			e.key = ""
			l.setAside(doc.Name, e, "", problem{reason: fmt.Sprintf("groupname: %q is repeated in the same file", name)})
			continue
		}
		used[name] = true
		alone := inList(ruleGroups, e.node)
		text, err := encodeNode(alone)
		if err == nil {
			var group []rulefmt.RuleGroup
			if group, err = l.parseRules(text); err == nil {
				groups = append(groups, group...)
				continue
			}
		}
		why := l.problemOf(doc.Name, err, mapLines(alone, text))
		standing, group := l.standingGroup(doc.Name, e)
		groups = append(groups, group...)
		l.setAside(doc.Name, e, standing, why)
	}
	return groups
}

// standingGroup returns the last accepted version of a group, if there is one.
func (l *loader) standingGroup(doc string, e entry) (string, []rulefmt.RuleGroup) {
	for _, text := range l.candidates(doc, e, splitGroups(doc)) {
		node, err := parseNodes(text)
		if err != nil {
			continue
		}
		alone, err := encodeNode(inList(ruleGroups, node))
		if err != nil {
			continue
		}
		if group, err := l.parseRules(alone); err == nil {
			return text, group
		}
	}
	return "", nil
}

// splitGroups returns the [splitter] of a rule document.
func splitGroups(doc string) splitter {
	return func(root *yaml.Node) []entry {
		var entries []entry
		for _, list := range values(root, ruleGroups) {
			for i, node := range drain(list) {
				e := entry{name: fmt.Sprintf("%s[%d]", ruleGroups, i), line: node.Line, node: node, list: list, index: i}
				if group := textOf(node, "name"); group != "" {
					e.name = ruleGroups + "/" + group
					e.key = doc + "/" + group
				}
				entries = append(entries, e)
			}
		}
		return entries
	}
}
