package receivers

import (
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"
)

// checker collects what is wrong with a body.
type checker struct {
	faults []string
}

func (c *checker) failf(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// object reads the body of a request that must be one JSON object.
func (c *checker) object(r *Request, method string) map[string]any {
	if r.Method != method {
		c.failf("method %s: want %s", r.Method, method)
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		c.failf("content type %q: want application/json", r.Header.Get("Content-Type"))
	}
	if !utf8.Valid(r.Body) {
		c.failf("body: want UTF-8")
	}
	var object map[string]any
	if err := json.Unmarshal(r.Body, &object); err != nil || object == nil {
		c.failf("body: want a JSON object")
	}
	return object
}

// known refuses fields that the service does not know: what is misspelt is lost.
func (c *checker) known(where string, object map[string]any, names ...string) {
	for name := range object {
		if !slices.Contains(names, name) {
			c.failf("%s: unknown field %q", where, name)
		}
	}
}

// text reads a field that must be a string of at most so many characters; 0 is any
// number. A field that may be missing is not wanted.
func (c *checker) text(object map[string]any, name string, atMost int, wanted bool) string {
	value, ok := object[name]
	if !ok && !wanted {
		return ""
	}
	text, isText := value.(string)
	switch n := utf8.RuneCountInString(text); {
	case !isText:
		c.failf("%s: want a string", name)
	case wanted && strings.TrimSpace(text) == "":
		c.failf("%s: want some text", name)
	case atMost > 0 && n > atMost:
		c.failf("%s: %d characters, want at most %d", name, n, atMost)
	}
	return text
}

// oneOf reads a field that must be one of some strings.
func (c *checker) oneOf(object map[string]any, name string, values ...string) string {
	text := c.text(object, name, 0, true)
	if !slices.Contains(values, text) {
		c.failf("%s is %q: want one of %q", name, text, values)
	}
	return text
}

// objects reads a field that is a list of objects.
func (c *checker) objects(object map[string]any, name string) []map[string]any {
	value, ok := object[name]
	if !ok || value == nil {
		return nil
	}
	list, isList := value.([]any)
	if !isList {
		c.failf("%s: want a list", name)
	}
	var all []map[string]any
	for i, one := range list {
		o, isObject := one.(map[string]any)
		if !isObject {
			c.failf("%s[%d]: want an object", name, i)
			continue
		}
		all = append(all, o)
	}
	return all
}

// texts checks that a field, if there is one, maps strings to strings.
func (c *checker) texts(object map[string]any, name string) map[string]any {
	value, ok := object[name]
	if !ok {
		return nil
	}
	fields, isObject := value.(map[string]any)
	if !isObject {
		c.failf("%s: want an object", name)
	}
	for key, one := range fields {
		if _, isText := one.(string); !isText {
			c.failf("%s.%s: want a string", name, key)
		}
	}
	return fields
}

// link checks a field, if there is one, that must be an absolute URL.
func (c *checker) link(object map[string]any, name string) {
	text := c.text(object, name, 0, false)
	if text != "" && !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
		c.failf("%s is %q: want an absolute URL", name, text)
	}
}
