package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/internal/frontend"
	"github.com/sourcegraph/srcprom/pkg/internal/receivers"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// Each of these tests is named after an issue or a pull request of
// sourcegraph/sourcegraph that tells of something that went wrong beside the
// sourcegraph/prometheus image.

// operatorsWebhook is an operator's alertmanager.yml that sends all that it gets to the
// path /operator of a sink.
func operatorsWebhook(s *sink) map[string]string {
	return map[string]string{"alertmanager.yml": fmt.Sprintf(
		"route: { receiver: operator, group_by: [ alertname ], group_wait: 0s, group_interval: 1s }\n"+
			"receivers: [ { name: operator, webhook_configs: [ { url: %q } ] } ]\n", s.URL+"/operator")}
}

// #33394, #33398: the site configuration was never fetched, so that no alert was
// delivered, and nobody was told.
func TestIncident_33394_NeverSyncedAndStaleAreVisible(t *testing.T) {
	sink := newSink(t)
	unreachable := frontend.Start(t)
	unreachable.Down()
	started := time.Now()
	never := beside(t, unreachable, launch{files: operatorsWebhook(sink)}, sink)
	left := newInstance(t, siteWith(toWebhook("critical", sink.URL+"/critical")), launch{})
	synced := time.Now()
	left.frontend.Down()

	never.await("the first fetch to fail", func() bool { return never.metric(`srcprom_siteconfig_fetches_total{outcome="failed"}`) > 0 })
	require.Nil(t, never.siteProblems(), "everything may be starting together")
	_, ready := never.get("/-/ready")
	require.Contains(t, ready, "site configuration: never synced")
	require.Contains(t, ready, "connection refused")
	require.Zero(t, never.metric("srcprom_siteconfig_last_success_timestamp_seconds"))
	require.Positive(t, left.metric("srcprom_siteconfig_last_success_timestamp_seconds"))
	t.Parallel() // no earlier: while other tests run a minute passes

	never.await("the problem to be told", func() bool { return never.siteProblems() != nil })
	require.GreaterOrEqual(t, time.Since(started), 30*time.Second)
	require.Contains(t, never.siteProblems()[0], "`observability`: the site configuration was not read since the start")
	left.await("the problem to be told", func() bool { return left.siteProblems() != nil })
	require.GreaterOrEqual(t, time.Since(synced), 29*time.Second, "it may have been fetched for the last time before")
	require.Contains(t, left.siteProblems()[0], "`observability`: the site configuration was read last at")
	require.Greater(t, left.metric("srcprom_siteconfig_age_seconds"), 29.0)
	for _, s := range []*server{never, left.server} {
		require.InDelta(t, 1, s.metric("srcprom_siteconfig_problems"), 0)
		require.Equal(t, client.HealthDegraded, s.health("site configuration").State)
	}
	sink.awaitTold("operator", "SrcpromSiteConfigurationStale")
	_, ready = left.get("/-/ready")
	require.Contains(t, ready, "site configuration: stale")

	left.postAlerts(sourcegraphAlert("critical", "meanwhile"))
	sink.awaitTold("critical", "critical_frontend_meanwhile")
	unreachable.SetSite(siteWith(toWebhook("critical", sink.URL+"/late")))
	unreachable.Up()
	never.await("the problem to be over", func() bool { return never.siteProblems() == nil })
	never.postAlerts(sourcegraphAlert("critical", "late"))
	sink.awaitTold("late", "critical_frontend_late")
}

// #30246 (INC-75): after a change of email.address receivers went on with what they had
// been made with, until a restart.
func TestIncident_30246_EmailEditReachesEveryReceiverWithoutRestart(t *testing.T) {
	t.Parallel()
	before, after := receivers.NewMailServer(t, receivers.MailOptions{}), receivers.NewMailServer(t, receivers.MailOptions{})
	site := func(server *receivers.MailServer, from, more string) string {
		_, port, err := net.SplitHostPort(server.Addr)
		require.NoError(t, err)
		return fmt.Sprintf(`{
			"email.address": %q, %s
			"email.smtp": {"host": "127.0.0.1", "port": %s, "authentication": "none", "noVerifyTLS": true,
				"additionalHeaders": [{"key": "X-Of", "value": "alerts"}]},
			"observability.alerts": [
				{"level": "critical", "notifier": {"type": "email", "address": "oncall@example.com"}},
				{"level": "critical", "notifier": {"type": "email", "address": "lead@example.com"}},
				{"level": "critical", "owners": ["search"], "notifier": {"type": "email", "address": "search@example.com"}}]}`, from, more, port)
	}
	i := newInstance(t, site(before, "old@example.com", ""), launch{})
	expect := func(server *receivers.MailServer, n int, from string) []receivers.Mail {
		t.Helper()
		mails := server.Await(n)[n-3:]
		var to []string
		for _, mail := range mails {
			require.Equal(t, from, mail.From)
			require.Contains(t, string(mail.Data), "X-Of: alerts")
			to = append(to, mail.To...)
		}
		require.ElementsMatch(t, []string{"oncall@example.com", "lead@example.com", "search@example.com"}, to)
		return mails
	}
	i.postAlerts(sourcegraphAlert("critical", "first", "owner", "search"))
	expect(before, 3, "old@example.com")

	i.setSite(site(before, "new@example.com", ""))
	i.postAlerts(sourcegraphAlert("critical", "second", "owner", "search"))
	expect(before, 6, "new@example.com")

	i.setSite(site(after, "new@example.com", ""))
	i.postAlerts(sourcegraphAlert("critical", "third", "owner", "search"))
	expect(after, 3, "new@example.com")
	require.Len(t, before.Mails(), 6)

	// A change of externalURL alone lost the additional headers.
	i.setSite(site(after, "new@example.com", `"externalURL": "https://sourcegraph.example.com",`))
	i.postAlerts(sourcegraphAlert("critical", "fourth", "owner", "search"))
	for _, mail := range expect(after, 6, "new@example.com") {
		require.Contains(t, mail.Golden(), "https://sourcegraph.example.com/-/debug/grafana/d/frontend/frontend")
	}
}

// badEntries are elements of observability.alerts that the old image, or its
// Alertmanager, did not take, any of which cost all others, by what is said of them.
func badEntries() map[string]string {
	return map[string]string{
		`{"level": "critical", "notifier": {"type": "slack", "url": ""}}`:                                                          "`url` is empty",
		`{"level": "critical", "notifier": {"type": "opsgenie"}}`:                                                                  "OPSGENIE_API_KEY",
		`{"level": "critical", "notifier": {"type": "incidentio", "url": "https://example.com"}}`:                                  "INCIDENT_IO_ALERT_SOURCE_TOKEN",
		`{"level": "critical", "notifier": {"type": "pagerduty", "integrationKey": ""}}`:                                           "`integrationKey` is empty",
		`{"level": "critical", "notifier": {"type": "email", "address": "a@example.com"}}`:                                         "`email.",
		`{"level": "critical", "notifier": {"type": "carrierpigeon", "url": "https://example.com"}}`:                               "`type`",
		`{"level": "critical", "notifier": {}}`:                                                                                    "`type` is missing",
		`{"level": "critical"}`:                                                                                                    "`notifier` is missing",
		`{"level": "critical", "notifier": {"type": "webhook", "url": "ftp://example.com"}}`:                                       "`url`",
		`{"level": "critical", "notifier": {"type": "webhook", "url": 7}}`:                                                         "`url` must be a string",
		`{"level": "critical", "notifier": {"type": "webhook", "url": "http://example.com", "username": "u", "bearerToken": "t"}}`: "`bearerToken`",
		`{"level": "critical", "owners": ["("], "notifier": {"type": "webhook", "url": "http://example.com"}}`:                     "`owners`",
		`{"level": "critical", "owners": "search", "notifier": {"type": "webhook", "url": "http://example.com"}}`:                  "`owners` must be a list",
		`{"level": "critical", "notifier": {"type": "msteams"}}`:                                                                   "`url` is missing",
		`{"level": "critical", "notifier": {"type": "pagerduty", "integrationKey": "k", "apiUrl": "://"}}`:                         "`apiUrl`",
		`"critical"`: "must be an object",
		`null`:       "must be an object",
	}
}

// #63329, #63790: the library that made the configuration was newer than the
// Alertmanager that was to take it. And one bad notifier cost all of them.
func TestIncident_63329_GeneratedConfigurationIsNeverRefused(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	bad := badEntries()
	entries := append(slices.Sorted(maps.Keys(bad)), toWebhook("critical", sink.URL+"/good"))
	i := newInstance(t, siteWith(entries...), launch{})
	problems := i.siteProblems()
	require.Len(t, problems, len(bad), strings.Join(problems, "\n"))
	for n, entry := range entries[:len(bad)] {
		require.Contains(t, problems[n], fmt.Sprintf("`observability.alerts`: %s %d: ", word(problems[n]), n))
		require.Contains(t, problems[n], bad[entry], entry)
	}
	i.postAlerts(sourcegraphAlert("critical", "heard"))
	sink.awaitTold("good", "critical_frontend_heard")
	_, metrics := i.get("/alertmanager/metrics")
	require.Contains(t, metrics, "\nalertmanager_config_last_reload_successful 1\n")
	require.InDelta(t, len(bad), i.metric("srcprom_siteconfig_problems"), 0)

	// Every type at once is taken too, by the Alertmanager that runs.
	e := newEverything(t)
	i.setSite(e.text)
	require.Len(t, i.siteProblems(), 2, "the keys that are not in the environment: %v", i.siteProblems())
	for _, text := range []string{
		`{"observability.alerts": {}, "email.smtp": [], "externalURL": 1, "observability.silenceAlerts": "x"}`,
		`{"observability.alerts": [` + entries[len(bad)] + `], "email.smtp": {"host": 1}, "email.address": []}`,
	} {
		i.setSite(text)
		_, ready := i.get("/-/ready")
		require.Contains(t, ready, "site configuration: fresh", text)
	}
	i.postAlerts(sourcegraphAlert("critical", "after"))
	sink.awaitTold("good", "critical_frontend_after")
}

// word is "alert" or "notifier": what of the entry is wrong.
func word(problem string) string {
	_, rest, _ := strings.Cut(problem, "`: ")
	found, _, _ := strings.Cut(rest, " ")
	return found
}

// #13079, #13182: Alertmanager's clustering ends where there is no private address, and
// took the container with it.
func TestIncident_13079_ClusteringIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	c := newContainer(t) // which has no address but that of loopback
	p := c.run(nil)
	p.awaitReady()
	_, status := p.get("/alertmanager/api/v2/status")
	require.Contains(t, status, `"status":"disabled"`)
	require.NotContains(t, p.log.String(), "9094")
	p.stop()
}

// #33396, #33862, #34012, helm #858: with a read-only root file system or another user
// alertmanager.yml and /alertmanager could not be written to.
func TestIncident_33396_UnwritableAlertmanagerFileIsNoMatter(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	c.uid, c.gid = 4711, 4711
	sink := c.sink()
	c.volume("/prometheus", 4711, 4711, 0o755)
	c.hosts("sourcegraph-frontend-internal")
	c.frontend(siteWith(toWebhook("critical", sink.URL+"/critical")))
	c.deployment("compose", map[string]string{"extra_rules.yml": alwaysFiring})
	c.readOnly()
	p := c.run([]string{"SRC_FRONTEND_INTERNAL=sourcegraph-frontend-internal:3090"})
	p.awaitReady()
	sink.awaitTold("critical", "critical_frontend_down")
	require.Nil(t, p.siteProblems())
	p.stop()
}

// #53665: an image was built with other modes of the files in it.
func TestIncident_53665_ModesOfTheBakedFilesAreNoMatter(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o444, 0o555, 0o777} {
		t.Run(mode.String(), func(t *testing.T) {
			c := newContainer(t)
			baked := c.volume("/sg_config_prometheus", 0, 0, 0o755)
			require.NoError(t, os.CopyFS(baked, os.DirFS(filepath.Join("..", "..", "..", "packaging", "sg_config_prometheus"))))
			require.NoError(t, filepath.WalkDir(baked, func(path string, entry os.DirEntry, err error) error {
				if err != nil || entry.IsDir() {
					return err
				}
				return os.Chmod(path, mode)
			}))
			p := c.run(nil)
			p.awaitReady()
			p.awaitPools([]string{"builtin-prometheus", "builtin-alertmanager", "sg"})
			p.stop()
		})
	}
}

// frontendsPatience is how long a frontend waits for both endpoints.
const frontendsPatience = 500 * time.Millisecond

// #12190: an answer that took longer than half a second showed as a banner, and an
// apply could hold it up for half a minute.
func TestIncident_12190_AnswersWhileAnApplyRunsAndAReceiverHangs(t *testing.T) {
	t.Parallel()
	hanging := receivers.NewWebhook(t, "hanging")
	hanging.Fail(receivers.Hanging)
	many := func(name string) string {
		var entries []string
		for n := range 500 {
			entries = append(entries, toWebhook("critical", hanging.URL, fmt.Sprintf(`"owners": ["%s%d"]`, name, n)))
		}
		return siteWith(append(entries, toWebhook("warning", hanging.URL))...)
	}
	i := newInstance(t, many("a"), launch{})
	i.postAlerts(sourcegraphAlert("warning", "stuck"))
	i.await("the receiver to be asked", func() bool { return i.metricOfAlertmanager(`alertmanager_alerts{state="active"}`) > 0 })
	applied := make(chan struct{})
	go func() {
		defer close(applied)
		i.pushSite(many("b"))
		i.pushSite(many("c"))
	}()
	var took []time.Duration
	for during := true; during; {
		select {
		case <-applied:
			during = false
		default:
		}
		for _, path := range []string{client.ConfigStatusPath, client.AlertsStatusPath} {
			began := time.Now()
			status, body, err := call(http.MethodGet, i.URL+path, "")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status, body)
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	require.Greater(t, len(took), 20, "the applies take long enough to be asked in between")
	t.Logf("%d answers while 2 applies of 500 receivers ran: half of them within %s, all within %s", len(took), took[len(took)/2], took[len(took)-1])
	require.Less(t, took[len(took)*9/10], frontendsPatience)
	require.JSONEq(t, `{"warning":1,"silenced":0,"critical":0,"services_critical":0}`, i.do(http.MethodGet, client.AlertsStatusPath, nil))
}

// metricOfAlertmanager is the value of a series of /alertmanager/metrics; 0 when there
// is none.
func (p *process) metricOfAlertmanager(series string) float64 {
	p.t.Helper()
	_, body := p.get("/alertmanager/metrics")
	for line := range strings.Lines(body) {
		if text, ok := strings.CutPrefix(line, series+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			require.NoError(p.t, err)
			return value
		}
	}
	return 0
}

// #12022: an endpoint that was not there showed as a banner.
func TestIncident_12022_EndpointsAreWhereTheyWere(t *testing.T) {
	t.Parallel()
	i := newInstance(t, `{}`, launch{})
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer stay.CloseIdleConnections()
	ask := func(method, path string) (*http.Response, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, i.URL+path, http.NoBody)
		require.NoError(t, err)
		response, err := stay.Do(request)
		require.NoError(t, err)
		_, body := readAll(t, response)
		return response, body
	}
	for path, want := range map[string]string{
		"/prom-wrapper/config-subscriber": `{"problems":null}`,
		"/prom-wrapper/alerts-status":     `{"warning":0,"silenced":0,"critical":0,"services_critical":0}`,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
			response, body := ask(method, path)
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, want, body)
			require.Equal(t, "text/plain; charset=utf-8", response.Header.Get("Content-Type"))
		}
		response, _ := ask(http.MethodGet, path+"/")
		require.Equal(t, http.StatusMovedPermanently, response.StatusCode)
		require.Equal(t, path, response.Header.Get("Location"))
		response, _ = ask(http.MethodGet, path+"/deeper")
		require.Equal(t, http.StatusNotFound, response.StatusCode)
	}
	response, body := ask(http.MethodGet, "/prom-wrapper/alerts-status/history?timespan=24h")
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	response, body = ask(http.MethodGet, "/prom-wrapper/alerts-status/history?timespan=yesterday")
	require.Equal(t, http.StatusBadRequest, response.StatusCode, body)

	i.setSite(siteWith(badEntry))
	_, body = ask(http.MethodGet, "/prom-wrapper/config-subscriber")
	require.Regexp(t, "^\\{\"problems\":\\[\\{\"description\":\"`observability.alerts`: notifier 0: [^\"]*\",\"kind\":\"SiteConfig\"\\}\\]\\}$", body)

	off := serve(t, launch{env: []string{"SRC_FRONTEND_INTERNAL=" + i.frontend.Address(), "DISABLE_SOURCEGRAPH_CONFIG=true"}})
	status, _ := off.get("/prom-wrapper/config-subscriber")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = off.get("/prom-wrapper/alerts-status")
	require.Equal(t, http.StatusOK, status)
	none := serve(t, launch{env: []string{"SRC_FRONTEND_INTERNAL=" + i.frontend.Address(), "DISABLE_ALERTMANAGER=true"}})
	status, _ = none.get("/prom-wrapper/config-subscriber")
	require.Equal(t, http.StatusNotFound, status)
	status, body = none.get("/prom-wrapper/alerts-status")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "disabled")
}

// badEntry is one problem.
const badEntry = `{"level": "critical", "notifier": {"type": "slack"}}`

// #23636: noVerifyTLS was ignored, and later only stopped asking for TLS.
func TestIncident_23636_NoVerifyTLSSkipsVerification(t *testing.T) {
	t.Parallel()
	server := receivers.NewMailServer(t, receivers.MailOptions{StartTLS: true, Mechanisms: []string{"PLAIN"}, Username: "srcprom", Password: testPassword})
	const login = `"authentication": "PLAIN", "username": "srcprom", "password": "` + testPassword + `"`
	i := newInstance(t, mailSite(t, server, login), launch{})
	i.postAlerts(sourcegraphAlert("critical", "unverified"))
	i.await("the certificate to be refused", func() bool {
		return strings.Contains(i.log.String(), "failed to verify certificate")
	})
	require.Empty(t, server.Mails())
	i.setSite(mailSite(t, server, login+`, "noVerifyTLS": true`))
	i.postAlerts(sourcegraphAlert("critical", "trusted"))
	for _, mail := range server.Await(1) {
		require.True(t, mail.TLS)
		require.Equal(t, "PLAIN", mail.Mechanism)
	}
}

// #14079: the name that messages in Slack come under could not be changed.
func TestIncident_14079_SlackUsernameIsDefaultAndCanBeChanged(t *testing.T) {
	t.Parallel()
	plain, named := receivers.NewSlack(t, "plain"), receivers.NewSlack(t, "named")
	i := newInstance(t, siteWith(
		fmt.Sprintf(`{"level": "critical", "notifier": {"type": "slack", "url": %q}}`, plain.URL),
		fmt.Sprintf(`{"level": "critical", "notifier": {"type": "slack", "url": %q, "username": "Watchdog"}}`, named.URL)), launch{})
	i.postAlerts(sourcegraphAlert("critical", "named"))
	for service, want := range map[*receivers.Service]string{plain: "Sourcegraph Alerts", named: "Watchdog"} {
		var message struct{ Username string }
		require.NoError(t, json.Unmarshal(service.Await(1)[0].Body, &message))
		require.Equal(t, want, message.Username)
	}
}

// #16073, #12235: links lead to a dashboard, and not to the panel of the alert.
func TestIncident_16073_LinksLeadToThePanel(t *testing.T) {
	t.Parallel()
	slack := receivers.NewSlack(t, "T0KEN")
	site := `{"externalURL": "https://sourcegraph.example.com/", "observability.alerts": [{"level": "critical", "notifier": {"type": "slack", "url": "` + slack.URL + `"}}]}`
	i := newInstance(t, site, launch{})
	i.postAlerts(sourcegraphAlert("critical", "panel", "grafana_panel_id", "100310"))
	got := slack.Await(1)[0].Golden()
	require.Contains(t, got, "https://sourcegraph.example.com/-/debug/grafana/d/frontend/frontend?viewPanel=100310&")
	require.Contains(t, got, "https://sourcegraph.com/docs/admin/observability/alerts#frontend-panel")
}

// #12026, #12046, #12484: repeated notifications are noise. With every upgrade of the
// old image there was one of each alert.
func TestIncident_12026_NothingIsRepeatedWithinSevenDaysNorAfterARestart(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	i := newInstance(t, siteWith(toWebhook("critical", sink.URL+"/critical")), launch{}, sink)
	_, status := i.get("/alertmanager/api/v2/status")
	require.Regexp(t, `repeat_interval: (1w|7d)`, status)
	_, flags := i.get("/api/v1/status/flags")
	require.Regexp(t, `"alertmanager.data.retention":"(168h|1w|7d)[^"]*"`, flags)

	fire := sourcegraphAlert("critical", "once")
	i.postAlerts(fire)
	sink.awaitTold("critical", "critical_frontend_once")
	i.awaitRecorded("src-critical-receiver", 1)
	for n, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		i.restart(sig)
		later := fmt.Sprintf("later_%d", n)
		i.postAlerts(fire, sourcegraphAlert("critical", later))
		sink.awaitTold("critical", "critical_frontend_"+later)
	}
	require.Equal(t, 1, sink.tellings("critical", "critical_frontend_once"), transcript(sink.all()))
}

// #14474: silences that stand for ever hide trouble, or nothing at all.
func TestIncident_14474_StaleSilencesAreShown(t *testing.T) {
	t.Parallel()
	target := srcpromtest.NewTarget(t)
	i := newInstance(t, `{"observability.silenceAlerts": ["warning_gitserver_disk_.*", "warning_gitserver_gone", "critical_renamed_.*"]}`,
		launch{files: sourcegraphRules(target)})
	i.await("the silences to be compared with the rules", func() bool { return i.metric("srcprom_siteconfig_unmatched_silences") == 2 })
	health := i.health("site configuration")
	var summaries []string
	for _, problem := range health.Problems {
		summaries = append(summaries, problem.Summary)
	}
	said := strings.Join(summaries, "\n")
	require.Contains(t, said, "warning_gitserver_gone")
	require.Contains(t, said, "critical_renamed_.*")
	require.NotContains(t, said, "disk")
	require.Nil(t, i.siteProblems())
	i.setSite(`{"observability.silenceAlerts": ["warning_gitserver_disk_.*"]}`)
	i.await("no silence to be stale", func() bool { return i.metric("srcprom_siteconfig_unmatched_silences") == 0 })
}

// #9826, #12483: alerts were counted that did not fire yet, and those of each replica.
func TestIncident_9826_OnlyFiringAlertsAreCounted(t *testing.T) {
	t.Parallel()
	target := srcpromtest.NewTarget(t)
	for _, name := range []string{"critical", "warning", "owned"} {
		target.Set(name, 1)
	}
	files := sourcegraphRules(target)
	files["rules.yml"] = strings.Replace(files["rules.yml"], "      - alert: warning_gitserver_disk_space_remaining\n",
		"      - alert: warning_gitserver_disk_space_remaining\n        for: 1h\n", 1)
	i := newInstance(t, `{}`, launch{files: files})
	counts := func(want string) {
		t.Helper()
		i.await("the counts "+want, func() bool { return i.do(http.MethodGet, client.AlertsStatusPath, nil) == want })
	}
	i.await("an alert to be pending", func() bool {
		_, alerts := i.get("/api/v1/alerts")
		return strings.Contains(alerts, `"state":"pending"`) && strings.Count(alerts, `"state":"firing"`) == 2
	})
	counts(`{"warning":0,"silenced":0,"critical":2,"services_critical":2}`)
	i.postAlerts(sourcegraphAlert("critical", "x", "replica", "0"), sourcegraphAlert("critical", "y"), sourcegraphAlert("warning", "z"), sourcegraphAlert("info", "none"))
	counts(`{"warning":1,"silenced":0,"critical":4,"services_critical":2}`)
	i.silence(t, "critical_gitserver_owned")
	counts(`{"warning":1,"silenced":1,"critical":3,"services_critical":1}`)
	i.postAlerts(sourcegraphAlert("critical", "y").resolved())
	counts(`{"warning":1,"silenced":1,"critical":2,"services_critical":1}`)
}

// #22567: nobody knew how far the replay of the write-ahead log was, nor did alerts
// arrive before its end.
func TestIncident_22567_ReplayShowsItsProgressAndHoldsUpNoAlert(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	i := newInstance(t, siteWith(toWebhook("critical", sink.URL+"/critical")), launch{}, sink)
	i.endWith(syscall.SIGTERM)
	require.NoError(t, os.RemoveAll(filepath.Join(i.dir, "data", "wal")))
	release := blockReplay(t, filepath.Join(i.dir, "data"))
	i.begin(strings.TrimPrefix(i.URL, "http://"))
	i.awaitListening()
	i.await("the replay to begin", func() bool {
		status, body := i.get("/api/v1/status/walreplay")
		return status == http.StatusOK && strings.Contains(body, `"max"`) && strings.Contains(body, `"current"`)
	})
	status, body := i.get("/-/ready")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "storage")
	i.postAlerts(sourcegraphAlert("critical", "early"))
	sink.awaitTold("critical", "critical_frontend_early")
	release()
	i.awaitReady()
}

// #46393: the lifecycle and admin APIs were there for everybody.
func TestIncident_46393_LifecycleAndAdminAPIsAreOptIn(t *testing.T) {
	t.Parallel()
	f := frontend.Start(t, frontend.Site(`{}`))
	env := []string{"SRC_FRONTEND_INTERNAL=" + f.Address()}
	closed := serve(t, launch{env: env})
	for path, flag := range map[string]string{
		"/-/reload":                           "--web.enable-lifecycle",
		"/-/quit":                             "--web.enable-lifecycle",
		"/alertmanager/-/reload":              "--web.enable-lifecycle",
		"/api/v1/admin/tsdb/delete_series":    "--web.enable-admin-api",
		"/api/v1/admin/tsdb/snapshot":         "--web.enable-admin-api",
		"/api/v1/admin/tsdb/clean_tombstones": "--web.enable-admin-api",
		"/api/srcprom/v1/siteconfig":          "--web.enable-config-api",
	} {
		status, body := closed.post(path, "application/json", "{}")
		require.Equal(t, http.StatusForbidden, status, path)
		require.Contains(t, body, flag)
	}
	open := serve(t, launch{env: append(env, "PROMETHEUS_ADDITIONAL_FLAGS=--web.enable-lifecycle --web.enable-admin-api")})
	for path, want := range map[string]int{"/-/reload": http.StatusOK, "/api/v1/admin/tsdb/clean_tombstones": http.StatusNoContent} {
		status, body := open.post(path, "", "")
		require.Equal(t, want, status, body)
	}
}

// #7829: the volume belongs to another user. The test of the image has its words.
func TestIncident_7829_DirectoryOfAnotherUserIsNamed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("a directory of another user takes root")
	}
	f := frontend.Start(t, frontend.Site(`{}`))
	dir := openDir(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o755))
	p := start(t, launch{dir: dir, edit: asNobody, args: []string{
		"--web.listen-address=127.0.0.1:0", "--siteconfig.url=" + f.Address(),
	}})
	require.Equal(t, 1, p.exit())
	require.Contains(t, p.log.String(), "permission denied")
	require.Contains(t, p.log.String(), "data")
	require.Zero(t, f.Fetches())
}
