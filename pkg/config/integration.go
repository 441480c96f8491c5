package config

import (
	"fmt"
	"strings"

	amconfig "github.com/prometheus/alertmanager/config"
	"go.yaml.in/yaml/v3"
)

// splitAlertmanager reads a document whose integrations cannot all be used: the
// rest of it first, then each integration beside the global section. whole is
// why it could not be read as it is, if so.
func (l *loader) splitAlertmanager(text string, whole error) *amconfig.Config {
	root, entries, err := splitText(text, whole, splitIntegrations)
	if err != nil {
		l.refuse(AlertmanagerDocument, err, nil)
		return nil
	}
	rest, err := encodeNode(root)
	if err != nil {
		l.refuse(AlertmanagerDocument, err, nil)
		return nil
	}
	cfg, err := l.parseAlertmanager(rest)
	if err != nil {
		l.refuse(AlertmanagerDocument, err, mapLines(root, rest))
		return nil
	}
	aside := l.eachIntegration(root, entries, receiversOf(cfg.Route, map[string]bool{}))
	if aside == 0 && whole != nil {
		l.refuse(AlertmanagerDocument, whole, nil) // wrong as a whole only, for example by too many aliases
		return nil
	}
	return l.assembleAlertmanager(root)
}

// assembleAlertmanager reads a document again after its good integrations have
// been put back.
func (l *loader) assembleAlertmanager(root *yaml.Node) *amconfig.Config {
	text, err := encodeNode(root)
	if err != nil {
		l.refuse(AlertmanagerDocument, err, nil)
		return nil
	}
	cfg, err := l.parseAlertmanager(text)
	if err != nil {
		l.refuse(AlertmanagerDocument, err, mapLines(root, text))
		return nil
	}
	return cfg
}

// eachIntegration puts the good integrations back, sets aside the others, and
// returns how many these were.
func (l *loader) eachIntegration(root *yaml.Node, entries []entry, used map[string]bool) (aside int) {
	bench := integrationBench{l: l, globals: values(root, "global"), used: used}
	for _, e := range entries {
		lines, err := bench.try(e, e.node)
		if err == nil {
			e.refill(e.node)
			continue
		}
		aside++
		why := l.problemOf(AlertmanagerDocument, err, lines)
		standing, node := bench.standing(e)
		if node != nil {
			e.refill(node)
		} else {
			l.out.Lost = append(l.out.Lost, Integration{
				Receiver: e.receiver, Type: e.kind, Index: e.index, Reason: why.reason,
			})
		}
		l.setAside(AlertmanagerDocument, e, standing, why)
	}
	return aside
}

// integrationBench tries integrations one at a time, in a document that has
// nothing but the global section and their receiver.
type integrationBench struct {
	l       *loader
	globals []*yaml.Node
	used    map[string]bool // receivers that a route uses
}

// try reads and builds one integration. The lines lead back from the error.
func (b *integrationBench) try(e entry, node *yaml.Node) (lineMap, error) {
	doc := b.document(e, node)
	text, err := encodeNode(doc)
	if err != nil {
		return nil, err
	}
	cfg, err := b.l.parseAlertmanager(text)
	if err == nil && b.used[e.receiver] {
		err = b.l.checkIntegration(aloneIntegration{integrationID{e.receiver, e.kind, e.index}, cfg.Receivers[0]})
	}
	if err != nil {
		return mapLines(doc, text), err
	}
	return nil, nil
}

func (b *integrationBench) document(e entry, node *yaml.Node) *yaml.Node {
	name := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.receiver, Style: yaml.DoubleQuotedStyle}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{node}}
	doc := inList("receivers", mapping("name", name, e.kind+integrationSuffix, list))
	doc.Content = append(doc.Content, mapping("route", mapping("receiver", name)).Content...)
	for _, global := range b.globals {
		doc.Content = append(doc.Content, mapping("global", global).Content...)
	}
	return doc
}

// standing returns the last accepted version of an integration, if there is one.
func (b *integrationBench) standing(e entry) (string, *yaml.Node) {
	if b.l.isOverlaid(Integration{Receiver: e.receiver, Type: e.kind, Index: e.index}) {
		return "", nil // what the operator had under that name is something else
	}
	for _, text := range b.l.candidates(AlertmanagerDocument, e, splitIntegrations) {
		node, err := parseNodes(text)
		if err != nil {
			continue
		}
		if _, err := b.try(e, node); err == nil {
			return text, node
		}
	}
	return "", nil
}

// integrationSuffix ends the names of the lists of integrations.
const integrationSuffix = "_configs"

// splitIntegrations is the [splitter] of the receivers' integrations. The name
// of a list without its suffix is what the engine calls the integration.
func splitIntegrations(root *yaml.Node) []entry {
	var entries []entry
	for _, receivers := range values(root, "receivers") {
		if receivers.Kind != yaml.SequenceNode {
			continue
		}
		for _, receiver := range receivers.Content {
			entries = append(entries, splitReceiver(receiver)...)
		}
	}
	return entries
}

func splitReceiver(receiver *yaml.Node) []entry {
	if receiver.Kind != yaml.MappingNode {
		return nil
	}
	var entries []entry
	name := textOf(receiver, "name")
	for i := 0; i+1 < len(receiver.Content); i += 2 {
		kind, isList := strings.CutSuffix(receiver.Content[i].Value, integrationSuffix)
		if !isList {
			continue
		}
		list := receiver.Content[i+1]
		for k, node := range drain(list) {
			key := fmt.Sprintf("receivers/%s/%s%s[%d]", name, kind, integrationSuffix, k)
			entries = append(entries, entry{
				key: key, name: key, line: node.Line, node: node, list: list,
				receiver: name, kind: kind, index: k,
			})
		}
	}
	return entries
}
