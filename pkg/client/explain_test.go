package client

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClient_ExplainAsksForMatchersAndTime(t *testing.T) {
	c, requests, _ := serve(t, http.StatusOK, `{"alerts":[{"sentence":"Disk fires.","labels":{"alertname":"Disk"},"state":"firing","routes":[{"receiver":"team"}]}]}`)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	explanations, err := c.Explain(t.Context(), ExplainQuery{Matchers: []string{`{alertname="Disk"}`, `team="a"`}, At: at})
	require.NoError(t, err)
	require.Equal(t, &Explanations{Alerts: []Explanation{{
		Sentence: "Disk fires.", Labels: map[string]string{"alertname": "Disk"}, State: "firing",
		Routes: []ExplainedRoute{{Receiver: "team"}},
	}}}, explanations)
	r := <-requests
	require.Equal(t, "/prefix/api/srcprom/v1/explain", r.URL.Path)
	require.Equal(t, []string{`{alertname="Disk"}`, `team="a"`}, r.URL.Query()["match[]"])
	require.Equal(t, "2026-01-02T03:04:05Z", r.URL.Query().Get("time"))
}

func TestClient_ExplainWithoutATimeMeansNow(t *testing.T) {
	c, requests, _ := serve(t, http.StatusBadRequest, `{"error":"matchers are empty"}`)
	_, err := c.Explain(t.Context(), ExplainQuery{Matchers: []string{""}})
	var refused *Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusBadRequest, refused.Status)
	require.ErrorContains(t, err, "explain alerts")
	require.NotContains(t, (<-requests).URL.RawQuery, "time")
}
