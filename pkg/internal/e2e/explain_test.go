package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// explain runs srcprom explain to its end.
func explain(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), program(t, srcpromLean), append([]string{"explain"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if _, exited := errors.AsType[*exec.ExitError](cmd.Run()); exited {
		code = cmd.ProcessState.ExitCode()
	}
	return code, out.String(), errs.String()
}

// awaitSentence waits until the command says a sentence with the given text, and
// returns it.
func (p *process) awaitSentence(selector, text string) string {
	p.t.Helper()
	var sentence string
	p.await(fmt.Sprintf("srcprom explain %s to say %q", selector, text), func() bool {
		_, sentence, _ = explain(p.t, "--url="+p.URL, selector)
		return strings.Contains(sentence, text)
	})
	return sentence
}

const explainRules = `groups:
- name: always
  rules:
  - {alert: Up, expr: vector(42) > 0, labels: {team: a}}
  - {alert: UpLong, expr: vector(42) > 0, for: 1h}
`

// explainable is a srcprom with every reason for which an alert is not notified.
func explainable(t *testing.T, receiver *srcpromtest.Receiver) *server {
	t.Helper()
	return newServer(t, launch{
		files: map[string]string{
			"prometheus.yml": "global: {evaluation_interval: 200ms, external_labels: {cluster: eu}}\nrule_files: [rules.yml]\n",
			"rules.yml":      explainRules,
			"alertmanager.yml": fmt.Sprintf(`
route:
  receiver: team-a
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  routes:
  - {matchers: [alertname="Muted"], receiver: team-a, mute_time_intervals: [always]}
  - {matchers: [alertname="Unheard"], receiver: nobody}
  - {matchers: [alertname="Late"], receiver: team-a, group_wait: 1h}
receivers:
- {name: nobody}
- name: team-a
  webhook_configs: [{url: %q}]
inhibit_rules:
- {name: node down, source_matchers: [alertname="NodeDown"], target_matchers: [alertname="Inhibited"]}
time_intervals:
- {name: always, time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}]}]}
`, receiver.URL),
		},
		args: []string{"--monitoring.builtin=none"},
	})
}

// G10: every notification that was sent, and every one that was not, is explained
// by the program itself.
func TestExplain_EachReasonInOneSentence(t *testing.T) {
	p := explainable(t, srcpromtest.NewReceiver(t))
	silenced := p.putSilence(silenceOf("Silenced"))
	p.postAlerts(alert("NodeDown"))
	p.awaitSentence(`{alertname="NodeDown"}`, "and was notified")
	p.postAlerts(alert("Silenced"), alert("Inhibited"), alert("Muted"), alert("Unheard"), alert("Late"))
	for selector, text := range map[string]string{
		`{alertname="Up"}`:          `Up{cluster="eu",team="a"} fires since `,
		`{team="a"}`:                ` with value 42 and was notified: receiver "team-a" got it through webhook[0] at `,
		`{alertname="UpLong"}`:      `is pending: the expression of rule "UpLong" of group "always" is true since `,
		`{alertname="Silenced"}`:    fmt.Sprintf(`but was not notified: silence %s by test ("of Silenced") silences it until `, silenced.ID),
		`{alertname="Inhibited"}`:   `but was not notified: NodeDown inhibits it (inhibition rule: node down); `,
		`{alertname="Muted"}`:       `but was not notified: time interval "always" mutes it; `,
		`{alertname="Unheard"}`:     `but was not notified: receiver "nobody" has no integrations; `,
		`{alertname="Late"}`:        `but was not notified yet: receiver "team-a" gets it through webhook[0] at `,
		`{alertname="Nobody"}`:      `Nobody{cluster="eu"} does not fire, and no rule of this server makes it; if it fired now, receiver "team-a" would get it through webhook[0] after group_wait of 0s.`,
		`{alertname="Up",team="z"}`: `Up{cluster="eu",team="z"} does not fire, and no rule of this server makes it; `,
	} {
		sentence := p.awaitSentence(selector, text)
		require.Equal(t, 1, strings.Count(sentence, "\n"), sentence)
	}

	code, stdout, stderr := explain(t, "--url="+p.URL, "--output=json", `{alertname="Silenced"}`, `{alertname="NodeDown"}`)
	require.Zero(t, code, stderr)
	var answer client.Explanations
	require.NoError(t, json.Unmarshal([]byte(stdout), &answer))
	require.Len(t, answer.Alerts, 2)
	require.Equal(t, silenced.ID, answer.Alerts[0].Routes[0].SilencedBy[0].ID)
	require.Equal(t, "client", answer.Alerts[1].Source)
	require.Equal(t, client.OutcomeDelivered, answer.Alerts[1].Routes[0].Integrations[0].Last.Outcome)

	code, stdout, stderr = explain(t, "--url="+p.URL, `{alertname=~"Nobody.*"}`)
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, `no alert satisfies {alertname=~"Nobody.*"}`)
	p.stop()
}

// What was notified before a crash is explained after it.
func TestExplain_SurvivesSIGKILL(t *testing.T) {
	p := explainable(t, srcpromtest.NewReceiver(t))
	p.postAlerts(alert("NodeDown"))
	before := p.awaitSentence(`{alertname="NodeDown"}`, `receiver "team-a" got it through webhook[0] at `)
	_, attempt, _ := strings.Cut(before, "got it through ")
	attempt, _, _ = strings.Cut(attempt, ";")
	require.Contains(t, attempt, "attempt 1")
	p.restart(syscall.SIGKILL)
	p.awaitSentence(`{alertname="NodeDown"}`, "got it through "+attempt)
	p.stop()
}

func TestExplain_ReachesAServerWithTLSAndPassword(t *testing.T) {
	dir := t.TempDir()
	p := start(t, launch{dir: dir, files: webConfigFiles(t), args: []string{"--web.listen-address=127.0.0.1:0", "--web.config.file=web.yml"}})
	p.awaitListening()
	url := strings.Replace(p.URL, "http://", "https://", 1)
	write(t, filepath.Join(dir, "http.yml"), "basic_auth: {username: admin, password: "+webPassword+"}\ntls_config: {ca_file: cert.pem}\n")
	p.await("srcprom explain to answer", func() bool {
		_, stdout, _ := explain(t, "--url="+url, "--http.config.file="+filepath.Join(dir, "http.yml"), `{alertname="Nobody"}`)
		return strings.HasPrefix(stdout, "Nobody does not fire, and no rule of this server makes it")
	})
	code, _, stderr := explain(t, "--url="+url, `{alertname="Nobody"}`)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "certificate")
	require.NotContains(t, stderr, webPassword)
	p.stop()
}
