package siteconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/jsonc"
)

// object is a JSON object in the order of its text: of two members of one name, or
// of names that differ in their letters' case, the last one holds.
type object []member

type member struct {
	name  string
	value any // nil, bool, json.Number, string, []any or object
}

// syntaxError says where a text is no JSONC. It never quotes the text, which may
// have a secret there.
type syntaxError struct {
	line, column int // 1-based; columns are characters
	reason       string
}

func (e syntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.line, e.column, e.reason)
}

func syntaxErrorAt(text string, offset int, reason string) error {
	ahead := text[:min(offset, len(text))]
	line := ahead[strings.LastIndexByte(ahead, '\n')+1:]
	return syntaxError{
		line:   strings.Count(ahead, "\n") + 1,
		column: utf8.RuneCountInString(line) + 1,
		reason: reason,
	}
}

// parseJSONC calls use with each member of the object that a text holds, in its
// order. A text of nothing but blanks and comments holds none, as null does; an
// empty text is an error. Only what use asks for is decoded.
func parseJSONC(text string, use func(name string, decode func() (any, error)) error) error {
	text = strings.TrimPrefix(text, "\ufeff")
	if text == "" {
		return errors.New("the text is empty")
	}
	plain := jsonc.ToJSON([]byte(text)) // each offset stays what it was
	switch content := bytes.TrimSpace(plain); {
	case len(content) == 0:
		return nil
	case !json.Valid(plain):
		return whyInvalid(text, plain)
	case string(content) == "null":
		return nil
	case content[0] != '{':
		return syntaxErrorAt(text, bytes.IndexByte(plain, content[0]), "expected an object")
	}
	return eachMember(plain, use)
}

// whyInvalid says in our own words why a text is no JSON: the decoder quotes a
// character of it.
func whyInvalid(text string, plain []byte) error {
	var none json.RawMessage
	var syntax *json.SyntaxError
	if !errors.As(json.Unmarshal(plain, &none), &syntax) {
		return errors.New("the text is no JSON")
	}
	const ahead = "invalid character '"
	reason, offset := syntax.Error(), int(syntax.Offset)
	switch {
	case strings.HasSuffix(reason, "max depth"):
		return syntaxErrorAt(text, offset-1, "nested too deeply")
	case strings.HasPrefix(reason, ahead):
		_, where, _ := strings.Cut(reason[len(ahead)+1:], "' ")
		return syntaxErrorAt(text, offset-1, "unexpected character "+where)
	}
	return syntaxErrorAt(text, offset, reason)
}

// eachMember calls use with the members of a valid object.
func eachMember(plain []byte, use func(name string, decode func() (any, error)) error) error {
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		if err := use(name.(string), func() (any, error) { return decodeOrdered(value) }); err != nil {
			return err
		}
	}
	return nil
}

// decodeOrdered decodes a valid value. Its depth is bounded by the check that it
// is valid.
func decodeOrdered(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return nextValue(decoder)
}

func nextValue(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			value, err := nextValue(decoder)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = decoder.Token()
		return list, err
	case json.Delim('{'):
		var members object
		for decoder.More() {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			value, err := nextValue(decoder)
			if err != nil {
				return nil, err
			}
			members = append(members, member{name.(string), value})
		}
		_, err = decoder.Token()
		return members, err
	default:
		return token, nil
	}
}
