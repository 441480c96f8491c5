package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDemo_TemperatureSetIsScraped(t *testing.T) {
	handler := newDemo(&bytes.Buffer{})

	require.Contains(t, do(t, handler, http.StatusOK, http.MethodGet, "/metrics", ""), "\ndemo_temperature_celsius 20\n")
	do(t, handler, http.StatusOK, http.MethodPost, "/temperature", "35.5\n")
	require.Contains(t, do(t, handler, http.StatusOK, http.MethodGet, "/metrics", ""), "\ndemo_temperature_celsius 35.5\n")
}

func TestDemo_TemperatureThatIsNoNumberIsRefused(t *testing.T) {
	handler := newDemo(&bytes.Buffer{})

	require.Contains(t, do(t, handler, http.StatusBadRequest, http.MethodPost, "/temperature", "hot"), `"hot" is not a number`)
	do(t, handler, http.StatusBadRequest, http.MethodPost, "/temperature", strings.Repeat("1", 100))
}

func TestDemo_NotificationIsPrinted(t *testing.T) {
	var out bytes.Buffer
	handler := newDemo(&out)

	do(t, handler, http.StatusOK, http.MethodPost, "/notify",
		`{"alerts":[{"status":"firing","labels":{"alertname":"TooHot"},"annotations":{"summary":"it is 35 °C"}}]}`)
	require.Contains(t, out.String(), ">>> FIRING: TooHot: it is 35 °C\n")
	do(t, handler, http.StatusBadRequest, http.MethodPost, "/notify", "{")
}

func do(t *testing.T, handler http.Handler, status int, method, path, body string) string {
	t.Helper()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader(body)))
	require.Equal(t, status, answer.Code, answer.Body)
	return answer.Body.String()
}
