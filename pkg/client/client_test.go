package client

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serve answers every request with one status and body, and hands out what was
// asked.
func serve(t *testing.T, status int, body string) (*Client, <-chan *http.Request, <-chan string) {
	t.Helper()
	requests, bodies := make(chan *http.Request, 1), make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		requests <- r
		bodies <- string(text)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	c, err := New(srv.URL+"/prefix/", WithHTTPClient(srv.Client()))
	require.NoError(t, err)
	return c, requests, bodies
}

func TestNew_RefusesWhatIsNoServerAddress(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:9090", "ftp://host", "http://", "http://host:port:more"} {
		_, err := New(base)
		require.Error(t, err, "base URL %q", base)
	}
	_, err := New("ftp://user:hunter2@host")
	require.ErrorContains(t, err, "want http:// or https://")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestClient_ConfigDecodesAnswer(t *testing.T) {
	c, requests, _ := serve(t, http.StatusOK, `{"version":3,"applied_at":"2026-01-02T03:04:05Z",
		"documents":{"prometheus":{"provenance":{"source":"file","path":"/p.yml","at":"2026-01-02T03:04:04Z"},"hash":"ab","content":"x"}}}`)
	config, err := c.Config(t.Context())
	require.NoError(t, err)
	require.Equal(t, &Config{
		Version:   3,
		AppliedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Documents: map[string]Document{"prometheus": {
			Provenance: Provenance{Source: "file", Path: "/p.yml", At: time.Date(2026, 1, 2, 3, 4, 4, 0, time.UTC)},
			Hash:       "ab",
			Content:    "x",
		}},
	}, config)
	r := <-requests
	require.Equal(t, http.MethodGet, r.Method)
	require.Equal(t, "/prefix/api/srcprom/v1/config", r.URL.Path)
}

func TestClient_ApplyAndPlanSendTheChange(t *testing.T) {
	version, text := uint64(7), "global: {}"
	req := ConfigRequest{
		Documents: map[string]*string{"prometheus": &text, "rules/old": nil},
		IfVersion: &version,
		Strict:    true,
	}
	const wanted = `{"documents":{"prometheus":"global: {}","rules/old":null},"if_version":7}`
	const answer = `{"version":8,"changes":["scrape: one job"],"set_aside":[{"document":"rules/a","name":"groups/g","line":2,"reason":"no"}]}`

	c, requests, bodies := serve(t, http.StatusOK, answer)
	result, err := c.ApplyConfig(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, &ConfigResult{
		Version:  8,
		Changes:  []string{"scrape: one job"},
		SetAside: []SetAside{{Document: "rules/a", Name: "groups/g", Line: 2, Reason: "no"}},
	}, result)
	r := <-requests
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	require.Equal(t, "strict=1", r.URL.RawQuery)
	require.JSONEq(t, wanted, <-bodies)

	_, err = c.PlanConfig(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "dry_run=1&strict=1", (<-requests).URL.RawQuery)
}

func TestClient_ErrorCarriesWhatTheServerSaid(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   Error
		text   string
	}{
		"faults": {
			422, `{"faults":[{"document":"prometheus","line":4,"reason":"bad"},{"document":"alertmanager","line":0,"reason":"worse"}]}`,
			Error{Status: 422, Faults: []Fault{{"prometheus", 4, "bad"}, {"alertmanager", 0, "worse"}}},
			"apply configuration: 422 Unprocessable Entity: prometheus:4: bad; alertmanager: worse",
		},
		"other version": {
			409, `{"error":"the configuration has another version"}`,
			Error{Status: 409, Message: "the configuration has another version"},
			"apply configuration: 409 Conflict: the configuration has another version",
		},
		"endpoint off": {
			403, `{"error":"off: start with --web.enable-config-api"}`,
			Error{Status: 403, Message: "off: start with --web.enable-config-api"},
			"apply configuration: 403 Forbidden: off: start with --web.enable-config-api",
		},
		"a proxy's page": {
			502, "<html>bad gateway</html>\n",
			Error{Status: 502, Message: "<html>bad gateway</html>"},
			"apply configuration: 502 Bad Gateway: <html>bad gateway</html>",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := serve(t, tc.status, tc.body)
			_, err := c.ApplyConfig(t.Context(), ConfigRequest{Documents: map[string]*string{}})
			var got *Error
			require.ErrorAs(t, err, &got)
			require.Equal(t, tc.want, *got)
			require.EqualError(t, err, tc.text)
		})
	}
}

func TestClient_AnswerThatIsNotJSONIsAnError(t *testing.T) {
	c, _, _ := serve(t, http.StatusOK, "hello")
	_, err := c.Config(t.Context())
	require.ErrorContains(t, err, "get configuration: decode answer")
}

func TestClient_NotReadyIsAnAnswer(t *testing.T) {
	want := Readiness{Stopping: true, Reasons: []string{"stopping"}}
	body, err := json.Marshal(want)
	require.NoError(t, err)
	c, _, _ := serve(t, http.StatusServiceUnavailable, string(body))
	got, err := c.Ready(t.Context())
	require.NoError(t, err)
	require.Equal(t, &want, got)

	c, _, _ = serve(t, http.StatusNotFound, "404 page not found\n")
	_, err = c.Ready(t.Context())
	require.EqualError(t, err, "get readiness: 404 Not Found: 404 page not found")
}

func TestClient_QuestionsTravelInTheQueryString(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c, requests, _ := serve(t, http.StatusOK, `{"entries":[{"outcome":"failed","attempt":2}],"next":"p2"}`)
	history, err := c.History(t.Context(), HistoryQuery{Matchers: []string{`{a="b"}`, `c="d"`}, Start: at, Receiver: "team a", Outcome: OutcomeFailed, Limit: 5, Page: "p"})
	require.NoError(t, err)
	require.Equal(t, &History{Entries: []HistoryEntry{{Outcome: OutcomeFailed, Attempt: 2}}, Next: "p2"}, history)
	r := <-requests
	require.Equal(t, "/prefix/api/srcprom/v1/history", r.URL.Path)
	require.Equal(t, url.Values{
		"match[]": {`{a="b"}`, `c="d"`}, "start": {"2026-01-02T03:04:05Z"},
		"receiver": {"team a"}, "outcome": {"failed"}, "limit": {"5"}, "page": {"p"},
	}, r.URL.Query())

	c, requests, _ = serve(t, http.StatusOK, `{"versions":[],"next":3}`)
	versions, err := c.ConfigHistory(t.Context(), ConfigHistoryQuery{Before: 9, Limit: 2})
	require.NoError(t, err)
	require.Equal(t, &ConfigHistory{Versions: []ConfigVersion{}, Next: 3}, versions)
	require.Equal(t, "before=9&limit=2", (<-requests).URL.RawQuery)
}

func TestClient_RollbackSendsTheVersion(t *testing.T) {
	version := uint64(8)
	c, requests, bodies := serve(t, http.StatusNotFound, `{"error":"the version is not kept: 3"}`)
	_, err := c.RollbackConfig(t.Context(), RollbackRequest{Version: 3, IfVersion: &version, Strict: true})
	require.EqualError(t, err, "roll back configuration: 404 Not Found: the version is not kept: 3")
	require.Equal(t, "strict=1", (<-requests).URL.RawQuery)
	require.JSONEq(t, `{"version":3,"if_version":8}`, <-bodies)
	_, err = c.PlanRollbackConfig(t.Context(), RollbackRequest{Version: 3})
	require.ErrorContains(t, err, "plan roll back of the configuration: 404")
	require.Equal(t, "dry_run=1", (<-requests).URL.RawQuery)
}

func TestClient_BackupIsCopiedOrRefused(t *testing.T) {
	c, requests, _ := serve(t, http.StatusOK, "an archive")
	var archive strings.Builder
	require.NoError(t, c.Backup(t.Context(), &archive))
	require.Equal(t, "an archive", archive.String())
	r := <-requests
	require.Equal(t, "POST /prefix/api/srcprom/v1/admin/backup", r.Method+" "+r.URL.Path)

	c, _, _ = serve(t, http.StatusForbidden, `{"error":"admin API is not enabled: start with --web.enable-admin-api"}`)
	require.EqualError(t, c.Backup(t.Context(), io.Discard), "back up: 403 Forbidden: admin API is not enabled: start with --web.enable-admin-api")
}

func TestClient_TestNotificationAsksAndDecodes(t *testing.T) {
	c, requests, bodies := serve(t, http.StatusOK, `{"receivers":[{"receiver":"a","route":"{}","integrations":[
		{"integration":"email[0]","sent":false,"status":535,"latency_seconds":0.25,"error":"no"}]}],"problems":[{"description":"d","kind":"SiteConfig"}]}`)
	text := "{}"
	result, err := c.TestNotification(t.Context(), TestNotificationRequest{Labels: map[string]string{"team": "a"}, SiteConfig: &text})
	require.NoError(t, err)
	require.Equal(t, &TestNotificationResult{
		Receivers: []TestedReceiver{{Receiver: "a", Route: "{}", Integrations: []TestedIntegration{
			{Integration: "email[0]", Status: 535, LatencySeconds: 0.25, Error: "no"},
		}}},
		Problems: []ConfigProblem{{Description: "d", Kind: "SiteConfig"}},
	}, result)
	r := <-requests
	require.Equal(t, "POST /prefix/api/srcprom/v1/test-notification", r.Method+" "+r.URL.Path)
	require.Empty(t, r.URL.RawQuery)
	require.JSONEq(t, `{"labels":{"team":"a"},"site_config":"{}"}`, <-bodies)

	c, _, _ = serve(t, http.StatusNotFound, `{"error":"there is no receiver"}`)
	_, err = c.TestNotification(t.Context(), TestNotificationRequest{Receiver: "b"})
	var refused *Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusNotFound, refused.Status)
	require.ErrorContains(t, err, "send test notification")
}
