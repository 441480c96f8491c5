package receivers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Golden is the request as text in which everything is replaced that is another one
// each time: addresses, times, fingerprints, keys and the secret of the service. So are
// more secrets, which the service does not know.
func (r Request) Golden(secrets ...string) string {
	secrets = append(secrets, r.secret)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Method, r.Path)
	if r.Query != "" {
		fmt.Fprintf(&b, "?%s", r.Query)
	}
	b.WriteByte('\n')
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if slices.Contains(irrelevant(), name) {
			continue
		}
		for _, value := range r.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, readable(value))
		}
	}
	b.WriteByte('\n')
	b.WriteString(indented(r.Body))
	return stable(b.String(), secrets)
}

// irrelevant are headers that the HTTP client makes by itself.
func irrelevant() []string {
	return []string{"Accept-Encoding", "Connection", "Content-Length", "User-Agent", "Traceparent"}
}

// readable spells out what basic authentication has encoded, so that the secret in it
// can be replaced, and nothing else is hidden.
func readable(header string) string {
	encoded, ok := strings.CutPrefix(header, "Basic ")
	if !ok {
		return header
	}
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return header
	}
	return "Basic " + string(plain)
}

// indented is JSON with its keys in order; what is no JSON stays as it is.
func indented(body []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil || decoder.More() {
		return string(body)
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value) // it was decoded just now
	return b.String()
}

// stable replaces what differs from one time to the next. The order counts.
func stable(text string, secrets []string) string {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			text = strings.ReplaceAll(text, form, "<secret>")
		}
	}
	for _, r := range []struct{ pattern, with string }{
		{`\b0001-01-01T00:00:00Z`, "<no time>"},
		{`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`, "<time>"},
		{`\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4} [A-Z]+( m=\S+)?`, "<time>"},
		{`(127\.0\.0\.1|localhost|\[::1?\]):\d+`, "<address>"},
		{`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`, "<uuid>"},
		{`\b[0-9a-f]{64}\b`, "<hash>"},
		{`\b[0-9a-f]{16}\b`, "<fingerprint>"},
		{`\b1\d{12}\b`, "<milliseconds>"},
		{`\b1\d{9}\b`, "<seconds>"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}
