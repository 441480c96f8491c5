package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mark stands where a secret was.
const mark = "<secret>"

// problem is one complaint of an engine about a document.
type problem struct {
	line   int // 1-based; 0 when unknown
	reason string
	quotes []string // what the complaint quotes, in clear: never to be shown
}

var (
	// lineAhead matches how the YAML libraries and the rule parser begin a
	// message that knows its place.
	lineAhead = regexp.MustCompile(`^(?:line (\d+)|(\d+):\d+(?:: \d+:\d+)?): `)
	// lineWithin matches how they say where a key that is repeated was before.
	lineWithin = regexp.MustCompile(`(already defined at line )(\d+)`)
	// badValue matches the value that the YAML libraries quote, which may have
	// line breaks in it.
	badValue = regexp.MustCompile("(cannot unmarshal !!\\S+ )`(?s:.*?)` into ")
	// badURL matches what net/url says of a text: all of it.
	badURL = regexp.MustCompile(`parse "(?:[^"\\]|\\.)*": `)
	// quoted matches a quoted part of a message.
	quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	// badScheme matches what was ahead of the first colon of a text.
	badScheme = regexp.MustCompile(`unsupported scheme "[^"]*" for URL`)
	// userInfo matches a password within a URL.
	userInfo = regexp.MustCompile(`(://[^/\s:@"']*:)[^\s"'@]+@`)
)

// problemsOf takes an engine's error apart, one complaint per line, without
// the values that it quotes.
func problemsOf(err error, secrets []string) []problem {
	text := badValue.ReplaceAllString(err.Error(), "${1}`"+mark+"` into ")
	var found []problem
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "yaml: ")
		if line == "" || line == "unmarshal errors:" { // a heading of the YAML libraries
			continue
		}
		p := problem{reason: line}
		if m := lineAhead.FindStringSubmatch(line); m != nil {
			p.line, _ = strconv.Atoi(m[1] + m[2])
			p.reason = line[len(m[0]):]
		}
		for _, q := range quoted.FindAllString(p.reason, -1) {
			if plain, err := strconv.Unquote(q); err == nil {
				p.quotes = append(p.quotes, plain)
			}
		}
		p.reason = conceal(p.reason, secrets)
		if !slices.ContainsFunc(found, func(f problem) bool { return f.line == p.line && f.reason == p.reason }) {
			found = append(found, p)
		}
	}
	return found
}

// reasonOf joins all complaints of an error on one line; line is the first
// that is known.
func reasonOf(err error, secrets []string) (line int, reason string) {
	var reasons []string
	for _, p := range problemsOf(err, secrets) {
		if line == 0 {
			line = p.line
		}
		if !slices.Contains(reasons, p.reason) {
			reasons = append(reasons, p.reason)
		}
	}
	return line, strings.Join(reasons, "; ")
}

// conceal masks what may be secret in a message: every value that the YAML
// libraries quote, URLs, and the secrets of the document themselves.
func conceal(text string, secrets []string) string {
	text = badValue.ReplaceAllString(text, "${1}`"+mark+"` into ")
	if at := badURL.FindStringIndex(text); at != nil {
		text = text[:at[0]] + "parse " + mark + ": " + quoted.ReplaceAllString(text[at[1]:], mark)
	}
	if at := strings.Index(text, "invalid template syntax: "); at >= 0 {
		text = text[:at] + quoted.ReplaceAllString(text[at:], mark)
	}
	text = badScheme.ReplaceAllString(text, "unsupported scheme "+mark+" for URL")
	text = userInfo.ReplaceAllString(text, "${1}"+mark+"@")
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, mark)
		if q := strconv.Quote(secret); q[1:len(q)-1] != secret {
			text = strings.ReplaceAll(text, q[1:len(q)-1], mark)
		}
	}
	return text
}
