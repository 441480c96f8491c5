package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

func withConfigAPI(o *Options, _ *Deps) { o.EnableConfigAPI = true }

func configClient(t *testing.T, s *testServer) *client.Client {
	t.Helper()
	c, err := client.New(s.base, client.WithHTTPClient(s.http))
	require.NoError(t, err)
	return c
}

func asJSON() map[string]string {
	return map[string]string{"Content-Type": "application/json; charset=utf-8"}
}

func TestConfigAPI_GetRedacts(t *testing.T) {
	s := startServer(t, withConfigAPI, func(o *Options, _ *Deps) { o.RoutePrefix = "/p" })
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const secretive = "remote_write:\n  - url: http://example.com\n    basic_auth: {username: u, password: hunter2}\n"
	redacted := config.Redact(config.Document{Name: "prometheus", Content: secretive})
	require.NotContains(t, redacted, "hunter2")
	s.configurer.current = &config.Accepted{Version: 4, AppliedAt: at, Documents: config.Documents{
		"prometheus": {Name: "prometheus", Content: secretive, Provenance: config.Provenance{Source: config.SourceFile, Path: "/etc/p.yml", At: at}},
	}}
	got, err := configClient(t, s).Config(t.Context())
	require.NoError(t, err)
	require.Equal(t, &client.Config{Version: 4, AppliedAt: at, Documents: map[string]client.Document{"prometheus": {
		Provenance: client.Provenance{Source: "file", Path: "/etc/p.yml", At: at},
		Hash:       s.configurer.current.Documents["prometheus"].Hash(),
		Content:    redacted,
	}}}, got)
	require.JSONEq(t, fmt.Sprintf(`{"version":4,"applied_at":"2026-01-02T03:04:05Z","documents":{"prometheus":{
		"provenance":{"source":"file","path":"/etc/p.yml","at":"2026-01-02T03:04:05Z"},"hash":%q,"content":%q}}}`,
		got.Documents["prometheus"].Hash, redacted), s.get(t, "/api/srcprom/v1/config").body)
}

func TestConfigAPI_GetBeforeTheFirstIsUnavailable(t *testing.T) {
	s := startServer(t, withConfigAPI)
	a := s.get(t, "/api/srcprom/v1/config")
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.JSONEq(t, `{"error":"no configuration has been applied yet"}`, a.body)
}

func TestConfigAPI_PostAppliesOrPlans(t *testing.T) {
	s := startServer(t, withConfigAPI)
	s.configurer.result = config.Result{
		Version:  5,
		Changes:  []string{"alerting: receivers"},
		SetAside: []config.SetAside{{Document: "rules/a", Name: "groups/g", Line: 3, Reason: "no"}},
		Warnings: []string{"mind the gap"},
	}
	text, version := "route: {}", uint64(4)
	req := client.ConfigRequest{Documents: map[string]*string{"alertmanager": &text, "rules/old": nil}, IfVersion: &version}
	want := &client.ConfigResult{
		Version:  5,
		Changes:  []string{"alerting: receivers"},
		SetAside: []client.SetAside{{Document: "rules/a", Name: "groups/g", Line: 3, Reason: "no"}},
		Warnings: []string{"mind the gap"},
	}
	c := configClient(t, s)

	got, err := c.PlanConfig(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Empty(t, s.configurer.applied)
	require.Len(t, s.configurer.planned, 1)

	req.Strict = true
	got, err = c.ApplyConfig(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Len(t, s.configurer.applied, 1)
	change := s.configurer.applied[0]
	require.Equal(t, req.Documents, change.Documents)
	require.Equal(t, &version, change.IfVersion)
	require.True(t, change.Strict)
	require.Equal(t, config.SourceHTTP, change.Provenance.Source)
	require.WithinDuration(t, time.Now(), change.Provenance.At, time.Minute)
}

func TestConfigAPI_NothingToDoIsEmptyListsNotNull(t *testing.T) {
	s := startServer(t, withConfigAPI)
	s.configurer.result = config.Result{Version: 5}
	a := s.do(t, http.MethodPost, "/api/srcprom/v1/config", `{"documents":{}}`, asJSON())
	require.Equal(t, http.StatusOK, a.status)
	require.JSONEq(t, `{"version":5,"changes":[],"set_aside":[]}`, a.body)
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
}

func TestConfigAPI_FailuresKeepTheirMeaning(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"refused": {
			fmt.Errorf("apply: %w", config.Faults{{Document: "prometheus", Line: 4, Reason: "unknown field"}, {Document: "alertmanager", Reason: "no route"}}),
			422, `{"faults":[{"document":"prometheus","line":4,"reason":"unknown field"},{"document":"alertmanager","line":0,"reason":"no route"}]}`,
		},
		"other version": {fmt.Errorf("%w: it is at 7", config.ErrVersion), 409, `{"error":"the configuration has another version: it is at 7"}`},
		"broken":        {errors.New("write state: no space left on device"), 500, `{"error":"write state: no space left on device"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, withConfigAPI)
			s.configurer.err = tc.err
			for _, query := range []string{"", "?dry_run=1"} {
				a := s.do(t, http.MethodPost, "/api/srcprom/v1/config"+query, `{"documents":{}}`, asJSON())
				require.Equal(t, tc.status, a.status)
				require.JSONEq(t, tc.body, a.body)
			}
		})
	}
}

func TestConfigAPI_StartingAndStoppingAreUnavailable(t *testing.T) {
	s := startServer(t, withConfigAPI)
	s.state.set(false, "storage: opening", "rules: waiting")
	a := s.do(t, http.MethodPost, "/api/srcprom/v1/config", `{"documents":{}}`, asJSON())
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "false", a.header.Get("X-Prometheus-Stopping"))
	require.JSONEq(t, `{"error":"storage: opening; rules: waiting"}`, a.body)
	s.state.set(true)
	a = s.do(t, http.MethodPost, "/api/srcprom/v1/config", `{"documents":{}}`, asJSON())
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "true", a.header.Get("X-Prometheus-Stopping"))
	require.Empty(t, s.configurer.applied)
}

func TestConfigAPI_ChangeThatMeetsTheStopIsUnavailable(t *testing.T) {
	a := &configAPI{readiness: func() client.Readiness { return client.Readiness{Stopping: true} }}
	w := httptest.NewRecorder()
	a.writeFailure(context.Background(), w, errors.New("srcprom: the server is not running"))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
}

func TestConfigAPI_MalformedRequestsAreRefused(t *testing.T) {
	s := startServer(t, withConfigAPI)
	for name, tc := range map[string]struct {
		query, contentType, body string
		status                   int
		part                     string
	}{
		"form":              {"", "application/x-www-form-urlencoded", `{"documents":{}}`, 415, "want application/json"},
		"no content type":   {"", "", `{"documents":{}}`, 415, "want application/json"},
		"not JSON":          {"", "application/json", `documents: {}`, 400, "invalid character"},
		"empty":             {"", "application/json", ``, 400, "EOF"},
		"null":              {"", "application/json", `null`, 400, `want \"documents\"`},
		"no documents":      {"", "application/json", `{"if_version":1}`, 400, `want \"documents\"`},
		"unknown field":     {"", "application/json", `{"documents":{},"force":true}`, 400, `unknown field`},
		"document a number": {"", "application/json", `{"documents":{"prometheus":1}}`, 400, "cannot unmarshal number"},
		"negative version":  {"", "application/json", `{"documents":{},"if_version":-1}`, 400, "if_version"},
		"two objects":       {"", "application/json", `{"documents":{}}{}`, 400, "nothing after the object"},
		"not UTF-8":         {"", "application/json", "{\"documents\":{\"prometheus\":\"\xff\"}}", 400, "want UTF-8"},
		"misspelt dry run":  {"?dryrun=1", "application/json", `{"documents":{}}`, 400, "want dry_run or strict"},
		"dry run maybe":     {"?dry_run=perhaps", "application/json", `{"documents":{}}`, 400, "want it once"},
		"strict twice":      {"?strict=1&strict=0", "application/json", `{"documents":{}}`, 400, "want it once"},
		"bad query":         {"?%zz", "application/json", `{"documents":{}}`, 400, "parse query string"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do(t, http.MethodPost, "/api/srcprom/v1/config"+tc.query, tc.body, map[string]string{"Content-Type": tc.contentType})
			require.Equal(t, tc.status, a.status, a.body)
			require.Contains(t, a.body, tc.part)
		})
	}
	require.Empty(t, s.configurer.applied)
	require.Empty(t, s.configurer.planned)
	require.Equal(t, http.StatusMethodNotAllowed, s.do(t, http.MethodPut, "/api/srcprom/v1/config", "", nil).status)
}

func TestConfigAPI_BodyIsBounded(t *testing.T) {
	a := &configAPI{maxBody: 100, readiness: func() client.Readiness { return client.Readiness{Ready: true} }}
	r := httptest.NewRequest(http.MethodPost, "/config", strings.NewReader(`{"documents":{"prometheus":"`+strings.Repeat("x", 100)+`"}}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	a.post(w, r)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	require.JSONEq(t, `{"error":"request body: want at most 100 bytes"}`, w.Body.String())
}
