package web

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// matchParam is the parameter that may be repeated.
const matchParam = "match[]"

// maxTime in seconds is the last that RFC 3339 can write.
const maxTime = 253402300799

// params reads the parameters of a question. It remembers the first error, and
// reads nothing after it.
type params struct {
	values url.Values
	err    error
}

// parseParams refuses parameters that are not known: an answer must not look as if
// it followed a misspelt one.
func parseParams(query string, known []string) *params {
	values, err := url.ParseQuery(query)
	if err != nil {
		return &params{err: fmt.Errorf("parse query string: %w", err)}
	}
	for name, given := range values {
		switch {
		case !slices.Contains(known, name):
			return &params{err: fmt.Errorf("parameter %q: want one of %s", name, strings.Join(known, ", "))}
		case len(given) > 1 && name != matchParam:
			return &params{err: fmt.Errorf("parameter %q: want it once", name)}
		}
	}
	return &params{values: values}
}

func (p *params) fail(name, format string, args ...any) {
	p.err = fmt.Errorf("parameter %s=%q: "+format, append([]any{name, p.values.Get(name)}, args...)...)
}

// given says whether a parameter is to be read; an empty one counts as none.
func (p *params) given(name string) bool { return p.err == nil && p.values.Get(name) != "" }

// time is zero when the parameter is not given. It takes what Prometheus's API takes.
func (p *params) time(name string) time.Time {
	if !p.given(name) {
		return time.Time{}
	}
	text := p.values.Get(name)
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds <= maxTime {
		return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		p.fail(name, "want RFC 3339, such as 2026-11-22T16:00:00Z, or seconds since 1970")
	}
	return at
}

// number is zero when the parameter is not given.
func (p *params) number(name string) uint64 {
	if !p.given(name) {
		return 0
	}
	n, err := strconv.ParseUint(p.values.Get(name), 10, 64)
	if err != nil {
		p.fail(name, "want a number")
	}
	return n
}

// count is a number from 1 to atMost.
func (p *params) count(name string, otherwise, atMost int) int {
	if !p.given(name) {
		return otherwise
	}
	n, err := strconv.Atoi(p.values.Get(name))
	if err != nil || n < 1 || n > atMost {
		p.fail(name, "want a number from 1 to %d", atMost)
	}
	return n
}
