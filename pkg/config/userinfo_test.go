package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoad_MovesUserInfoOfRemoteURLsToBasicAuth(t *testing.T) {
	docs := Documents{PrometheusDocument: {Name: PrometheusDocument, Content: `
remote_write:
  - url: http://user:secret@example.org/write
  - url: http://user:secret@example.org/other
    authorization: { credentials: token }
remote_read:
  - url: http://user:secret@example.org/read
`}}
	e, err := Load(docs, LoadOptions{})
	require.NoError(t, err)
	for _, remote := range e.Prometheus.RemoteWriteConfigs {
		require.Nil(t, remote.URL.User)
	}
	first := e.Prometheus.RemoteWriteConfigs[0].HTTPClientConfig
	require.Equal(t, "user", first.BasicAuth.Username)
	require.Equal(t, "secret", string(first.BasicAuth.Password))
	require.Nil(t, e.Prometheus.RemoteWriteConfigs[1].HTTPClientConfig.BasicAuth)
	require.Equal(t, "http://example.org/read", e.Prometheus.RemoteReadConfigs[0].URL.String())
	require.Equal(t, "secret", string(e.Prometheus.RemoteReadConfigs[0].HTTPClientConfig.BasicAuth.Password))
}
