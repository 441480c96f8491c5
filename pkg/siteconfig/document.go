package siteconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The keys of a site configuration that are used.
const (
	alertsKey   = "observability.alerts"
	silencesKey = "observability.silenceAlerts"
	addressKey  = "email.address"
	smtpKey     = "email.smtp"
	urlKey      = "externalURL"
)

// secretKey stands around each value of the document that must not be shown. A
// string stands there as it is; anything else as a list of one string, which is its
// JSON, so that nothing within is taken for a name that may be shown.
const secretKey = "$secret"

// readDocument makes the document of a site configuration: of the used keys, what
// was written, whether it is good or not. Two texts of one meaning make the same
// document. Its error names the place and quotes nothing.
func readDocument(text string) (string, error) {
	document, fields := map[string]any{}, documentFields()
	err := parseJSONC(text, func(name string, decode func() (any, error)) error {
		f, known := fieldOf(fields, name)
		if !known {
			return nil
		}
		value, err := decode()
		if err != nil {
			return err
		}
		keep(document, f.name, canonical(value, f))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read site configuration: %w", err)
	}
	return encodeDocument(document)
}

// keep sets a member, of which the last one holds. null means that there is none.
func keep(members map[string]any, name string, value any) {
	if value == nil {
		delete(members, name)
		return
	}
	members[name] = value
}

// fieldOf finds the field that a name means: as in Go's decoder, the case of its
// letters does not matter.
func fieldOf(fields []field, name string) (field, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return strings.EqualFold(f.name, name) })
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

// canonical is a value as the document holds it. What is not of the field's kind
// may be anything, a secret too.
func canonical(value any, f field) any {
	switch value := value.(type) {
	case nil:
		return nil
	case string:
		if f.kind == textKind && !f.secret && !mayHoldPassword(value) {
			return value
		}
	case bool:
		if f.kind == flagKind {
			return value
		}
	case json.Number:
		if n, err := strconv.ParseInt(value.String(), 10, 64); err == nil && f.kind == numberKind {
			return n
		}
	case []any:
		if f.kind == listKind {
			return canonicalList(value, f.items())
		}
	case object:
		if f.kind == objectKind {
			return canonicalObject(value, f.members(value))
		}
	}
	return hidden(value)
}

func canonicalList(values []any, items field) []any {
	list := make([]any, len(values))
	for i, value := range values {
		list[i] = canonical(value, items) // null keeps its place
	}
	return list
}

// maxName bounds the names of members that nobody knows: YAML, as which the
// document is redacted, does.
const maxName = 200

func canonicalObject(members object, fields []field) map[string]any {
	result := map[string]any{}
	for _, m := range members {
		f, known := fieldOf(fields, m.name)
		switch {
		case known:
			keep(result, f.name, canonical(m.value, f))
		case len(m.name) <= maxName:
			keep(result, m.name, hidden(m.value))
		}
	}
	return result
}

// mayHoldPassword tells of a text that has a URL with more in it than a place.
func mayHoldPassword(text string) bool {
	return strings.Contains(text, "//") && strings.ContainsAny(text, "@?")
}

// hidden wraps a value that must not be shown.
func hidden(value any) any {
	switch value := value.(type) {
	case nil:
		return nil
	case string:
		return map[string]any{secretKey: value}
	default:
		text, err := json.Marshal(unordered(value))
		if err != nil {
			text = []byte(`""`) // cannot be: it came out of a JSON text
		}
		return map[string]any{secretKey: []any{string(text)}}
	}
}

// unordered replaces objects by maps, whose names are sorted when they are written.
func unordered(value any) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i := range value {
			list[i] = unordered(value[i])
		}
		return list
	case object:
		members := map[string]any{}
		for _, m := range value {
			members[m.name] = unordered(m.value)
		}
		return members
	default:
		return value
	}
}

func encodeDocument(document map[string]any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return "", fmt.Errorf("write the document of a site configuration: %w", err)
	}
	return escapeForYAML(out.String()), nil
}

// escapeForYAML escapes the characters that JSON allows in a string and YAML does
// not: the document is redacted as YAML.
func escapeForYAML(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r >= 0x7f && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}
