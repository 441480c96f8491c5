package web

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
)

// ComputeExternalURL returns the URL under which others reach the server: raw if
// it is set, else scheme, this host's name and the port of address, which should
// be one that is bound. The path has no slash at its end. It follows
// computeExternalURL of Prometheus's cmd/prometheus/main.go, which however says
// http for a server that speaks TLS.
func ComputeExternalURL(raw, scheme, address string) (*url.URL, error) {
	if raw != "" {
		return parseExternalURL(raw)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("web: derive the external URL from listen address %q: %w: set --web.external-url", address, err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("web: derive the external URL from the host's name: %w: set --web.external-url", err)
	}
	return parseExternalURL(scheme + "://" + net.JoinHostPort(host, port) + "/")
}

func parseExternalURL(raw string) (*url.URL, error) {
	if strings.Trim(raw, `"'`) != raw {
		return nil, fmt.Errorf("web: ExternalURL %s: want no quotes around it", raw)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("web: ExternalURL: %w", withoutInput(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("web: ExternalURL %q: want http:// or https://", u.Redacted())
	}
	if u.Host == "" {
		return nil, fmt.Errorf("web: ExternalURL %q: want a host", u.Redacted())
	}
	path := strings.TrimRight(u.Path, "/")
	if path != "" && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	u.Path, u.RawPath = path, ""
	return u, nil
}

// withoutInput drops the text that url.Parse repeats, since it may hold a
// password.
func withoutInput(err error) error {
	if parse, ok := errors.AsType[*url.Error](err); ok {
		return parse.Err
	}
	return err
}

// routePrefix is the prefix of all paths: "" for none, else with a slash before
// it and none after it.
func routePrefix(configured string, external *url.URL) string {
	if configured == "" {
		configured = external.Path
	}
	trimmed := strings.Trim(configured, "/")
	if trimmed == "" {
		return ""
	}
	return "/" + trimmed
}
