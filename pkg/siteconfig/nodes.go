package siteconfig

import (
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// mapping is a YAML mapping that is being made. Its nodes have no line, by which
// they can be told from the operator's.
type mapping struct{ node *yaml.Node }

func newMapping() mapping {
	return mapping{&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}}
}

// set adds a setting.
func (m mapping) set(key string, value *yaml.Node) mapping {
	m.node.Content = append(m.node.Content, keyNode(key), value)
	return m
}

func (m mapping) text(key, value string) mapping { return m.set(key, textNode(value)) }

// given adds a setting unless it is empty.
func (m mapping) given(key, value string) mapping {
	if value == "" {
		return m
	}
	return m.text(key, value)
}

func (m mapping) flag(key string, value bool) mapping {
	return m.set(key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(value)})
}

func (m mapping) texts(key string, values ...string) mapping {
	list := listNode()
	for _, value := range values {
		list.Content = append(list.Content, textNode(value))
	}
	list.Style = yaml.FlowStyle
	return m.set(key, list)
}

func (m mapping) list(key string, elements ...mapping) mapping {
	list := listNode()
	for _, element := range elements {
		list.Content = append(list.Content, element.node)
	}
	return m.set(key, list)
}

func listNode(elements ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: elements}
}

// keyNode is a key: plain, if it is a name that means nothing else in any version
// of YAML.
func keyNode(key string) *yaml.Node {
	n := textNode(key)
	const words = "y n yes no on off true false null "
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_2") == "" && key != "" && !strings.Contains(words, key+" ") {
		n.Style = 0
	}
	return n
}

// textNode is a string, quoted so that every version of YAML reads it alike.
func textNode(value string) *yaml.Node {
	style := yaml.SingleQuotedStyle
	if strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) }) {
		style = yaml.DoubleQuotedStyle
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Style: style}
}

// clone copies a node with all below it.
func clone(n *yaml.Node) *yaml.Node {
	if n == nil {
		return nil
	}
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		out.Content[i] = clone(child)
	}
	return &out
}

// flat is a copy of a mapping with what it merges in written out: YAML's `<<`, of
// which a mapping's own settings come first, and then the earliest.
func flat(m *yaml.Node) *yaml.Node {
	if m == nil || m.Kind != yaml.MappingNode {
		return m
	}
	out := &yaml.Node{Kind: m.Kind, Tag: m.Tag, Style: m.Style, Line: m.Line, Column: m.Column}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if !isMerge(m.Content[i]) {
			out.Content = append(out.Content, m.Content[i], m.Content[i+1])
		}
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if isMerge(m.Content[i]) {
			mergeInto(out, m.Content[i+1])
		}
	}
	return out
}

func isMerge(key *yaml.Node) bool { return key.Value == "<<" && key.Tag != "!!str" }

func mergeInto(out, merged *yaml.Node) {
	if merged.Kind == yaml.SequenceNode {
		for _, one := range merged.Content {
			mergeInto(out, one)
		}
		return
	}
	merged = flat(merged)
	if merged.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(merged.Content); i += 2 {
		if !has(out, merged.Content[i].Value) {
			out.Content = append(out.Content, merged.Content[i], merged.Content[i+1])
		}
	}
}

func has(m *yaml.Node, key string) bool {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return true
		}
	}
	return false
}

// lookup finds what a flat mapping holds under a key; nil when that is nothing, or
// null.
func lookup(m *yaml.Node, key string) *yaml.Node {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key && m.Content[i+1].Tag != "!!null" {
			return m.Content[i+1]
		}
	}
	return nil
}

// scalar is the text that a flat mapping holds under a key, else empty.
func scalar(m *yaml.Node, key string) string {
	if n := lookup(m, key); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// without is a copy of a flat mapping that lacks some keys.
func without(m *yaml.Node, drop func(key string) bool) *yaml.Node {
	out := &yaml.Node{Kind: m.Kind, Tag: m.Tag, Style: m.Style, Line: m.Line, Column: m.Column}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if !drop(m.Content[i].Value) {
			out.Content = append(out.Content, m.Content[i], m.Content[i+1])
		}
	}
	return out
}

// replace sets a key of a flat mapping.
func replace(m *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content[i+1] = value
			return
		}
	}
	m.Content = append(m.Content, keyNode(key), value)
}

// elements are those of a list; none when it is something else.
func elements(list *yaml.Node) []*yaml.Node {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	return list.Content
}
