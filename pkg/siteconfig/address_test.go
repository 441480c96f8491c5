package siteconfig

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAddress_HostOrHostPortOrURL(t *testing.T) {
	for text, want := range map[string]string{
		"sourcegraph-frontend-internal":         "http://sourcegraph-frontend-internal:80",
		"sourcegraph-frontend-internal:3090":    "http://sourcegraph-frontend-internal:3090",
		"http://127.0.0.1:3090":                 "http://127.0.0.1:3090",
		"http://frontend":                       "http://frontend:80",
		"https://frontend":                      "https://frontend:443",
		"https://frontend:8443/":                "https://frontend:8443",
		"http://frontend/behind/a/proxy/?a=b#c": "http://frontend:80/behind/a/proxy",
		"[::1]":                                 "http://[::1]:80",
		"[::1]:3090":                            "http://[::1]:3090",
		"localhost:3090":                        "http://localhost:3090",
	} {
		address, err := parseAddress(text)
		require.NoError(t, err, text)
		require.Equal(t, want, address.String(), text)
	}
}

func TestParseAddress_WhatItCannotBeIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"":                          `"" names no host: give a host, host:port or URL`,
		"http://":                   `"http://" names no host: give a host, host:port or URL`,
		":3090":                     `":3090" names no host: give a host, host:port or URL`,
		"grpc://frontend":           `"grpc://frontend" has the scheme "grpc": it must be http or https`,
		"frontend:99999":            `"frontend:99999" has the port 99999: it must be at most 65535`,
		"frontend:abc":              `"frontend:abc" is no host, host:port or URL: invalid port ":abc" after host`,
		"http://u:pass@frontend":    `it has a user name or a password, and the frontend asks for none: leave them out`,
		"http://u:pass@fron tend:x": `it is no host, host:port or URL`,
	} {
		_, err := parseAddress(text)
		require.EqualError(t, err, want, text)
	}
}
