package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLab_AScrapeAndANotificationOfItMakeALatency(t *testing.T) {
	l := newLab(2)
	defer l.close()
	flipped, other := l.addresses()[0], l.addresses()[1]
	trial := l.book.begin([]string{flipped}, 1)
	series := fmt.Sprintf("flip{trial=\"%d\"} 1\n", trial.id)
	require.NotContains(t, scrapeAs(t, "srcprom", other), series)
	require.Contains(t, scrapeAs(t, "srcprom", flipped), series)

	notify := func(text string) int {
		resp, err := http.Post(l.webhook.URL+"/srcprom", "application/json", strings.NewReader(text))
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	require.Equal(t, http.StatusBadRequest, notify(`{"alerts":[{"labels":{"trial":"x"}}]}`))
	require.Equal(t, http.StatusBadRequest, notify(`{`))
	require.Equal(t, http.StatusOK, notify(fmt.Sprintf(
		`{"alerts":[{"labels":{"alertname":"Flip","trial":"%d","instance":%q,"group":"g"}}]}`, trial.id, flipped)))
	<-trial.complete
	latencies, err := l.book.end(trial)
	require.NoError(t, err)
	require.Len(t, latencies["srcprom"], 1)
	require.Positive(t, latencies["srcprom"][0])
}

func scrapeAs(t *testing.T, contender, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	require.NoError(t, err)
	req.Header.Set(contenderHeader, contender)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}
