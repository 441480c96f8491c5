package srcprom_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

const explainRules = `
groups:
- name: disks
  rules:
  - {alert: Disk, expr: full > 0.9, labels: {team: storage}}
  - {alert: DiskLong, expr: full > 0.9, for: 1h}
  - {alert: Noise, expr: full > 0.9}
  - {alert: Quiet, expr: full > 2, labels: {team: storage}}
`

// explainable is a server whose external labels and relabelling stand between its
// rules and its alerts.
func explainable(t *testing.T) *srcpromtest.Server {
	t.Helper()
	server := srcpromtest.Start(t, srcpromtest.WithRules(explainRules))
	text := server.Current().Documents[config.PrometheusDocument].Content
	text = strings.Replace(text, "global:", "global:\n  external_labels: {cluster: eu}", 1) +
		"alerting:\n  alert_relabel_configs:\n  - {source_labels: [alertname], regex: Noise, action: drop}\n  - {regex: 'instance|job', action: labeldrop}\n"
	_, err := server.Apply(t.Context(), documents(map[string]string{config.PrometheusDocument: text}))
	require.NoError(t, err)
	server.Target.Set("full", 0.95, "disk", "a")
	return server
}

func explain(t *testing.T, server *srcprom.Server, matchers ...string) []client.Explanation {
	t.Helper()
	answer, err := server.Explain(t.Context(), client.ExplainQuery{Matchers: matchers})
	require.NoError(t, err)
	for _, e := range answer.Alerts {
		require.NotEmpty(t, e.Sentence)
	}
	return answer.Alerts
}

// await waits for the only alert that satisfies the matchers to be explained as
// wanted.
func await(t *testing.T, server *srcpromtest.Server, matchers string, ok func(client.Explanation) bool) client.Explanation {
	t.Helper()
	var last client.Explanation
	require.Eventually(t, func() bool {
		alerts := explain(t, server.Server, matchers)
		if len(alerts) != 1 {
			return false
		}
		last = alerts[0]
		return ok(last)
	}, 20*time.Second, 20*time.Millisecond, "%s", matchers)
	return last
}

func wasNotified(e client.Explanation) bool {
	return e.State == "firing" && strings.Contains(e.Sentence, "and was notified") && e.Routes[0].Integrations[0].Last != nil
}

func TestExplain_NotifiedFromRuleToReceiver(t *testing.T) {
	server := explainable(t)
	e := await(t, server, `{alertname="Disk"}`, wasNotified)
	require.Equal(t, map[string]string{"alertname": "Disk", "disk": "a", "team": "storage", "cluster": "eu"}, e.Labels)
	require.Equal(t, "rule", e.Source)
	require.Equal(t, "full > 0.9", e.Rule.Query)
	require.Equal(t, "9.5e-01", e.Rule.Value)
	require.Regexp(t, `^Disk\{cluster="eu",disk="a",team="storage"\} fires since \S+Z with value 0\.95 and was notified: `+
		`receiver "test" got it through webhook\[0\] at \S+Z \(attempt 1, [^)]+\); it repeats at \S+Z unless it resolves\.$`, e.Sentence)

	server.Target.Set("full", 0.1, "disk", "a")
	await(t, server, `{alertname="Disk"}`, func(e client.Explanation) bool {
		return e.State == "resolved" && strings.Contains(e.Sentence, `and that was notified: receiver "test" was told of its end through webhook[0]`)
	})
}

func TestExplain_PendingSaysWhatHappensWhenItFires(t *testing.T) {
	server := explainable(t)
	e := await(t, server, `{alertname="DiskLong",cluster="eu"}`, func(e client.Explanation) bool { return e.State == "pending" })
	require.True(t, e.Hypothetical)
	require.Equal(t, e.Rule.ActiveSince.Add(time.Hour), *e.Rule.FiresAt)
	require.Equal(t, *e.Rule.FiresAt, *e.At)
	require.Equal(t, *e.Rule.FiresAt, *e.Routes[0].Next, "group_wait is 0")
	require.Regexp(t, `^DiskLong\{cluster="eu",disk="a"\} is pending: the expression of rule "DiskLong" of group "disks" is true since \S+ `+
		`\(value 0\.95\) and it fires at \S+Z if it stays so; then receiver "test" gets it through webhook\[0\] after group_wait of 0s\.$`, e.Sentence)
}

func TestExplain_DroppedByRelabellingIsFoundByTheRulesLabels(t *testing.T) {
	server := explainable(t)
	e := await(t, server, `{alertname="Noise"}`, func(e client.Explanation) bool { return e.State == "firing" })
	require.Contains(t, e.Sentence, "but is not notified: alert_relabel_configs drop it.")
	require.Empty(t, e.Routes)
}

func TestExplain_RuleThatDoesNotFireAddsItsLabels(t *testing.T) {
	server := explainable(t)
	e := await(t, server, `{alertname="Quiet",disk="x"}`, func(e client.Explanation) bool { return e.Rule.LastEvaluation != nil })
	require.Equal(t, "inactive", e.State)
	require.Equal(t, map[string]string{"alertname": "Quiet", "disk": "x", "team": "storage", "cluster": "eu"}, e.Labels)
	require.Contains(t, e.Sentence, `does not fire: rule "Quiet" of group "disks" does not return it, last evaluated at `)
	require.Contains(t, e.Sentence, `if it fired now, receiver "test" would get it through webhook[0] after group_wait of 0s.`)
}

func TestExplain_NobodyMakesIt(t *testing.T) {
	server := explainable(t)
	e := explain(t, server.Server, `{alertname="Nobody"}`)[0]
	require.Equal(t, "unknown", e.State)
	require.Equal(t, `Nobody{cluster="eu"} does not fire, and no rule of this server makes it; if it fired now, receiver "test" would get it through webhook[0] after group_wait of 0s.`, e.Sentence)
	require.Empty(t, explain(t, server.Server, `{alertname=~"Nobody"}`))
}

func TestExplain_SeveralMatchersTellEachAlertOnce(t *testing.T) {
	server := explainable(t)
	await(t, server, `{alertname="Disk"}`, wasNotified)
	var names []string
	for _, e := range explain(t, server.Server, `{disk="a"}`, `{alertname="Disk"}`, `{alertname="Nobody"}`) {
		names = append(names, e.Labels["alertname"])
	}
	require.Equal(t, []string{"Disk", "DiskLong", "Nobody", "Noise"}, names)
}

func TestExplain_AtAnotherTimeByWhatIsKnownNow(t *testing.T) {
	server := explainable(t)
	await(t, server, `{alertname="Disk"}`, wasNotified)
	begin := time.Now().Add(24 * time.Hour)
	id := silence(t, server, "Disk", begin, begin.Add(time.Hour))
	answer, err := server.Explain(t.Context(), client.ExplainQuery{Matchers: []string{`{alertname="Disk"}`}, At: begin.Add(time.Minute)})
	require.NoError(t, err)
	require.Contains(t, answer.Alerts[0].Sentence, "silence "+id+` by alice ("maintenance") silences it until `)
	require.Contains(t, answer.Alerts[0].Sentence, "silences and time intervals are taken as of ")
	require.NotContains(t, explain(t, server.Server, `{alertname="Disk"}`)[0].Sentence, id)
}

func silence(t *testing.T, server *srcpromtest.Server, alertname string, from, to time.Time) string {
	t.Helper()
	body := `{"matchers":[{"name":"alertname","value":"` + alertname + `","isRegex":false}],"createdBy":"alice","comment":"maintenance",` +
		`"startsAt":"` + from.Format(time.RFC3339) + `","endsAt":"` + to.Format(time.RFC3339) + `"}`
	resp, err := http.Post(server.URL+"/alertmanager/api/v2/silences", "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var created struct{ SilenceID string }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&created))
	return created.SilenceID
}

func TestExplain_ThroughTheClient(t *testing.T) {
	server := explainable(t)
	await(t, server, `{alertname="Disk"}`, wasNotified)
	c, err := client.New(server.URL)
	require.NoError(t, err)
	answer, err := c.Explain(t.Context(), client.ExplainQuery{Matchers: []string{`{alertname="Disk"}`}})
	require.NoError(t, err)
	require.Contains(t, answer.Alerts[0].Sentence, "and was notified")

	_, err = c.Explain(t.Context(), client.ExplainQuery{Matchers: []string{`alertname`}})
	var refused *client.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusBadRequest, refused.Status)
}

func TestExplain_BadQueriesAndServersThatAreNotMade(t *testing.T) {
	server := srcpromtest.Start(t)
	for _, matchers := range [][]string{nil, {""}, {`alertname`}} {
		_, err := server.Explain(t.Context(), client.ExplainQuery{Matchers: matchers})
		_, bad := errors.AsType[alerting.QueryError](err)
		require.True(t, bad, "%q: %v", matchers, err)
	}
	_, err := new(srcprom.Server).Explain(t.Context(), client.ExplainQuery{Matchers: []string{"{}"}})
	require.ErrorContains(t, err, "not made by New")
}

func TestServer_WithoutAlertmanagerThereIsNothingToExplain(t *testing.T) {
	server := srcpromtest.Start(t, srcpromtest.WithOptions(func(o *srcprom.Options) { o.Alerting.Disabled = true }))
	for _, path := range []string{"/history", "/explain?match[]=x"} {
		resp, err := http.Get(server.URL + client.BasePath + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusNotFound, resp.StatusCode, path)
	}
}
