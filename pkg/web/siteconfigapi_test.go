package web

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// pushed is what a Deps.Push was called with.
type pushed struct {
	text   string
	dryRun bool
}

// withPush takes site configurations, and answers with result or err.
func withPush(calls *[]pushed, result *client.SiteConfigResult, err error) edit {
	return func(_ *Options, deps *Deps) {
		deps.Push = func(_ context.Context, text string, dryRun bool) (*client.SiteConfigResult, error) {
			*calls = append(*calls, pushed{text, dryRun})
			return result, err
		}
	}
}

func push(t *testing.T, s *testServer, query, media string) answer {
	t.Helper()
	return s.do(t, http.MethodPost, "/api/srcprom/v1/siteconfig"+query, "{}", map[string]string{"Content-Type": media})
}

func TestSiteConfig_IsPushedOrPlanned(t *testing.T) {
	var calls []pushed
	want := &client.SiteConfigResult{
		ConfigResult: client.ConfigResult{Version: 4, Changes: []string{"siteconfig: changed"}, SetAside: []client.SetAside{}},
		Problems:     []client.ConfigProblem{{Description: "`email.smtp`: it has no host", Kind: "SiteConfig"}},
	}
	c := configClient(t, startServer(t, withConfigAPI, withPush(&calls, want, nil)))
	const text = `{"externalURL": "https://sg.example.com", /* ours */}`

	got, err := c.PlanSiteConfig(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = c.PushSiteConfig(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, []pushed{{text, true}, {text, false}}, calls)
}

func TestSiteConfig_WhatCannotBeReadIsRefused(t *testing.T) {
	var calls []pushed
	faults := config.Faults{{Document: "siteconfig", Line: 3, Reason: "want a comma"}}
	s := startServer(t, withConfigAPI, withPush(&calls, nil, faults))
	_, err := configClient(t, s).PushSiteConfig(t.Context(), "{")
	var refused *client.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, &client.Error{Status: http.StatusUnprocessableEntity, Faults: []client.Fault{{Document: "siteconfig", Line: 3, Reason: "want a comma"}}}, refused)

	a := push(t, s, "?strict=1", "application/json")
	require.Equal(t, http.StatusBadRequest, a.status)
	require.Contains(t, a.body, "dry_run")
	a = push(t, s, "", "text/plain")
	require.Equal(t, http.StatusUnsupportedMediaType, a.status)
	require.Contains(t, a.body, "application/json or application/jsonc")
	require.Len(t, calls, 1)
}

func TestSiteConfig_NeedsItsFlagAndASource(t *testing.T) {
	a := push(t, startServer(t), "", "application/json")
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.body, "--web.enable-config-api")
	a = push(t, startServer(t, withConfigAPI), "", "application/json")
	require.Equal(t, http.StatusNotFound, a.status)
	require.Contains(t, a.body, "--siteconfig.url")
}

func TestReadiness_TellsTheDetailOfOthers(t *testing.T) {
	s := startServer(t, func(_ *Options, deps *Deps) {
		deps.Detail = func() []string { return []string{"site configuration: never fetched"} }
	})
	require.Equal(t, s.opts.AppName+" is Ready.\nsite configuration: never fetched\n", s.get(t, "/-/ready").body)
	readiness, err := configClient(t, s).Ready(t.Context())
	require.NoError(t, err)
	require.Equal(t, &client.Readiness{Ready: true, Reasons: []string{}, Detail: []string{"site configuration: never fetched"}}, readiness)
	s.state.set(false, "storage: opening")
	require.Equal(t, "storage: opening\nsite configuration: never fetched\n", s.get(t, "/-/ready").body)
}

func TestHandlers_OfOthersAreMountedBelowThePrefix(t *testing.T) {
	s := startServer(t, func(opts *Options, deps *Deps) {
		opts.RoutePrefix = "/metrics-of-ours"
		deps.Handlers = map[string]http.Handler{"/there": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })}
	})
	require.Equal(t, http.StatusTeapot, s.get(t, "/there").status)
	require.Equal(t, http.StatusNotFound, s.get(t, "/there/below").status)
}
