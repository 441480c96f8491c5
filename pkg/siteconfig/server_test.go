package siteconfig_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/frontend"
	"github.com/sourcegraph/srcprom/pkg/siteconfig"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// sourceOf plugs a subscriber into a server, as cmd/srcprom does.
func sourceOf(t testing.TB, edit func(*siteconfig.Options)) (srcprom.Source, *siteconfig.Subscriber) {
	t.Helper()
	o := siteconfig.DefaultOptions()
	o.PollInterval = 20 * time.Millisecond
	o.GRPCRetry.MaxAttempts, o.HTTPRetry.MaxAttempts = 1, 1
	edit(&o)
	s, err := siteconfig.New(o)
	require.NoError(t, err)
	return srcprom.Source{
		Overlay:  s.Overlay(),
		Builtin:  s.Builtin(),
		Handlers: s.Handlers(),
		Checks:   s.Checks(),
		Detail:   s.Detail,
		Applied:  s.Applied,
		Push: func(ctx context.Context, server *srcprom.Server, text string, dryRun bool) (*client.SiteConfigResult, error) {
			return s.Push(ctx, server, text, dryRun)
		},
		Run: func(ctx context.Context, server *srcprom.Server) error { return s.Run(ctx, server) },
	}, s
}

// startWith starts a server with a source, and an alert of level critical that fires.
func startWith(t *testing.T, dir string, source srcprom.Source, log io.Writer, reg *prometheus.Registry) *srcpromtest.Server {
	t.Helper()
	return srcpromtest.Start(t, srcpromtest.WithOptions(func(o *srcprom.Options) {
		o.Storage.Dir = dir
		o.Source = source
		o.Web.EnableConfigAPI = true
		delete(o.Documents, config.AlertmanagerDocument)
		o.Documents["rules/critical"] = `
groups:
  - name: critical
    interval: 100ms
    rules:
      - alert: critical_frontend_broken
        expr: vector(1)
        labels: {level: critical, service_name: frontend, name: broken, description: "frontend: broken", owner: source}
`
		if log != nil {
			o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
		if reg != nil {
			o.ProcessGatherer = reg
		}
	}))
}

func webhookSite(url string) string {
	return fmt.Sprintf(`{
  // alerts
  "observability.alerts": [{"level": "critical", "notifier": {"type": "webhook", "url": %q}}],
}`, url)
}

func TestSubscriber_TheFrontendsChangeRoutesAlerts(t *testing.T) {
	first, second := srcpromtest.NewReceiver(t), srcpromtest.NewReceiver(t)
	sourcegraph := frontend.Start(t, frontend.Site(webhookSite(first.URL)))
	source, _ := sourceOf(t, func(o *siteconfig.Options) { o.URL = sourcegraph.Address() })
	server := startWith(t, t.TempDir(), source, nil, nil)
	first.Await("the alert", srcpromtest.Firing("critical_frontend_broken"))

	sourcegraph.SetSite(webhookSite(second.URL))
	require.Eventually(t, func() bool {
		return strings.Contains(server.Current().Documents[config.SiteConfigDocument].Content, second.URL)
	}, 30*time.Second, time.Millisecond, "run the other site configuration")
	response, err := http.Post(server.URL+"/alertmanager/api/v2/alerts", "application/json",
		strings.NewReader(`[{"labels": {"alertname": "another", "level": "critical"}}]`))
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	second.Await("another alert", srcpromtest.Firing("another"))
	require.Len(t, first.Notifications(), 1)
}

// The mutation of the frontend sets the metric; the rules are ours, evaluated more often.
func TestSubscriber_TestMetricBecomesATestAlert(t *testing.T) {
	receiver := srcpromtest.NewReceiver(t)
	source, _ := sourceOf(t, func(*siteconfig.Options) {})
	for name, rules := range source.Builtin {
		source.Builtin[name] = strings.ReplaceAll(rules, "interval: 30s", "interval: 100ms")
	}
	server := startWith(t, t.TempDir(), source, nil, nil)
	_, err := source.Push(t.Context(), server.Server, webhookSite(receiver.URL), false)
	require.NoError(t, err)
	server.Target.Set("observability_test_metric_critical", 1)
	fired := receiver.Await("the test alert", srcpromtest.Firing("critical_frontend_observability_test_alert_critical"))
	require.Equal(t, "frontend: 1+ critical test alert metric", fired.Alerts[0].Labels["description"])
}

func TestSubscriber_WhatWasAcceptedRunsAtTheNextStartWithTheFrontendDown(t *testing.T) {
	dir := t.TempDir()
	sourcegraph := frontend.Start(t)
	receiver := srcpromtest.NewReceiver(t)
	sourcegraph.SetSite(webhookSite(receiver.URL + "/polled"))
	url := func(o *siteconfig.Options) { o.URL = sourcegraph.Address() }
	source, _ := sourceOf(t, url)
	server := startWith(t, dir, source, nil, nil)
	require.Eventually(t, func() bool { return server.Current().LastRead["siteconfig"] != "" }, 30*time.Second, time.Millisecond, "be polled")
	_, err := source.Push(t.Context(), server.Server, webhookSite(receiver.URL+"/pushed"), false)
	require.NoError(t, err)
	require.NoError(t, server.Stop())

	sourcegraph.Down()
	source, subscriber := sourceOf(t, url)
	server = startWith(t, dir, source, nil, nil)
	require.Contains(t, server.Current().Documents[config.SiteConfigDocument].Content, "/pushed")
	require.Eventually(t, func() bool { return strings.Contains(subscriber.Detail()[0], "connection refused") }, 30*time.Second, time.Millisecond, "find the frontend down")

	sourcegraph.Up()
	require.Eventually(t, func() bool { return strings.Contains(subscriber.Detail()[0], "fresh") }, 30*time.Second, time.Millisecond, "find the frontend up")
	require.Contains(t, server.Current().Documents[config.SiteConfigDocument].Content, "/pushed", "the poll has brought what it brought before")
}

func TestSubscriber_SaysNothingOfWhatItFetches(t *testing.T) {
	site := `{
  "observability.alerts": [
    {"level": "critical", "notifier": {"type": "webhook", "url": "http://canary-user:canary-pass@127.0.0.1:1/canary-path?canary-query", "bearerToken": "canary-token"}},
    {"level": "warning", "notifier": {"type": "opsgenie", "apiKey": "canary-key", "apiUrl": "::canary-url"}},
    {"level": "canary-level", "notifier": {"type": "canary-type", "canary-name": "canary-unknown"}},
    {"level": "warning", "notifier": {"type": "slack", "url": ["canary-slack"]}},
    "canary-entry",
  ],
  "observability.silenceAlerts": [{"canary-silence": 1}, "("],
  "email.smtp": {"host": "canary.example", "port": 0, "authentication": "PLAIN", "password": "canary-password", "username": "canary-name"},
  "executors.accessToken": "canary-of-others",
}`
	log, registry := &locked{}, prometheus.NewRegistry()
	sourcegraph := frontend.Start(t,
		frontend.Site(site),
		frontend.Site(`{"executors.accessToken": "canary-broken`),
		frontend.Site(`["canary-list"]`),
		frontend.Answer{Garbage: true, Site: "canary-garbage"},
		frontend.Refusal(13),
		frontend.Answer{Site: `"canary-migrating"`, Migrating: true},
	)
	const answers = 6
	source, subscriber := sourceOf(t, func(o *siteconfig.Options) {
		o.URL, o.Registerer = sourcegraph.Address(), registry
		o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	server := startWith(t, t.TempDir(), source, log, registry)
	all := func() string {
		var said strings.Builder
		for _, path := range []string{
			"/metrics", "/alertmanager/metrics", "/-/ready", "/alertmanager/api/v2/status", "/alertmanager/api/v2/receivers",
			"/api/srcprom/v1/config", "/api/srcprom/v1/config/history", "/api/srcprom/v1/health", "/api/srcprom/v1/ready",
			"/api/srcprom/v1/history", "/prom-wrapper/config-subscriber", "/prom-wrapper/alerts-status",
		} {
			said.WriteString(get(t, server.URL+path))
		}
		for _, check := range subscriber.Checks() {
			for _, problem := range check.Look() {
				said.WriteString(problem.Summary + problem.Remedy)
			}
		}
		for _, text := range []string{site, site[:len(site)-3], "canary", `{"email.smtp": canary}`} {
			for _, dryRun := range []bool{true, false} {
				result, err := source.Push(t.Context(), server.Server, text, dryRun)
				fmt.Fprintf(&said, "%+v %v", result, err)
			}
		}
		return said.String() + strings.Join(subscriber.Detail(), " ")
	}
	for range 3 {
		sourcegraph.Await(sourcegraph.Fetches() + 2*answers)
		said, logged := all(), log.String()
		for _, canary := range []string{
			"canary-user", "canary-pass", "canary-path", "canary-query", "canary-token", "canary-key", "canary-unknown",
			"canary-slack", "canary-entry", "canary-silence", "canary-password", "canary-of-others", "canary-broken", "canary-list", "canary-garbage",
			"canary-migrating", frontend.Secret,
		} {
			for _, said := range []string{said, logged} {
				at := strings.Index(said, canary)
				require.Negative(t, at, "%s was said: %.200s", canary, said[max(0, at-100):])
			}
		}
	}
	require.Contains(t, log.String(), "The site configuration cannot be read")
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

// locked is a log that tests read.
type locked struct {
	mu   sync.Mutex // guards what follows
	text strings.Builder
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
