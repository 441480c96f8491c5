package siteconfig

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// parseAddress reads the address of a frontend: a host, host:port or URL. The outcome
// has a scheme and a port.
func parseAddress(text string) (*url.URL, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil {
		return nil, unreadable(text, err)
	}
	if u.User != nil {
		return nil, errors.New("it has a user name or a password, and the frontend asks for none: leave them out")
	}
	ports := map[string]string{"http": "80", "https": "443"}
	port, ok := ports[u.Scheme]
	switch {
	case !ok:
		return nil, fmt.Errorf("%q has the scheme %q: it must be http or https", text, u.Scheme)
	case u.Hostname() == "":
		return nil, fmt.Errorf("%q names no host: give a host, host:port or URL", text)
	case u.Port() == "":
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil {
		return nil, fmt.Errorf("%q has the port %s: it must be at most 65535", text, u.Port())
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}

// unreadable quotes neither what may be a password, nor what url.Parse says of it.
func unreadable(text string, err error) error {
	if strings.Contains(text, "@") {
		return errors.New("it is no host, host:port or URL")
	}
	if parsing := new(url.Error); errors.As(err, &parsing) {
		err = parsing.Err
	}
	return fmt.Errorf("%q is no host, host:port or URL: %w", text, err)
}
