package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// client of srcprom's own endpoints.
func (p *process) client() *client.Client {
	p.t.Helper()
	c, err := client.New(p.URL, client.WithHTTPClient(lone))
	require.NoError(p.t, err)
	return c
}

// history are the entries of one alert, the oldest first.
func (p *process) history(alertname string) []client.HistoryEntry {
	p.t.Helper()
	page, err := p.client().History(p.t.Context(), client.HistoryQuery{Matchers: []string{fmt.Sprintf(`{alertname=%q}`, alertname)}})
	require.NoError(p.t, err)
	var entries []client.HistoryEntry
	for i := range page.Entries {
		entries = append(entries, page.Entries[len(page.Entries)-1-i])
	}
	return entries
}

// Each way that an alert can take, sent or not: history has the decision with its
// reason and each attempt, explain says it in a sentence, and both survive SIGKILL.
func TestGuarantee_G10_EverythingSentOrNotCanBeExplained(t *testing.T) {
	t.Parallel()
	sink, target := newSink(t), srcpromtest.NewTarget(t)
	attempts := 0 // one group, so one attempt at a time
	sink.behave("flaky", func(srcpromtest.Notification, <-chan struct{}) int {
		attempts++
		if attempts == 1 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	sink.behave("hang", always(http.StatusNotFound))
	target.Set("fire", 42)
	s := quickServer(t, sink, map[string]string{
		"alertmanager.yml": strings.Replace(quickConfig(sink, 0), "  routes:\n", `  routes:
    - { receiver: fast, matchers: [ when=muted ], mute_time_intervals: [ always ] }
`, 1) + `
inhibit_rules: [ { source_matchers: [ alertname=Source ], target_matchers: [ alertname=Inhibited ] } ]
time_intervals: [ { name: always, time_intervals: [ { times: [ { start_time: "00:00", end_time: "24:00" } ] } ] } ]
`,
		"rules.yml": "groups: [ { name: g, rules: [ { alert: ByRule, expr: fire > 1, labels: { to: fast } } ] } ]\n",
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
rule_files: [ rules.yml ]
scrape_configs: [ { job_name: t, static_configs: [ { targets: [ %q ] } ] } ]
`, target.Addr()),
	})
	silenced := s.putSilence(silenceOf("Silenced"))
	s.postAlerts(alert("Source", "to", "fast"))
	sink.await("the source", of("Source"))
	s.postAlerts(
		alert("Sent", "to", "fast"), alert("Retried", "to", "flaky"), alert("GivenUp", "to", "hang"),
		alert("Silenced", "to", "fast"), alert("Inhibited", "to", "fast"), alert("Muted", "when", "muted"), alert("Unrouted"),
	)
	for _, name := range []string{"Sent", "ByRule"} {
		sink.await(name, of(name))
	}
	sink.await("the second attempt", func(d delivery) bool { return of("Retried")(d) && d.ending == answered })
	sink.await("the attempt in vain", of("GivenUp"))
	s.tick(sink, "fast")

	type decision struct {
		outcome client.Outcome
		check   func(t *testing.T, e client.HistoryEntry)
	}
	attempt := func(n, status int) func(*testing.T, client.HistoryEntry) {
		return func(t *testing.T, e client.HistoryEntry) {
			require.Equal(t, n, e.Attempt)
			require.Equal(t, "webhook[0]", e.Integration)
			require.Greater(t, e.LatencySeconds, 0.0)
			require.Equal(t, status, e.Status)
			require.Equal(t, status != 0, e.Error != "", "error %q", e.Error)
		}
	}
	for name, c := range map[string]struct {
		decisions []decision
		receiver  string
		sentence  []string // what the sentence contains
	}{
		"Sent":    {[]decision{{client.OutcomeDelivered, attempt(1, 0)}}, "fast", []string{"and was notified", "fast"}},
		"ByRule":  {[]decision{{client.OutcomeDelivered, attempt(1, 0)}}, "fast", []string{"and was notified"}},
		"Retried": {[]decision{{client.OutcomeFailed, attempt(1, 503)}, {client.OutcomeDelivered, attempt(2, 0)}}, "flaky", []string{"and was notified"}},
		"GivenUp": {[]decision{{client.OutcomeFailed, attempt(1, 404)}}, "hang", []string{"was not notified", "404"}},
		"Silenced": {[]decision{{client.OutcomeSilenced, func(t *testing.T, e client.HistoryEntry) {
			require.Equal(t, []string{silenced.ID}, e.SilencedBy)
		}}}, "fast", []string{"was not notified", "silence", silenced.ID}},
		"Inhibited": {[]decision{{client.OutcomeInhibited, func(t *testing.T, e client.HistoryEntry) {
			require.Len(t, e.InhibitedBy, 1)
		}}}, "fast", []string{"was not notified", "inhibit", "Source"}},
		"Muted": {[]decision{{client.OutcomeMuted, func(t *testing.T, e client.HistoryEntry) {
			require.Equal(t, []string{"always"}, e.MutedBy)
		}}}, "fast", []string{"was not notified", "always"}},
	} {
		look := func(when string) {
			t.Helper()
			// What was not sent again since it had been, and what each life decides anew,
			// are no news.
			entries := slices.DeleteFunc(s.history(name), func(e client.HistoryEntry) bool { return e.Outcome == client.OutcomeDeduplicated })
			entries = slices.CompactFunc(entries, func(a, b client.HistoryEntry) bool { return a.Outcome == b.Outcome && a.Attempt == 0 })
			if name == "GivenUp" { // it is tried again at each look at its group
				require.NotEmpty(t, entries, when)
				entries = entries[:1]
			}
			require.Len(t, entries, len(c.decisions), "%s %s: %+v", name, when, entries)
			for i, e := range entries {
				require.Equal(t, c.decisions[i].outcome, e.Outcome)
				require.Equal(t, c.receiver, e.Receiver)
				require.Equal(t, "firing", e.AlertStatus)
				require.Equal(t, name, e.Labels["alertname"])
				require.NotEmpty(t, e.GroupKey)
				require.NotEmpty(t, e.Route)
				c.decisions[i].check(t, e)
			}
			explained, err := s.client().Explain(t.Context(), client.ExplainQuery{Matchers: []string{fmt.Sprintf(`{alertname=%q}`, name)}})
			require.NoError(t, err)
			require.Len(t, explained.Alerts, 1, when)
			for _, part := range c.sentence {
				require.Contains(t, explained.Alerts[0].Sentence, part, when)
			}
			if name == "ByRule" {
				require.Equal(t, "g", explained.Alerts[0].Rule.Group)
				require.Equal(t, "4.2e+01", explained.Alerts[0].Rule.Value)
			}
		}
		look("as it happened")
		if name == "Sent" { // once is enough, for all of them
			s.awaitRecorded("fast", 1)
			s.restart(syscall.SIGKILL)
			s.await("the rule to be evaluated", func() bool { return s.querier(false)(`ALERTS{alertname="ByRule"}`) == "1" })
			s.tick(sink, "fast")
		}
		look("after SIGKILL, or as it happened")
	}

	out := mustRun(t, program(t, srcpromLean), "explain", "--url="+s.URL, `{alertname="Sent"}`)
	require.Contains(t, out, "and was notified")
	hypothetical, err := s.client().Explain(t.Context(), client.ExplainQuery{Matchers: []string{`{alertname="Never",to="slow"}`}})
	require.NoError(t, err)
	require.Len(t, hypothetical.Alerts, 1)
	require.True(t, hypothetical.Alerts[0].Hypothetical)
	require.Equal(t, "slow", hypothetical.Alerts[0].Routes[0].Receiver)
	s.stop()
}
