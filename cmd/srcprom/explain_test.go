package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// explaining is a server that knows the sentences of some selectors, to those who
// know its password if it has one.
func explaining(t *testing.T, password string, sentences map[string]string, asked func(*http.Request)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		asked(r)
		answer := client.Explanations{Alerts: []client.Explanation{}}
		for _, selector := range r.URL.Query()["match[]"] {
			if sentence, ok := sentences[selector]; ok {
				answer.Alerts = append(answer.Alerts, client.Explanation{Sentence: sentence, State: "firing"})
			}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func runExplain(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = explainAlerts(t.Context(), parsed(t, nil, append([]string{commandExplain}, args...)...), &out, &errs)
	return code, out.String(), errs.String()
}

func TestExplain_OneSentenceOnALine(t *testing.T) {
	var times []string
	url := explaining(t, "", map[string]string{`{alertname="A"}`: `A fires > "now".`, `{team="b"}`: "B does not fire."}, func(r *http.Request) {
		require.Equal(t, client.BasePath+"/explain", r.URL.Path)
		times = append(times, r.URL.Query().Get("time"))
	})
	code, stdout, stderr := runExplain(t, "--url="+url, `{alertname="A"}`, `{team="b"}`)
	require.Zero(t, code, stderr)
	require.Equal(t, "A fires > \"now\".\nB does not fire.\n", stdout)
	require.Equal(t, []string{"", ""}, times)

	times = nil
	code, _, stderr = runExplain(t, "--url="+url, "--time=1795363200.5", `{alertname="A"}`)
	require.Zero(t, code, stderr)
	code, _, stderr = runExplain(t, "--url="+url, "--time=2026-11-22T17:00:00+01:00", `{alertname="A"}`)
	require.Zero(t, code, stderr)
	require.Equal(t, []string{"2026-11-22T16:00:00.5Z", "2026-11-22T17:00:00+01:00"}, times)
}

func TestExplain_JSONIsTheAnswer(t *testing.T) {
	url := explaining(t, "", map[string]string{`{alertname="A"}`: `A fires > "now".`, `{team="b"}`: "B does not fire."}, func(*http.Request) {})
	code, stdout, stderr := runExplain(t, "--url="+url, "--output=json", `{alertname="A"}`, `{team="b"}`)
	require.Zero(t, code, stderr)
	var answer client.Explanations
	require.NoError(t, json.Unmarshal([]byte(stdout), &answer))
	require.Len(t, answer.Alerts, 2)
	require.Equal(t, `A fires > "now".`, answer.Alerts[0].Sentence)
	require.Contains(t, stdout, "fires > ", "it is to be read, not to be put into a page")
}

func TestExplain_ASelectorOfNothingIsNamedAndTheOthersAnswered(t *testing.T) {
	url := explaining(t, "", map[string]string{`{alertname="A"}`: "A fires."}, func(*http.Request) {})
	code, stdout, stderr := runExplain(t, "--url="+url, `{alertname=~"X.*"}`, `{alertname="A"}`)
	require.Equal(t, exitFailure, code)
	require.Equal(t, "A fires.\n", stdout)
	require.Contains(t, stderr, buildName+`: no alert satisfies {alertname=~"X.*"}`)
}

func TestExplain_HTTPConfigFileAuthenticates(t *testing.T) {
	url := explaining(t, "s3cret", map[string]string{`{alertname="A"}`: "A fires."}, func(*http.Request) {})
	code, stdout, stderr := runExplain(t, "--url="+url, `{alertname="A"}`)
	require.Equal(t, exitFailure, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "401 Unauthorized")

	file := filepath.Join(t.TempDir(), "http.yml")
	require.NoError(t, os.WriteFile(file, []byte("basic_auth: {username: me, password: s3cret}\n"), 0o600))
	code, stdout, stderr = runExplain(t, "--url="+url, "--http.config.file="+file, `{alertname="A"}`)
	require.Zero(t, code, stderr)
	require.Equal(t, "A fires.\n", stdout)

	code, _, stderr = runExplain(t, "--url="+url, "--http.config.file="+file+".gone", `{alertname="A"}`)
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, "http.yml.gone")
}

func TestExplain_NobodyThereIsAnError(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	code, stdout, stderr := runExplain(t, "--url="+gone.URL, `{alertname="A"}`)
	require.Equal(t, exitFailure, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "explain alerts")
	require.Contains(t, stderr, "connection refused")
}

func TestExplain_UsageIsChecked(t *testing.T) {
	for _, args := range [][]string{
		{commandExplain},
		{commandExplain, "--time=yesterday", "{}"},
		{commandExplain, "--output=yaml", "{}"},
	} {
		_, err := parse(args, lookupIn(nil), noFiles)
		require.Error(t, err, "%q", args)
	}
	call := parsed(t, nil, commandExplain, "{}")
	require.Equal(t, "http://localhost:9090", call.remote.url)
	require.True(t, time.Time(call.explain.at).IsZero())
}
