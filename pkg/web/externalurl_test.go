package web

import (
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestComputeExternalURL_DerivesFromBoundAddress(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	for address, want := range map[string]string{
		"0.0.0.0:9090": "http://" + host + ":9090",
		"[::]:123":     "http://" + host + ":123",
	} {
		u, err := ComputeExternalURL("", "http", address)
		require.NoError(t, err)
		require.Equal(t, want, u.String())
	}
	u, err := ComputeExternalURL("", "https", "0.0.0.0:9090")
	require.NoError(t, err)
	require.Equal(t, "https", u.Scheme)

	_, err = ComputeExternalURL("", "http", "/run/socket")
	require.ErrorContains(t, err, "set --web.external-url")
}

func TestComputeExternalURL_TrimsThePath(t *testing.T) {
	for raw, want := range map[string]string{
		"https://host":        "https://host",
		"https://host/":       "https://host",
		"https://host/a/b//":  "https://host/a/b",
		"http://host:80/prom": "http://host:80/prom",
	} {
		u, err := ComputeExternalURL(raw, "http", "")
		require.NoError(t, err)
		require.Equal(t, want, u.String())
	}
}

func TestComputeExternalURL_RefusesWhatIsNoURL(t *testing.T) {
	for raw, part := range map[string]string{
		`"http://host"`:       "no quotes",
		"'http://host'":       "no quotes",
		"host:9090":           "want http",
		"http:///path":        "want a host",
		"http://h:p@ss:w@:x/": "invalid port",
		"http://a b/":         "invalid character",
	} {
		_, err := ComputeExternalURL(raw, "http", "")
		require.ErrorContains(t, err, part, raw)
	}
	_, err := ComputeExternalURL("http://user:hunter2@host:port/", "http", "")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestRoutePrefix_DefaultsToPathOfExternalURL(t *testing.T) {
	for _, tc := range []struct{ configured, external, want string }{
		{"", "http://h", ""},
		{"", "http://h/a/b", "/a/b"},
		{"/", "http://h/a", ""},
		{"x/", "http://h/a", "/x"},
		{"//x//", "http://h", "/x"},
	} {
		external, err := url.Parse(tc.external)
		require.NoError(t, err)
		require.Equal(t, tc.want, routePrefix(tc.configured, external), "%+v", tc)
	}
}
