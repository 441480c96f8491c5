package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// aliasBudget bounds how many nodes the aliases of one document may expand to.
const aliasBudget = 200_000

// entry is one of those parts of a document that can be set aside.
type entry struct {
	key  string // of Effective.Standing; empty when the entry has no name
	name string // of SetAside
	line int
	node *yaml.Node
	list *yaml.Node // the sequence that it was taken from

	receiver string // of an integration
	kind     string // of an integration, for example "webhook"
	index    int    // in its list
}

// splitter takes the entries out of a parsed document.
type splitter func(root *yaml.Node) []entry

// parseNodes parses a document and replaces its aliases by what they stand
// for, so that each entry can be read alone. Comments are dropped.
func parseNodes(text string) (*yaml.Node, error) {
	var doc yaml.Node
	if err := guard(func() error { return yaml.Unmarshal([]byte(text), &doc) }); err != nil {
		return nil, err
	}
	if doc.Kind == 0 {
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}, nil
	}
	budget := aliasBudget
	return expand(doc.Content[0], nil, &budget)
}

// splitText takes a document apart that could not be used as it is, because of
// whole, if that is known. It fails with that reason when there is no entry that
// could be set aside.
func splitText(text string, whole error, split splitter) (*yaml.Node, []entry, error) {
	root, err := parseNodes(text)
	if err != nil {
		return nil, nil, cmp.Or(whole, err)
	}
	entries := split(root)
	if len(entries) == 0 && whole != nil {
		return nil, nil, whole
	}
	return root, entries, nil
}

// expand copies a node without aliases, comments and block scalars: the encoder
// is not trusted to write those as they were read. within holds the aliases being expanded.
func expand(n *yaml.Node, within []*yaml.Node, budget *int) (*yaml.Node, error) {
	if n.Kind == yaml.AliasNode {
		if slices.Contains(within, n.Alias) {
			return nil, fmt.Errorf("line %d: anchor %q contains itself", n.Line, n.Value)
		}
		return expand(n.Alias, append(slices.Clip(within), n.Alias), budget)
	}
	if within != nil {
		if *budget--; *budget < 0 {
			return nil, errors.New("the aliases of the document expand to too much")
		}
	}
	out := &yaml.Node{Kind: n.Kind, Style: n.Style, Tag: n.Tag, Value: n.Value, Line: n.Line, Column: n.Column}
	if n.Kind == yaml.ScalarNode {
		plainScalar(out)
	}
	for _, child := range n.Content {
		c, err := expand(child, within, budget)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, c)
	}
	return out, nil
}

func plainScalar(n *yaml.Node) {
	if n.Tag == "!!merge" {
		n.Tag = "" // would be written, and not be understood by version 2
	}
	if n.Tag == "!!null" && n.Style == 0 {
		n.Value = "null" // nothing at all would be written as an empty text within braces
	}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || strings.ContainsAny(n.Value, "\n\r\u0085\u2028\u2029") {
		n.Style = n.Style&yaml.TaggedStyle | yaml.DoubleQuotedStyle
	}
}

// encodeNode renders a node as text.
func encodeNode(n *yaml.Node) (string, error) {
	var text []byte
	err := guard(func() (err error) {
		text, err = yaml.Marshal(n)
		return err
	})
	return string(text), err
}

// inList renders one entry as the only element of a top-level list.
func inList(key string, n *yaml.Node) *yaml.Node {
	return mapping(key, &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{n}})
}

// mapping renders pairs of a key and a node.
func mapping(pairs ...any) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, p := range pairs {
		switch p := p.(type) {
		case string:
			m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: p})
		case *yaml.Node:
			m.Content = append(m.Content, p)
		}
	}
	return m
}

// values returns what a mapping holds under a key: several nodes when the key
// is repeated.
func values(m *yaml.Node, key string) []*yaml.Node {
	if m.Kind != yaml.MappingNode {
		return nil
	}
	var found []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			found = append(found, m.Content[i+1])
		}
	}
	return found
}

// textOf is the scalar that a mapping holds under a key, else empty.
func textOf(m *yaml.Node, key string) string {
	for _, v := range values(m, key) {
		if v.Kind == yaml.ScalarNode && v.Tag != "!!null" {
			return v.Value
		}
	}
	return ""
}

// drain empties a list and returns what was in it.
func drain(list *yaml.Node) []*yaml.Node {
	if list.Kind != yaml.SequenceNode {
		return nil
	}
	content := list.Content
	list.Content = nil
	return content
}

// refill puts an entry back at the end of its list.
func (e entry) refill(n *yaml.Node) {
	e.list.Content = append(e.list.Content, n)
}

// lineMap tells for the lines of a rendered node where they came from.
type lineMap map[int]int

// mapLines renders nothing: it compares the node with the text made of it.
func mapLines(from *yaml.Node, text string) lineMap {
	lines := lineMap{}
	var doc yaml.Node
	if err := guard(func() error { return yaml.Unmarshal([]byte(text), &doc) }); err != nil || doc.Kind == 0 {
		return lines
	}
	lines.pair(from, doc.Content[0])
	return lines
}

func (m lineMap) pair(from, to *yaml.Node) {
	if m[to.Line] == 0 {
		m[to.Line] = from.Line // 0 for a node that nobody wrote
	}
	for i := range min(len(from.Content), len(to.Content)) {
		m.pair(from.Content[i], to.Content[i])
	}
}

// origin is the line that a rendered line came from, 0 when that is unknown.
func (m lineMap) origin(line int) int {
	for ; line > 0; line-- {
		if from, ok := m[line]; ok {
			return from
		}
	}
	return 0
}

// relocate corrects the lines that a complaint names beside its own.
func (m lineMap) relocate(reason string) string {
	return lineWithin.ReplaceAllStringFunc(reason, func(place string) string {
		words := lineWithin.FindStringSubmatch(place)
		line, _ := strconv.Atoi(words[2])
		if from := m.origin(line); from != 0 {
			return words[1] + strconv.Itoa(from)
		}
		return place
	})
}

// guard turns a panic of a library into an error: some configurations make
// the engines' own parsers dereference nil.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the combination of settings is not handled by the engine, which panicked")
		}
	}()
	return f()
}
