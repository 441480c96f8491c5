package config

import (
	"regexp"
	"strings"
)

var (
	// settingAhead matches the name of a setting and what separates it from its
	// value.
	settingAhead = regexp.MustCompile(`("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_.-]+)[ \t]*[:=](?:[ \t]+|$|["'\[{&|>!])`)
	// anchorAhead matches an anchor, whose value may be used as a secret elsewhere.
	anchorAhead = regexp.MustCompile(`(^|[ \t\[{,])&[^ \t,\]}]+[ \t]+`)
	// commentLine matches a line that is a comment, and what is ahead of its text.
	commentLine = regexp.MustCompile(`^[ \t]*#+ ?`)
)

// redactLines redacts a text that cannot be parsed: whatever follows the name of
// a secret, on its line and on those indented deeper.
func redactLines(text string, f *secretFinder) string {
	r := lineRedactor{settings: f.secretSettings()}
	for line := range strings.Lines(text) {
		r.line(line)
	}
	return r.out.String()
}

// redactComments redacts settings that have been commented out, with the same
// means, and the document's own secrets wherever a comment has them.
func redactComments(text string, f *secretFinder) string {
	if !strings.Contains(text, "#") {
		return text
	}
	var out strings.Builder
	secrets := f.longSecrets()
	r := lineRedactor{settings: f.secretSettings()}
	for line := range strings.Lines(text) {
		prefix := commentLine.FindString(line)
		if prefix == "" {
			r = lineRedactor{settings: r.settings}
			out.WriteString(concealComment(line, secrets))
			continue
		}
		r.out.Reset()
		r.line(line[len(prefix):])
		out.WriteString(prefix)
		if r.out.Len() == 0 {
			body := line[len(prefix):]
			out.WriteString(body[:len(body)-len(strings.TrimLeft(body, " \t"))] + mark + "\n")
		}
		out.WriteString(conceal(r.out.String(), secrets))
	}
	return out.String()
}

// concealComment masks the document's secrets in a comment at the end of a line.
func concealComment(line string, secrets []string) string {
	at := strings.Index(line, " #")
	if at < 0 {
		return line
	}
	return line[:at] + conceal(hidePart(line[at:]), secrets)
}

// lineRedactor redacts line by line.
type lineRedactor struct {
	settings map[string]bool // names that are secret, beside those that look so
	out      strings.Builder

	hiding bool   // below a secret name
	column int    // of that name
	quote  string // that its value began with and did not end with
	owed   bool   // the name had no value on its line
}

func (r *lineRedactor) line(line string) {
	body := strings.TrimRight(line, "\r\n")
	if r.hiding && r.belongs(body) {
		return
	}
	r.hiding, r.owed, r.quote = false, false, ""
	if column, value, found := r.secretIn(body); found {
		r.hide(column, body[value:])
		body = body[:value]
		if strings.HasSuffix(body, ":") {
			body += " "
		}
		body += mark
	}
	r.out.WriteString(hideUserInfo(body))
	r.out.WriteString(line[len(strings.TrimRight(line, "\r\n")):])
}

// hide remembers what was hidden, to tell which lines after it belong to it.
func (r *lineRedactor) hide(column int, value string) {
	value = strings.TrimSpace(value)
	r.hiding, r.column, r.owed = true, column, value == ""
	for _, quote := range []string{`"`, `'`} {
		if strings.HasPrefix(value, quote) && strings.Count(value, quote)%2 == 1 {
			r.quote = quote
		}
	}
}

// belongs tells whether a line is part of what the secret name above it holds.
func (r *lineRedactor) belongs(line string) bool {
	text := strings.TrimLeft(line, " \t")
	indent := len(line) - len(text)
	switch {
	case r.quote != "":
		if strings.Contains(line, r.quote) {
			r.quote = ""
		}
		return true
	case text == "" || indent > r.column:
		return true
	case indent == r.column && strings.HasPrefix(text, "- "):
		return true
	case r.owed && !strings.Contains(text, ":"):
		r.owed = false
		return true
	default:
		return false
	}
}

// secretIn finds the first secret of a line: where its name and its value begin.
func (r *lineRedactor) secretIn(line string) (column, value int, found bool) {
	if at := anchorAhead.FindStringIndex(line); at != nil {
		column, value, found = len(line)-len(strings.TrimLeft(line, " \t")), at[1], true
	}
	if strings.HasPrefix(strings.TrimLeft(line, " \t"), ":") { // the value of a name that has a line of its own
		return strings.Index(line, ":"), strings.Index(line, ":") + 1, true
	}
	for at := 0; at < len(line); {
		m := settingAhead.FindStringSubmatchIndex(line[at:])
		if m == nil {
			break
		}
		name := line[at+m[2] : at+m[3]]
		if r.isSecret(name) {
			if from := at + m[3] + strings.IndexAny(line[at+m[3]:], ":=") + 1; !found || from < value {
				return at + m[2], afterBlanks(line, from), true
			}
			break
		}
		at += m[3] + 1
	}
	return column, value, found
}

func afterBlanks(line string, from int) int {
	return from + len(line[from:]) - len(strings.TrimLeft(line[from:], " \t"))
}

// isSecret judges a name as it stands in the text. One with escapes in it has
// something to hide.
func (r *lineRedactor) isSecret(name string) bool {
	bare := strings.Trim(name, `"'`)
	return hasSecretName(bare) || r.settings[bare] || bare == "headers" || strings.Contains(name, `\`)
}

// hideUserInfo masks passwords in the URLs of a line, also where they are wrong.
func hideUserInfo(line string) string {
	return userInfo.ReplaceAllString(hidePart(line), "${1}"+mark+"@")
}
