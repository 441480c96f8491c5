package alerting

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func alertsJSON(name string) string {
	return fmt.Sprintf(`[{"labels":{"alertname":%q},"startsAt":%q}]`, name, time.Now().Format(time.RFC3339))
}

func TestHandler_AnswersUnavailableUntilConfiguredAndAfterStop(t *testing.T) {
	h := newHarness(t, nil).start()
	url := h.serve().URL + "/alertmanager/api/v2/status"
	status, body := request(t, http.MethodGet, url, "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "alertmanager configuration not applied yet\n", body)
	require.Equal(t, "alertmanager configuration not applied yet", h.NotReady())

	h.apply(effective(t, webhookYML("http://127.0.0.1:1")))
	status, body = request(t, http.MethodGet, url, "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `"status":"disabled"`)

	h.stop()
	status, body = request(t, http.MethodGet, url, "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "alerting is stopped\n", body)
}

func TestHandler_HidesTheHeadersOfMails(t *testing.T) {
	h := running(t, `
global: {smtp_smarthost: '127.0.0.1:1', smtp_from: a@example.com}
route: {receiver: mail}
receivers:
  - name: mail
    email_configs: [{to: b@example.com, headers: {subject: for all to see, X-Odd: not for all}}]
`)
	status, body := request(t, http.MethodGet, h.serve().URL+"/alertmanager/api/v2/status", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "for all to see")
	require.Contains(t, body, "X-Odd")
	require.NotContains(t, body, "not for all")
}

func TestHandler_ServesAlertmanagersAPI(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL)+webhookReceiver("unused", "http://127.0.0.1:1"))
	base := h.serve().URL + "/alertmanager"
	status, _ := request(t, http.MethodPost, base+"/api/v2/alerts", alertsJSON("Posted"))
	require.Equal(t, http.StatusOK, status)
	hook.requireMessages(t, 1)
	for path, want := range map[string]string{
		"/api/v2/alerts":        "Posted",
		"/api/v2/alerts/groups": "Posted",
		"/api/v2/receivers":     "unused",
		"/api/v2/silences":      "[]",
	} {
		status, body := request(t, http.MethodGet, base+path, "")
		require.Equal(t, http.StatusOK, status, path)
		require.Contains(t, body, want, path)
	}
	status, body := request(t, http.MethodGet, base+"/api/v1/alerts", "")
	require.Equal(t, http.StatusGone, status)
	require.Contains(t, body, "deprecated")
	requireMetric(t, h.reg, 1, "alertmanager_http_request_duration_seconds", "handler", "/api/v2/receivers", "code", "200")
}

func TestHandler_ServesUnderAnyPrefix(t *testing.T) {
	h := running(t, webhookYML("http://127.0.0.1:1"))
	for prefix, path := range map[string]string{"": "/", "/": "/", "/a/b/": "/a/b/", "am": "/am/"} {
		server := httptest.NewServer(h.Handler(prefix))
		for _, version := range []string{"api/v2/status", "api/v1/status"} {
			status, _ := request(t, http.MethodGet, server.URL+path+version, "")
			require.NotEqual(t, http.StatusNotFound, status, path+version)
		}
		server.Close()
	}
}

func TestHandler_OwnAlertsAreNotStoredTwice(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	url := h.serve().URL + "/alertmanager/api/v2/alerts"
	for method, url := range map[string]string{http.MethodPost: url, "post": url, "Post": url + "/"} {
		status, _ := request(t, method, url, alertsJSON("Own"), processHeader, h.external.processID)
		require.Equal(t, http.StatusOK, status)
	}
	status, _ := request(t, http.MethodPost, url, alertsJSON("Foreign"), processHeader, "another")
	require.Equal(t, http.StatusOK, status)
	_, body := request(t, http.MethodGet, url, "")
	require.NotContains(t, body, "Own")
	require.Contains(t, body, "Foreign")
}

func TestHandler_CORSAllowsConfiguredOrigin(t *testing.T) {
	h := newHarness(t, func(o *Options, _ *Deps) { o.CORSOrigin = `https://.*\.example\.com` }).start()
	h.apply(effective(t, webhookYML("http://127.0.0.1:1")))
	req, err := http.NewRequest(http.MethodGet, h.serve().URL+"/alertmanager/api/v2/receivers", nil)
	require.NoError(t, err)
	req.Header.Set("Origin", "https://console.example.com")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, "https://console.example.com", resp.Header.Get("Access-Control-Allow-Origin"))
}
