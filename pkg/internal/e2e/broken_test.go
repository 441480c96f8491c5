package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// breakage is one way in which alerting can be broken.
type breakage struct {
	part  string // of health
	alert string // that is raised for it
	says  string // in its summary
	begin func()
	mend  func()
}

// Each thing that breaks alerting is in health with what to do, in a metric, and is
// alerted of without rules. When it is mended all of that ends.
func TestGuarantee_G9_BrokenAlertingIsVisible(t *testing.T) {
	t.Parallel()
	sink, target := newSink(t), srcpromtest.NewTarget(t)
	sink.behave("flaky", always(http.StatusBadRequest))
	config := strings.Replace(quickConfig(sink, 0), "  routes:\n", "  routes:\n    - { receiver: fast, matchers: [ service_name=prometheus ] }\n", 1)
	s := quickServer(t, sink, map[string]string{
		"alertmanager.yml": config,
		"rules.yml":        "groups: [ { name: failing, rules: [ { record: r, expr: twice + on() twice } ] } ]\n",
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }
rule_files: [ rules.yml ]
scrape_configs: [ { job_name: t, static_configs: [ { targets: [ %q ] } ] } ]
`, target.Addr()),
	})
	breakages := []breakage{
		{
			part: "receivers", alert: "SrcpromReceiverFailing", says: "flaky",
			begin: func() { s.postAlerts(alert("NotTaken", "to", "flaky")) },
			mend:  func() { sink.behave("flaky", always(http.StatusOK)); s.postAlerts(alert("Taken", "to", "flaky")) },
		},
		{
			part: "rules", alert: "SrcpromRulesFailing", says: "failing",
			begin: func() { target.Set("twice", 1, "i", "1"); target.Set("twice", 1, "i", "2") },
			mend:  func() { target.Delete("twice", "i", "2") },
		},
		{
			part: "configuration", alert: "SrcpromConfigurationRefused", says: "not-there",
			begin: func() {
				status, body := s.pushConfig("", map[string]any{"alertmanager": "route: { receiver: not-there }\n"})
				require.Equal(t, http.StatusUnprocessableEntity, status, body)
			},
			mend: func() { s.apply(config + "time_intervals: [ { name: new } ]\n") },
		},
	}
	if fault, ok := immutableState(s); ok {
		breakages = append(breakages, breakage{
			part: "state", alert: "SrcpromStateNotWritable", says: "state",
			begin: func() {
				fault.begin()
				status, body, err := call(http.MethodPost, s.URL+alertsPath, jsonOf(t, []postedAlert{alert("Unwritten", "to", "slow")}))
				require.NoError(t, err)
				require.Equal(t, http.StatusInternalServerError, status, body)
			},
			mend: fault.end,
		})
	} else {
		t.Log("the state stays writable: making a file immutable takes root, and a file system that knows of it")
	}
	for _, b := range breakages {
		require.Equal(t, client.HealthOK, s.health(b.part).State, b.part)
		b.begin()
	}
	for _, b := range breakages {
		s.await(b.part+" not to be well", func() bool {
			problems := s.health(b.part).Problems
			return len(problems) == 1 && problems[0].Alert == b.alert
		})
		require.NotEqual(t, client.HealthOK, s.health(b.part).State)
		problem := s.health(b.part).Problems[0]
		require.Contains(t, problem.Summary, b.says)
		require.NotEmpty(t, problem.Remedy)
		require.False(t, problem.Since.IsZero())
		s.awaitMetric(fmt.Sprintf(`srcprom_health_problems{level=%q,part=%q} 1`, problem.Level, b.part))
	}
	status, _ := s.get("/-/ready")
	require.Equal(t, http.StatusOK, status, "a server that is not well still serves")
	for _, b := range breakages {
		d := sink.await(b.alert, func(d delivery) bool { return d.has(b.alert, "firing") })
		labels := d.Alerts[0].Labels
		require.Equal(t, "prometheus", labels["service_name"])
		for _, label := range []string{"level", "severity", "name", "description", "owner"} {
			require.NotEmpty(t, labels[label], label)
		}
	}
	for _, b := range slices.Backward(breakages) { // what is posted must be kept
		b.mend()
	}
	for _, b := range breakages {
		s.await(b.part+" to be well again", func() bool { return s.health(b.part).State == client.HealthOK })
		sink.await("the end of "+b.alert, func(d delivery) bool { return d.has(b.alert, "resolved") })
	}
	s.stop()
}

// A rule group and an integration that are set aside are in health, each by its name
// and with what to do, and are alerted of at a receiver, while their neighbours run.
// Each goes away when its own entry is mended.
func TestGuarantee_G9_WhatIsSetAsideIsVisibleUntilItIsMended(t *testing.T) {
	t.Parallel()
	const raised = "SrcpromConfigurationSetAside"
	sink := newSink(t)
	good := strings.Replace(quickConfig(sink, 0), "  routes:\n", "  routes:\n    - { receiver: fast, matchers: [ service_name=prometheus ] }\n", 1)
	s := quickServer(t, sink, map[string]string{"alertmanager.yml": good})
	require.Equal(t, client.HealthOK, s.health("configuration").State)
	rules := func(expr string) string {
		return fmt.Sprintf("groups: [ { name: fine, rules: [ { alert: Fine, expr: vector(1), labels: { to: fast } } ] }, { name: spoilt, rules: [ { record: r, expr: %q } ] } ]\n", expr)
	}
	lost := `http_config: { tls_config: { ca_file: missing.pem } }`
	bad := strings.Replace(good, "{ url: \""+sink.URL+"/slow/r0\" }", "{ url: \""+sink.URL+"/slow/r0\", "+lost+" }", 1)
	require.NotEqual(t, good, bad)
	entries := map[string]string{"rules/pushed": "groups/spoilt", "alertmanager": "receivers/slow/webhook_configs[0]"}
	status, body := s.pushConfig("", map[string]any{"rules/pushed": rules("sum("), "alertmanager": bad})
	require.Equal(t, http.StatusOK, status, body)

	// standing are the entries that health says are set aside, by their document.
	standing := func() map[string]client.HealthProblem {
		found := map[string]client.HealthProblem{}
		for _, problem := range s.health("configuration").Problems {
			require.Equal(t, raised, problem.Alert)
			found[problem.Subject] = problem
		}
		return found
	}
	s.await("both entries to be in health", func() bool { return len(standing()) == len(entries) })
	for document, entry := range entries {
		problem := standing()[document]
		require.Contains(t, problem.Summary, entry)
		require.NotEmpty(t, problem.Remedy)
		told := sink.await("the alert of "+entry, says(raised, "firing", entry))
		require.Equal(t, "fast", told.receiver())
		require.Contains(t, told.Alerts[0].Annotations["description"], problem.Remedy)
	}
	require.NotEqual(t, client.HealthOK, s.health("configuration").State)
	sink.await("the neighbour of the group", of("Fine"))

	require.Empty(t, sink.matching(func(d delivery) bool { return d.has(raised, "resolved") }), "nothing is mended yet")
	mended := map[string]string{"rules/pushed": rules("vector(1)"), "alertmanager": good}
	for i, document := range []string{"rules/pushed", "alertmanager"} {
		status, body = s.pushConfig("", map[string]any{document: mended[document]})
		require.Equal(t, http.StatusOK, status, body)
		s.await(document+" to be out of health", func() bool { return len(standing()) == len(entries)-1-i })
		require.NotContains(t, standing(), document)
	}
	for document, entry := range entries {
		sink.await("the end of the alert of "+document, says(raised, "resolved", entry))
	}
	require.Equal(t, client.HealthOK, s.health("configuration").State)
	s.stop()
}

// says matches deliveries of an alert of that name and status whose summary contains
// a text.
func says(alertname, status, text string) func(delivery) bool {
	return func(d delivery) bool {
		return slices.ContainsFunc(d.Alerts, func(a srcpromtest.Alert) bool {
			return a.Labels["alertname"] == alertname && a.Status == status && strings.Contains(a.Annotations["summary"], text)
		})
	}
}

// immutableState is readOnlyState for a server that runs, where that can be had.
func immutableState(s *server) (f fault, ok bool) {
	chattr, err := exec.LookPath("chattr")
	if err != nil {
		return fault{}, false
	}
	set := func(flag string) error { return exec.Command(chattr, flag, s.stateFile()).Run() }
	if set("+i") != nil || set("-i") != nil {
		return fault{}, false
	}
	s.t.Cleanup(func() { _ = set("-i") })
	return fault{
		begin: func() { require.NoError(s.t, set("+i")) },
		end:   func() { require.NoError(s.t, set("-i")) },
	}, true
}

// A server on which nothing is broken raises none of these alerts.
func TestGuarantee_G9_NothingIsRaisedWhenNothingIsBroken(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := quickServer(t, sink, map[string]string{
		"alertmanager.yml": strings.Replace(quickConfig(sink, 0), "route:\n  receiver: nobody", "route:\n  receiver: fast", 1),
	})
	s.postAlerts(alert("Fine", "to", "fast"))
	sink.await("an alert", of("Fine"))
	var health client.Health
	s.getJSON("/api/srcprom/v1/health", &health)
	require.Equal(t, client.HealthOK, health.State, "%+v", health)
	s.tick(sink, "fast")
	require.Empty(t, sink.matching(func(d delivery) bool { return strings.HasPrefix(d.Alerts[0].Labels["alertname"], "Srcprom") }))
	s.stop()
}
