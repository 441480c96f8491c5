package alerting

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

const allKinds = `
global: {smtp_smarthost: 'mail:25', smtp_from: me@example.com, http_config: {proxy_url: 'http://proxy:3128'}}
route:
  receiver: team
  routes: [{matchers: [severity=~"a|b"], match_re: {job: x.*}, mute_time_intervals: [nights]}]
receivers:
- name: team
  webhook_configs: [{url: 'http://a:1'}, {url: 'http://b:1', http_config: {authorization: {credentials: hush}}}]
  email_configs: [{to: you@example.com, auth_password: hush}]
  slack_configs: [{api_url: 'http://slack/hush', channel: '#x', actions: [{type: button, text: t, url: u}]}]
  pagerduty_configs: [{routing_key: hush, details: {a: b, c: d}}]
time_intervals: [{name: nights, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}], location: Europe/Berlin}]}]
inhibit_rules: [{source_matchers: [a=b], target_match_re: {c: d.*}, equal: [job]}]
`

func TestManager_ApplyThatChangesNothingDoesNothing(t *testing.T) {
	h := newHarness(t, nil).start()
	prometheus := func(next *config.Effective) {
		next.Prometheus = prometheusYML(t, "global: {external_labels: {a: b}}\nalerting: {alert_relabel_configs: [{action: drop, source_labels: [a], regex: x.*}]}")
		next.Templates = []config.Template{{Name: "a.tmpl", Content: `{{ define "x" }}y{{ end }}`}}
	}
	require.Equal(t, []string{
		"global", "routes", "receivers", "inhibit_rules", "templates", "time_intervals", "event_recorder",
		"alertmanager tracing", "external alertmanagers", "alert relabelling", "external labels of alerts",
	}, h.apply(effective(t, allKinds, prometheus)))
	live := h.engine.stage.live.Load()
	step, err := h.Prepare(nil, effective(t, allKinds, prometheus))
	require.NoError(t, err)
	require.Empty(t, step.Changes)
	require.Nil(t, step.Commit)
	require.Same(t, live, h.engine.stage.live.Load())
}

func TestManager_ChangesAreNamedBySection(t *testing.T) {
	h := newHarness(t, nil).start()
	h.apply(effective(t, allKinds))
	replaced := func(old, with string) string {
		require.Contains(t, allKinds, old)
		return strings.Replace(allKinds, old, with, 1)
	}
	for _, test := range []struct {
		text string
		want []string
	}{
		{replaced("credentials: hush", "credentials: other"), []string{"receivers"}},
		{replaced("auth_password: hush", "auth_password: other"), []string{"receivers"}},
		{replaced("slack/hush", "slack/other"), []string{"receivers"}},
		{replaced("a|b", "a|c"), []string{"routes"}},
		{replaced("job: x.*", "job: y.*"), []string{"routes"}},
		{replaced("c: d.*", "c: e.*"), []string{"inhibit_rules"}},
		{replaced("Europe/Berlin", "Europe/Paris"), []string{"time_intervals"}},
		{replaced("22:00", "23:00"), []string{"time_intervals"}},
		{replaced("proxy:3128", "proxy:3129"), []string{"global", "receivers"}},
	} {
		step, err := h.Prepare(nil, effective(t, test.text))
		require.NoError(t, err)
		require.Equal(t, test.want, step.Changes)
	}
}

func TestManager_UndoPutsBackWhatRan(t *testing.T) {
	first, second := newWebhook(t, nil), newWebhook(t, nil)
	h := running(t, webhookYML(first.URL))
	step, err := h.Prepare(nil, effective(t, routeYML("other", "continue: false", "routes: [{matchers: [a=b]}]")+"receivers:\n"+webhookReceiver("other", second.URL)))
	require.NoError(t, err)
	require.NoError(t, step.Commit())
	h.fire("A")
	second.requireMessages(t, 1)
	require.NoError(t, step.Undo())
	h.fire("B")
	require.Eventually(t, func() bool { return first.names()["B"] == 1 }, patience, tick, "the old receiver is not back")
	require.Empty(t, h.apply(effective(t, webhookYML(first.URL))))
}

func TestManager_UndoOfFirstLeavesNothingConfigured(t *testing.T) {
	h := newHarness(t, nil).start()
	step, err := h.Prepare(nil, effective(t, webhookYML("http://127.0.0.1:1")))
	require.NoError(t, err)
	require.NoError(t, step.Commit())
	require.Empty(t, h.NotReady())
	require.NoError(t, step.Undo())
	require.Equal(t, "alertmanager configuration not applied yet", h.NotReady())
}

func TestManager_ReceiversChangeWithoutTouchingDispatcher(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML("http://127.0.0.1:1"))
	before := h.engine.dispatcher.Load()
	require.Equal(t, []string{"receivers"}, h.apply(effective(t, webhookYML(hook.URL))))
	require.Equal(t, []string{"templates"}, h.apply(effective(t, webhookYML(hook.URL), withTemplate("y"))))
	require.Same(t, before, h.engine.dispatcher.Load())
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
}

func withTemplate(text string) func(*config.Effective) {
	return func(next *config.Effective) {
		next.Templates = []config.Template{{Name: "a.tmpl", Content: fmt.Sprintf(`{{ define "x" }}%s{{ end }}`, text)}}
	}
}

func TestManager_RouteLabelsFollowTemplates(t *testing.T) {
	h := running(t, webhookYML("http://127.0.0.1:1", "labels: {team: '{{ template \"x\" . }}'}"))
	before := h.engine.dispatcher.Load()
	h.apply(effective(t, webhookYML("http://127.0.0.1:1", "labels: {team: '{{ template \"x\" . }}'}"), withTemplate("y")))
	require.NotSame(t, before, h.engine.dispatcher.Load())
}

func TestManager_UnchangedReceiversAreBuiltOnce(t *testing.T) {
	h := running(t, webhookYML("http://127.0.0.1:1"))
	before := h.current.Load().blueprint.receivers["team"].integrations
	h.apply(effective(t, webhookYML("http://127.0.0.1:1")+webhookReceiver("unused", "http://127.0.0.1:2")))
	after := h.current.Load().blueprint.receivers
	require.Same(t, &before[0], &after["team"].integrations[0])
	require.NotContains(t, after, "unused")
}

func requireFaultIn(t *testing.T, document string, err error) {
	t.Helper()
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, document, faults[0].Document)
}

func TestManager_FaultInPrepareTouchesNothing(t *testing.T) {
	h := running(t, webhookYML("http://127.0.0.1:1"))
	live := h.engine.stage.live.Load()
	_, err := h.Prepare(nil, effective(t, webhookYML("http://127.0.0.1:2"), func(next *config.Effective) {
		next.Templates = []config.Template{{Name: "broken.tmpl", Content: "{{ define"}}
	}))
	require.ErrorContains(t, err, `parse template "broken.tmpl"`)
	requireFaultIn(t, config.AlertmanagerDocument, err)
	_, err = h.Prepare(nil, effective(t, webhookYML("http://127.0.0.1:2\n    http_config: {tls_config: {ca_file: /does/not/exist}}")))
	require.ErrorContains(t, err, `build receiver "team"`)
	requireFaultIn(t, config.AlertmanagerDocument, err)
	_, err = h.Prepare(nil, effective(t, webhookYML("http://127.0.0.1:2"), func(next *config.Effective) { next.Prometheus = nil }))
	require.ErrorContains(t, err, "without its Prometheus or Alertmanager part")
	require.Same(t, live, h.engine.stage.live.Load())
}

// manyReceivers has n receivers, each with a route.
func manyReceivers(n int, url string) string {
	var routes, receivers strings.Builder
	for i := range n {
		fmt.Fprintf(&routes, "  - {matchers: [team=\"%d\"], receiver: team%d}\n", i, i)
		fmt.Fprintf(&receivers, "- name: team%d\n  webhook_configs: [{url: '%s/%d'}]\n  slack_configs: [{api_url: '%s', channel: '#x'}]\n", i, url, i, url)
	}
	return "route:\n  receiver: team0\n  routes:\n" + routes.String() + "receivers:\n" + receivers.String()
}

// BenchmarkApply measures Prepare and Commit, without the loading of the text.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1, 50, 500} {
		configurations := []*config.Effective{
			effective(b, manyReceivers(n, "http://127.0.0.1:1")),
			effective(b, strings.Replace(manyReceivers(n, "http://127.0.0.1:1"), "url: 'http://127.0.0.1:1/0'", "url: 'http://127.0.0.1:2/0'", 1)),
			effective(b, manyReceivers(n, "http://127.0.0.1:3")),
			effective(b, strings.Replace(manyReceivers(n, "http://127.0.0.1:1"), `team="0"`, `team="x"`, 1)),
		}
		for _, test := range []struct {
			name   string
			a, b   int
			repeat bool
		}{{"one receiver", 0, 1, false}, {"all receivers", 0, 2, false}, {"routes", 0, 3, false}, {"nothing", 0, 0, false}} {
			b.Run(fmt.Sprintf("receivers=%d/changed=%s", n, test.name), func(b *testing.B) {
				h := newHarness(b, nil).start()
				h.apply(configurations[test.a])
				for i := 0; b.Loop(); i++ {
					h.apply(configurations[[]int{test.b, test.a}[i%2]])
				}
			})
		}
		b.Run(fmt.Sprintf("receivers=%d/first", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				h := newHarness(b, nil).start()
				b.StartTimer()
				h.apply(configurations[0])
				b.StopTimer()
				h.stop()
				b.StartTimer()
			}
		})
	}
}
