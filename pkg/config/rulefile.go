package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"

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
		file, known := parsed[doc.Name]
		if !known {
			var err error
			if file, err = l.parseRules(doc.Content); err != nil {
				file = l.splitRules(doc, err)
			}
		}
		file.ID = ruleFileID(doc)
		l.out.RuleFiles = append(l.out.RuleFiles, file)
	}
}

// parsedRules returns what was read of the documents that run as they are, whole.
// Nobody changes that, so that two configurations may share it.
func (l *loader) parsedRules() map[string]RuleFile {
	parsed := map[string]RuleFile{}
	running := l.opts.Running
	if running == nil || running.Prometheus.GlobalConfig.MetricNameValidationScheme != l.out.Prometheus.GlobalConfig.MetricNameValidationScheme {
		return parsed
	}
	for i, doc := range running.Documents.WithPrefix(RulesPrefix) {
		if l.docs[doc.Name].Content == doc.Content {
			parsed[doc.Name] = running.RuleFiles[i]
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

// parseRules reads a rule document, or one made of a group alone.
func (l *loader) parseRules(text string) (file RuleFile, err error) {
	err = guard(func() error {
		parsed, errs := l.parseGroups(text, false)
		errs, says := withoutEvaluation(errs)
		var evaluation map[string]string
		if says && len(errs) == 0 { // the only field that the engine does not know is ours
			parsed, errs = l.parseGroups(text, true)
			var err error
			if evaluation, err = evaluationOf(text); err != nil {
				errs = append(errs, err)
			}
		}
		if len(errs) > 0 {
			return errors.Join(errs...)
		}
		file = RuleFile{Groups: parsed.Groups, Evaluation: evaluation}
		return nil
	})
	return file, err
}

func (l *loader) parseGroups(text string, ignoreUnknownFields bool) (*rulefmt.RuleGroups, []error) {
	logger := l.opts.Logger
	if ignoreUnknownFields {
		logger = slog.New(slog.DiscardHandler) // it has heard all the first time
	}
	scheme := l.out.Prometheus.GlobalConfig.MetricNameValidationScheme
	return rulefmt.Parse([]byte(text), ignoreUnknownFields, scheme, l.opts.Parser, logger)
}

// splitRules reads a rule document whose groups cannot all be used: the rest of
// it first, then each group.
func (l *loader) splitRules(doc Document, whole error) RuleFile {
	root, entries, err := splitText(doc.Content, whole, splitGroups(doc.Name))
	if err != nil {
		l.refuse(doc.Name, err, nil)
		return RuleFile{}
	}
	rest, err := encodeNode(root)
	if err != nil {
		l.refuse(doc.Name, err, nil)
		return RuleFile{}
	}
	if _, err := l.parseRules(rest); err != nil {
		l.refuse(doc.Name, err, mapLines(root, rest))
		return RuleFile{}
	}
	before := len(l.out.SetAside)
	file := l.eachGroup(doc, entries)
	if len(l.out.SetAside) == before {
		l.refuse(doc.Name, whole, nil) // wrong as a whole only, for example by too many aliases
	}
	return file
}

// eachGroup reads the groups one by one and sets aside what is wrong.
func (l *loader) eachGroup(doc Document, entries []entry) RuleFile {
	var file RuleFile
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
			var group RuleFile
			if group, err = l.parseRules(text); err == nil {
				file.add(group)
				continue
			}
		}
		why := l.problemOf(doc.Name, err, mapLines(alone, text))
		standing, group := l.standingGroup(doc.Name, e)
		file.add(group)
		l.setAside(doc.Name, e, standing, why)
	}
	return file
}

// standingGroup returns the last accepted version of a group, if there is one.
func (l *loader) standingGroup(doc string, e entry) (string, RuleFile) {
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
	return "", RuleFile{}
}

// add takes in what was read of another group.
func (f *RuleFile) add(group RuleFile) {
	f.Groups = append(f.Groups, group.Groups...)
	if f.Evaluation == nil && group.Evaluation != nil {
		f.Evaluation = map[string]string{}
	}
	maps.Copy(f.Evaluation, group.Evaluation)
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
