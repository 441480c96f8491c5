package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/internal/frontend"
)

// instance is srcprom beside the stand-in for a Sourcegraph frontend.
type instance struct {
	*server
	frontend *frontend.Frontend
}

// newInstance starts a frontend that serves a site configuration, and srcprom, which
// asks it ten times a second. When it returns the site configuration runs.
func newInstance(t *testing.T, site string, l launch, sinks ...*sink) *instance {
	t.Helper()
	f := frontend.Start(t, frontend.Site(site))
	i := &instance{server: beside(t, f, l, sinks...), frontend: f}
	awaitFetches(f, 2)
	return i
}

// beside starts srcprom, which asks a frontend, and waits until it is ready.
func beside(t *testing.T, f *frontend.Frontend, l launch, sinks ...*sink) *server {
	t.Helper()
	l.args = append([]string{"--siteconfig.url=" + f.Address(), "--siteconfig.poll-interval=200ms", "--web.enable-config-api"}, l.args...)
	return newServer(t, l, sinks...)
}

// awaitFetches waits until the frontend was asked n times more. When it is asked for the
// second time what it answered before is dealt with.
func awaitFetches(f *frontend.Frontend, n int) { f.Await(f.Fetches() + n) }

// setSite changes the site configuration, and waits until that one runs.
func (i *instance) setSite(site string) {
	i.t.Helper()
	i.frontend.SetSite(site)
	awaitFetches(i.frontend, 2)
}

// pushSite pushes a site configuration.
func (p *process) pushSite(site string) client.SiteConfigResult {
	p.t.Helper()
	status, body := p.post("/api/srcprom/v1/siteconfig", "application/jsonc", site)
	require.Equal(p.t, http.StatusOK, status, body)
	var result client.SiteConfigResult
	require.NoError(p.t, json.Unmarshal([]byte(body), &result))
	return result
}

// siteProblems are what the frontend is told; nil when there are none.
func (p *process) siteProblems() []string {
	p.t.Helper()
	var answer client.ConfigStatus
	p.getJSON(client.ConfigStatusPath, &answer)
	var all []string
	for _, problem := range answer.Problems {
		require.Equal(p.t, "SiteConfig", problem.Kind)
		all = append(all, problem.Description)
	}
	return all
}

// metric is the value of a series of /metrics as it is written there.
func (p *process) metric(series string) float64 {
	p.t.Helper()
	_, body := p.get("/metrics")
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(body)
	require.NotNil(p.t, found, "no %s among the metrics", series)
	value, err := strconv.ParseFloat(found[1], 64)
	require.NoError(p.t, err)
	return value
}

// sourcegraphAlert is an alert as Sourcegraph's rules make it, with further labels in
// pairs.
func sourcegraphAlert(level, name string, labels ...string) postedAlert {
	return alert(level+"_frontend_"+name, append([]string{
		"level", level, "name", name, "service_name", "frontend", "alert_type", "builtin",
		"description", "frontend: " + strings.ReplaceAll(name, "_", " "),
	}, labels...)...)
}

// toWebhook is an element of observability.alerts.
func toWebhook(level, url string, more ...string) string {
	return fmt.Sprintf(`{"level": %q, "notifier": {"type": "webhook", "url": %q}%s}`, level, url, strings.Join(append([]string{""}, more...), ", "))
}

// siteWith is a site configuration with these elements of observability.alerts.
func siteWith(alerts ...string) string {
	return `{"observability.alerts": [` + strings.Join(alerts, ",\n") + `]}`
}

// awaitTold waits until the receiver of a sink is told of an alert.
func (s *sink) awaitTold(receiver, alertname string) delivery {
	s.t.Helper()
	return s.await(receiver+" to be told of "+alertname, func(d delivery) bool {
		return d.receiver() == receiver && d.has(alertname, "firing")
	})
}

// tellings is how often a receiver was told that an alert fires.
func (s *sink) tellings(receiver, alertname string) int {
	return len(s.matching(func(d delivery) bool { return d.receiver() == receiver && d.has(alertname, "firing") }))
}
