package web

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

func TestHistory_AsksWhatWasAsked(t *testing.T) {
	s := startServer(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	query := client.HistoryQuery{
		Matchers: []string{`{alertname="Disk"}`, `team=~"a|b"`},
		Start:    at, End: at.Add(time.Hour),
		Receiver: "team a", Outcome: client.OutcomeFailed, Limit: 7, Page: "p2",
	}
	s.answers.page = client.History{Next: "p3", Entries: []client.HistoryEntry{{Time: at, Labels: map[string]string{"a": "b"}, Outcome: client.OutcomeFailed}}}
	got, err := configClient(t, s).History(t.Context(), query)
	require.NoError(t, err)
	require.Equal(t, &s.answers.page, got)
	require.Equal(t, []client.HistoryQuery{query}, s.answers.histories)
}

func TestHistory_WithoutParametersIsTheNewestPage(t *testing.T) {
	s := startServer(t)
	require.JSONEq(t, `{"entries":[],"next":""}`, s.get(t, "/api/srcprom/v1/history").body)
	require.Equal(t, []client.HistoryQuery{{Limit: 100}}, s.answers.histories)
}

func TestHistory_TakesTimesAsPrometheusDoes(t *testing.T) {
	s := startServer(t)
	for text, want := range map[string]time.Time{
		"1767323045":                     time.Unix(1767323045, 0).UTC(),
		"1767323045.25":                  time.UnixMilli(1767323045250).UTC(),
		"2026-01-02T03:04:05Z":           time.Unix(1767323045, 0).UTC(),
		"2026-01-02T04:04:05.5+01:00":    time.UnixMilli(1767323045500).UTC(),
		"2026-01-02T03:04:05.123456789Z": time.Unix(1767323045, 123456789).UTC(),
	} {
		require.Equal(t, http.StatusOK, s.get(t, "/api/srcprom/v1/history?start="+url.QueryEscape(text)).status, text)
		last := s.answers.histories[len(s.answers.histories)-1]
		require.True(t, want.Equal(last.Start), "%s: %s", text, last.Start)
	}
}

func TestAlertsAPI_MalformedQuestionsAreRefused(t *testing.T) {
	s := startServer(t)
	for query, part := range map[string]string{
		"history?start=yesterday":         "want RFC 3339",
		"history?end=NaN":                 "want RFC 3339",
		"history?end=1e300":               "want RFC 3339",
		"history?start=-5":                "want RFC 3339",
		"history?start=20&end=10":         "want it not before start",
		"history?limit=1001":              "from 1 to 1000",
		"history?limit=0":                 "from 1 to 1000",
		"history?outcome=lost":            "want one of [\\\"delivered",
		"history?receiver=a&receiver=b":   "want it once",
		"history?match=%7Ba%3D%22b%22%7D": `parameter \"match\": want one of match[], start`,
		"history?%zz":                     "parse query string",
		"explain":                         "want it at least once",
		"explain?match[]=a&time=tomorrow": "want RFC 3339",
		"explain?match[]=a&start=1":       "want one of match[], time",
		"explain?match[]=a&time=1&time=2": "want it once",
	} {
		a := s.get(t, "/api/srcprom/v1/"+query)
		require.Equal(t, http.StatusBadRequest, a.status, query)
		require.Contains(t, a.body, part, query)
	}
	require.Empty(t, s.answers.histories)
	require.Empty(t, s.answers.explained)
}

func TestExplain_AsksWhatWasAsked(t *testing.T) {
	s := startServer(t)
	query := client.ExplainQuery{Matchers: []string{`{alertname="Disk"}`, `{a="b"}`}, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s.answers.explanations.Alerts = []client.Explanation{{Sentence: "It was sent.", Routes: []client.ExplainedRoute{}}}
	got, err := configClient(t, s).Explain(t.Context(), query)
	require.NoError(t, err)
	require.Equal(t, &s.answers.explanations, got)
	require.Equal(t, []client.ExplainQuery{query}, s.answers.explained)

	s.answers.explanations.Alerts = nil
	require.JSONEq(t, `{"alerts":[]}`, s.get(t, "/api/srcprom/v1/explain?match[]=a").body)
}

// wrongQuestion is an error of who asked.
type wrongQuestion struct{ error }

func (wrongQuestion) BadQuery() {}

func TestAlertsAPI_ErrorsAreWhoseTheyAre(t *testing.T) {
	s := startServer(t)
	for _, path := range []string{"/api/srcprom/v1/history?page=p", "/api/srcprom/v1/explain?match[]=a"} {
		s.answers.err = wrongQuestion{errors.New("matchers are empty")}
		a := s.get(t, path)
		require.Equal(t, http.StatusBadRequest, a.status)
		require.JSONEq(t, `{"error":"matchers are empty"}`, a.body)

		s.answers.err = errors.New("the state cannot be read")
		require.Equal(t, http.StatusInternalServerError, s.get(t, path).status)
		s.state.set(false, "storage: opening")
		a = s.get(t, path)
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.JSONEq(t, `{"error":"the state cannot be read"}`, a.body)
		s.answers.err = nil
		require.Equal(t, http.StatusOK, s.get(t, path).status, "while the storage opens")
		s.state.set(false)
	}
}

func TestAlertsAPI_WithoutAlertingNothingIsThere(t *testing.T) {
	s := startServer(t, func(_ *Options, d *Deps) { d.History, d.Explain = nil, nil })
	for _, path := range []string{"history", "explain?match[]=a"} {
		require.Equal(t, http.StatusNotFound, s.get(t, "/api/srcprom/v1/"+path).status, path)
	}
}

func TestHealth_IsAnAnswerWhateverItSays(t *testing.T) {
	s := startServer(t)
	s.answers.parts = client.Health{State: client.HealthFailing, Parts: []client.PartHealth{{
		Name: "state", State: client.HealthFailing, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Problems: []client.HealthProblem{{Level: "critical", Summary: "the disk is full", Remedy: "free some"}},
	}}}
	s.state.set(false, "storage: opening")
	got, err := configClient(t, s).Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, &s.answers.parts, got)
}
