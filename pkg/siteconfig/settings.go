package siteconfig

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"text/template"

	amtemplate "github.com/prometheus/alertmanager/template"
)

// faults are what is wrong with one entry of the site configuration. They name
// settings and never quote what these hold.
type faults struct {
	texts   []string
	refused bool // the entry cannot be used
}

// note adds a fault in spite of which the entry is used.
func (f *faults) note(format string, args ...any) {
	f.texts = append(f.texts, fmt.Sprintf(format, args...))
}

// refuse adds a fault that makes the entry useless.
func (f *faults) refuse(format string, args ...any) {
	f.refused = true
	f.note(format, args...)
}

func (f *faults) String() string { return strings.Join(f.texts, "; ") }

// settings reads the settings of one object of the document, each on its own.
type settings struct {
	values map[string]any
	faults *faults
}

// settingsOf reads an object; ok is false when it is none.
func settingsOf(value any, f *faults) (s settings, ok bool) {
	values, ok := exposed(value).(map[string]any)
	return settings{values, f}, ok
}

// exposed is a value without what marks it as secret.
func exposed(value any) any {
	wrapper, ok := value.(map[string]any)
	if !ok || len(wrapper) != 1 {
		return value
	}
	switch inner := wrapper[secretKey].(type) {
	case string:
		return inner
	case []any:
		return misfit{}
	default:
		return value
	}
}

// misfit is a value that is not of the type that its setting has.
type misfit struct{}

// value is what a setting holds; nil when it is not there.
func (s settings) value(name string) any { return exposed(s.values[name]) }

// text reads a string that may be left out.
func (s settings) text(name string) string {
	switch value := s.value(name).(type) {
	case nil:
		return ""
	case string:
		return value
	default:
		s.faults.note("`%s` must be a string, and is left out", name)
		return ""
	}
}

// template reads a string that the engine takes for a template, and that may be left
// out.
func (s settings) template(name string) string {
	text := s.text(name)
	if !strings.Contains(text, "{{") {
		return text
	}
	funcs := template.FuncMap(amtemplate.DefaultFuncs)
	if _, err := template.New("").Funcs(funcs).Parse(text); err != nil {
		s.faults.note("`%s` is a template that does not parse, and is left out", name)
		return ""
	}
	return text
}

// credential reads a string that may be left out, but not be wrong: without it, or
// with another in its place, nothing would arrive.
func (s settings) credential(name string) string {
	switch value := s.value(name).(type) {
	case nil:
		return ""
	case string:
		return value
	default:
		s.faults.refuse("`%s` must be a string", name)
		return ""
	}
}

// key reads a credential for which there may be another; remedy says how to give one.
func (s settings) key(name, another, remedy string) string {
	key := s.credential(name)
	if _, isText := s.value(name).(string); key != "" || !isText && s.value(name) != nil {
		return key
	}
	if another == "" {
		s.faults.refuse("`%s` is missing: %s", name, remedy)
	}
	return another
}

// need reads a string that must be there; remedy says what to put there.
func (s settings) need(name, remedy string) string {
	switch value := s.value(name).(type) {
	case nil:
		s.faults.refuse("`%s` is missing: %s", name, remedy)
	case string:
		if value != "" {
			return value
		}
		s.faults.refuse("`%s` is empty: %s", name, remedy)
	default:
		s.faults.refuse("`%s` must be a string: %s", name, remedy)
	}
	return ""
}

// flag reads true or false; otherwise says what holds where that is neither.
func (s settings) flag(name string, otherwise string) bool {
	switch value := s.value(name).(type) {
	case nil:
		return false
	case bool:
		return value
	default:
		s.faults.note("`%s` must be true or false; %s", name, otherwise)
		return false
	}
}

// integer reads an integer that must be there, between two bounds.
func (s settings) integer(name string, from, to int64) int64 {
	number, isNumber := s.value(name).(json.Number)
	n, err := number.Int64()
	if !isNumber || err != nil || n < from || n > to {
		s.faults.refuse("`%s` must be a number between %d and %d", name, from, to)
	}
	return n
}

// address reads the URL of a service that may be left out.
func (s settings) address(name string) string {
	if s.value(name) == nil || s.value(name) == "" {
		return ""
	}
	return s.needShownAddress(name, "give one like https://example.com/path, or leave it out")
}

// needShownAddress reads the URL of a service that the engine shows in its
// configuration.
func (s settings) needShownAddress(name, remedy string) string {
	text := s.needAddress(name, remedy)
	u, err := url.Parse(text)
	if err != nil || u.User != nil {
		s.faults.refuse("`%s` must not hold a user or a password: %s", name, remedy)
	} else if u.RawQuery != "" {
		s.faults.refuse("`%s` must not have a query, which would be shown with whatever secret is in it: %s", name, remedy)
	}
	return text
}

// needAddress reads the URL of a service.
func (s settings) needAddress(name, remedy string) string {
	text := s.need(name, remedy)
	if text == "" {
		return ""
	}
	if why := whyNoAddress(text); why != "" {
		s.faults.refuse("`%s` is not a usable URL (%s): %s", name, why, remedy)
		return ""
	}
	return text
}

// whyNoAddress says why the engine would refuse a URL, without quoting it.
func whyNoAddress(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "it does not parse"
	case u.Scheme != "http" && u.Scheme != "https":
		return "it must begin with http:// or https://"
	case u.Host == "":
		return "it has no host"
	case strings.Contains(text, "{{"):
		return "it is a template"
	default:
		return ""
	}
}

// list reads a list; ok is false when there is something else.
func (s settings) list(name string) (list []any, ok bool) {
	switch value := s.value(name).(type) {
	case nil:
		return nil, true
	case []any:
		return value, true
	default:
		return nil, false
	}
}

// harmless matches what is certainly no secret, and short.
var harmless = regexp.MustCompile(`^[A-Za-z][A-Za-z_-]{0,24}$`)

// named quotes a word of the site configuration if it is harmless.
func named(word string) string {
	if !harmless.MatchString(word) {
		return ""
	}
	return fmt.Sprintf(" %q", word)
}

// problem is the text of a problem, as Sourcegraph shows it: what is ahead of the
// colon is the setting.
func problem(setting, format string, args ...any) string {
	return fmt.Sprintf("`%s`: ", setting) + fmt.Sprintf(format, args...)
}
