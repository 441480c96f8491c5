package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Redact returns the text of a document with <secret> in the place of every
// secret: of what the engines' types say is secret, of what its name says is,
// and of passwords in URLs. Otherwise the text stays as it is, comments included
// unless they share a line with a secret or look like one themselves. A text
// that is no YAML is redacted line by line, rather too much than too little.
// Rule files and templates have no place for secrets, and are returned as they are.
func Redact(doc Document) string {
	if rootType(doc.Name) == nil {
		return doc.Content
	}
	bom, text := "", doc.Content
	if rest, ok := strings.CutPrefix(text, "\ufeff"); ok {
		bom, text = "\ufeff", rest
	}
	f, err := findSecrets(doc.Name, text)
	if err == nil {
		if redacted, ok := redactPlaces(text, f); ok && isRedacted(doc.Name, redacted) {
			return bom + redactComments(redacted, f)
		}
	}
	return bom + redactLines(text, f)
}

// RedactionMarks returns the places of a document where the redaction mark
// stands instead of a secret, because somebody has sent back what [Redact] gave.
func RedactionMarks(doc Document) []Fault {
	if !strings.Contains(doc.Content, strings.Trim(mark, "<>")) {
		return nil // however it is quoted
	}
	f, err := findSecrets(doc.Name, doc.Content)
	if err != nil {
		return nil // Load says so
	}
	var faults []Fault
	for _, p := range f.places {
		if strings.Contains(p.node.Value, mark) {
			faults = append(faults, Fault{
				Document: doc.Name, Line: p.node.Line,
				Reason: fmt.Sprintf("%s holds the redaction mark %s; put the secret there", p.path, mark),
			})
		}
	}
	return faults
}

// isRedacted checks the outcome: every place that is still found holds the mark.
func isRedacted(name, text string) bool {
	f, err := findSecrets(name, text)
	if err != nil {
		return false
	}
	for _, p := range f.places {
		if !p.isHidden() {
			return false
		}
	}
	return true
}

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	text       string
}

// redactPlaces replaces the scalars found by their position. ok is false when
// one is not where it should be.
func redactPlaces(text string, f *secretFinder) (redacted string, ok bool) {
	src := newSource(text, f.roots)
	var edits []edit
	done := map[*yaml.Node]bool{}
	for _, p := range f.places {
		if done[p.node] || p.isHidden() {
			continue
		}
		done[p.node] = true
		start, end, ok := src.scalar(p.node)
		if !ok {
			return "", false
		}
		replacement := mark
		if raw := text[start:end]; p.part && hidePart(raw) != raw {
			replacement = hidePart(raw)
		} else if strings.HasSuffix(raw, "\n") {
			replacement += "\n" // of a block scalar
		}
		edits = append(edits, edit{start, end, replacement})
		if from, to, found := trailingComment(text, end); found {
			edits = append(edits, edit{start: from, end: to})
		}
	}
	return applyEdits(text, edits), true
}

// applyEdits applies edits in the order of the text; of two that overlap, the
// first says what stands there, and both go.
func applyEdits(text string, edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	var out strings.Builder
	at := 0
	for _, e := range edits {
		if e.start >= at {
			out.WriteString(text[at:e.start])
			out.WriteString(e.text)
		}
		at = max(at, e.end)
	}
	out.WriteString(text[at:])
	return out.String()
}

// trailingComment finds the comment on the rest of a line, which starts at from.
func trailingComment(text string, from int) (start, end int, found bool) {
	if from > 0 && text[from-1] == '\n' {
		return 0, 0, false // the line has ended
	}
	end = len(text)
	if i := strings.IndexAny(text[from:], "\r\n"); i >= 0 {
		end = from + i
	}
	var within byte // a quote
	for i := from; i < end; i++ {
		c, before := text[i], byte(' ')
		if i > 0 {
			before = text[i-1]
		}
		switch {
		case within != 0:
			if c == within {
				within = 0
			}
		case (c == '"' || c == '\'') && strings.IndexByte(" \t,[{:", before) >= 0:
			within = c
		case c == '#' && (before == ' ' || before == '\t'):
			return from + len(strings.TrimRight(text[from:i], " \t")), end, true
		}
	}
	return 0, 0, false
}

// source finds the scalars of a parsed text again.
type source struct {
	text  string
	lines []int // where each line starts
	nodes []int // where each node starts, in order

	last position // that was asked for
}

// position is a place in a text.
type position struct{ line, column, offset int }

func newSource(text string, roots []*yaml.Node) *source {
	s := &source{text: text, lines: []int{0}}
	for i := 0; i < len(text); {
		size := lineBreak(text[i:])
		if size == 0 {
			i++
			continue
		}
		i += size
		s.lines = append(s.lines, i)
	}
	for _, root := range roots {
		s.addNodes(root)
	}
	slices.Sort(s.nodes)
	return s
}

func (s *source) addNodes(n *yaml.Node) {
	if at, ok := s.offset(n); ok && n.Kind != yaml.DocumentNode {
		s.nodes = append(s.nodes, at)
	}
	for _, child := range n.Content {
		s.addNodes(child)
	}
}

// lineBreak is the size of the line break that a text begins with. YAML 1.1
// knows five of them.
func lineBreak(text string) int {
	for _, br := range []string{"\r\n", "\n", "\r", "\u0085", "\u2028", "\u2029"} {
		if strings.HasPrefix(text, br) {
			return len(br)
		}
	}
	return 0
}

// offset is where a node starts. The parser counts columns in characters.
func (s *source) offset(n *yaml.Node) (int, bool) {
	if n.Line < 1 || n.Line > len(s.lines) {
		return 0, false
	}
	p := position{n.Line, 1, s.lines[n.Line-1]}
	if s.last.line == n.Line && s.last.column <= n.Column {
		p = s.last // the text may be a single line
	}
	for ; p.column < n.Column; p.column++ {
		if p.offset >= len(s.text) {
			return 0, false
		}
		_, size := utf8.DecodeRuneInString(s.text[p.offset:])
		p.offset += size
	}
	s.last = p
	return p.offset, true
}

// next is where the node after a position starts.
func (s *source) next(after int) int {
	i, _ := slices.BinarySearch(s.nodes, after+1)
	if i == len(s.nodes) {
		return len(s.text)
	}
	return s.nodes[i]
}

// scalar returns where a scalar's own text begins, without its anchor and tag,
// and where it ends.
func (s *source) scalar(n *yaml.Node) (start, end int, ok bool) {
	node, ok := s.offset(n)
	if !ok {
		return 0, 0, false
	}
	start = s.skipProperties(node)
	if start >= len(s.text) {
		return 0, 0, false
	}
	switch c := s.text[start]; {
	case n.Style&yaml.DoubleQuotedStyle != 0 && c == '"':
		end, ok = s.closing(start, `"`, `\`)
	case n.Style&yaml.SingleQuotedStyle != 0 && c == '\'':
		end, ok = s.closing(start, `'`, `'`)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && (c == '|' || c == '>'):
		end, ok = s.blockEnd(node, start), true
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0:
		end, ok = s.plainEnd(start, n.Value)
	default:
		return 0, 0, false
	}
	return start, end, ok
}

// skipProperties skips an anchor and a tag.
func (s *source) skipProperties(at int) int {
	for at < len(s.text) && (s.text[at] == '&' || s.text[at] == '!') {
		for at < len(s.text) && !isBlank(s.text[at]) {
			at++
		}
		for at < len(s.text) && isBlank(s.text[at]) {
			at++
		}
	}
	return at
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// closing finds the end of a quoted scalar. A quote after the escape does not
// end it; in single quotes the quote is its own escape.
func (s *source) closing(start int, quote, escape string) (int, bool) {
	for i := start + 1; i < len(s.text); i++ {
		rest := s.text[i:]
		switch {
		case escape == `\` && rest[0] == '\\':
			i++
		case escape == `'` && strings.HasPrefix(rest, `''`):
			i++
		case strings.HasPrefix(rest, quote):
			return i + 1, true
		}
	}
	return 0, false
}

// plainEnd finds the end of a plain scalar: its characters stand in the text
// as they are, but for how lines are folded.
func (s *source) plainEnd(start int, value string) (int, bool) {
	at := start
	for _, want := range value {
		if unicode.IsSpace(want) {
			continue
		}
		for {
			if at >= len(s.text) {
				return 0, false
			}
			got, size := utf8.DecodeRuneInString(s.text[at:])
			at += size
			if got == want {
				break
			}
			if !unicode.IsSpace(got) {
				return 0, false
			}
		}
	}
	return at, at > start
}

// blockEnd finds the end of a literal or folded scalar: where its lines are less
// indented than its first. With an explicit indentation the first line may be
// indented more, so all goes up to the next node.
func (s *source) blockEnd(node, header int) int {
	limit := s.next(node)
	i, _ := slices.BinarySearch(s.lines, header+1)
	if i == len(s.lines) {
		return len(s.text)
	}
	explicit := strings.ContainsAny(strings.SplitN(s.text[header:s.lines[i]], "#", 2)[0], "123456789")
	indent := -1
	for ; i < len(s.lines); i++ {
		start, end := s.lines[i], len(s.text)
		if i+1 < len(s.lines) {
			end = s.lines[i+1]
		}
		if limit < end {
			return start
		}
		line := s.text[start:end]
		here := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case strings.TrimSpace(line) == "" || explicit:
		case indent < 0:
			indent = here
		case here < indent:
			return start
		}
	}
	return len(s.text)
}
