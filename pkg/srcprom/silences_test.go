package srcprom_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

func TestServer_AlertsAreCountedWithoutASourceOfConfiguration(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithRules(`
groups:
- name: g
  rules:
  - {alert: A, expr: vector(1), labels: {level: critical, service_name: frontend}}
  - {alert: B, expr: vector(1), labels: {level: warning}}
`))
	c := clientOf(t, server)
	require.Eventually(t, func() bool {
		status, err := c.GetAlertsStatus(t.Context())
		return err == nil && *status == client.AlertsStatus{Warning: 1, Critical: 1, ServicesCritical: 1}
	}, 20*time.Second, 10*time.Millisecond, "the alerts are not counted")
	id, err := server.CreateSilence(t.Context(), client.Silence{
		Matchers: []client.Matcher{{Name: "alertname", Value: "A", IsEqual: true}}, EndsAt: time.Now().Add(time.Hour),
	})
	require.NoError(t, err)
	silenced := func() bool {
		status, err := server.AlertsStatus()
		return err == nil && *status == client.AlertsStatus{Warning: 1, Silenced: 1}
	}
	require.Eventually(t, silenced, 20*time.Second, 10*time.Millisecond, "the silence does not count")
	require.NoError(t, server.ExpireSilence(t.Context(), id))
	require.Eventually(t, func() bool { return !silenced() }, 20*time.Second, 10*time.Millisecond, "the silence goes on counting")
	require.NoError(t, server.Stop())
	_, err = server.CreateSilence(t.Context(), client.Silence{})
	require.ErrorContains(t, err, "alerting is stopped")
}

func TestServer_AlertsAreNotCountedWithoutAlertmanager(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithOptions(func(o *srcprom.Options) { o.Alerting.Disabled = true }))
	for path, want := range map[string]int{
		client.AlertsStatusPath:  http.StatusServiceUnavailable,
		client.AlertsHistoryPath: http.StatusOK,
		client.ConfigStatusPath:  http.StatusNotFound,
	} {
		resp, err := http.Get(server.URL + path)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.StatusCode, path)
	}
	http.DefaultClient.CloseIdleConnections()
}

func clientOf(t *testing.T, server *srcpromtest.Server) *client.Client {
	t.Helper()
	calls := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(calls.CloseIdleConnections)
	c, err := client.New(server.URL, client.WithHTTPClient(calls))
	require.NoError(t, err)
	return c
}
