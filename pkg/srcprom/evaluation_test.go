package srcprom_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// evaluated is a rule document whose group says when it is evaluated.
func evaluated(group, when string) string {
	return "groups:\n  - name: " + group + "\n    evaluation: " + when + "\n    rules: [ { record: r, expr: vector(1) } ]\n"
}

func TestServer_GroupsSayTheirEvaluationWhereverTheyComeFrom(t *testing.T) {
	dir := t.TempDir()
	opts := options(t)
	opts.ConfigFile = filepath.Join(dir, "prometheus.yml")
	opts.Web.EnableConfigAPI = true
	opts.Documents = map[string]string{"rules/go": evaluated("options", "clock")}
	file := filepath.Join(dir, "x_rules.yml")
	save := func(path, text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o644)) }
	save(opts.ConfigFile, "rule_files: [ \"*_rules.yml\" ]\n")
	save(file, evaluated("file", "clock"))
	changed := func(group string) []string { return []string{`rules: 1 group(s) changed: "` + group + `"`} }

	run(t, opts, func(server *srcprom.Server) {
		first := server.Current().Version
		require.Empty(t, server.Current().Standing)
		c, err := client.New("http://" + server.Addr())
		require.NoError(t, err)

		text := evaluated("options", "after-scrape")
		pushed, err := c.ApplyConfig(t.Context(), client.ConfigRequest{Documents: map[string]*string{"rules/go": &text}, Strict: true})
		require.NoError(t, err)
		require.Equal(t, changed("options"), pushed.Changes)

		save(file, evaluated("file", "after-scrape"))
		require.NoError(t, server.Reload(t.Context()))
		save(file, evaluated("file", "sometimes"))
		require.ErrorContains(t, server.Reload(t.Context()), `group "file": evaluation is "sometimes"`)
		save(file, evaluated("file", "after-scrape"))
		require.NoError(t, server.Reload(t.Context()))

		applied, err := server.Apply(t.Context(), documents(map[string]string{"rules/go": evaluated("options", "sometimes")}))
		require.NoError(t, err)
		require.Empty(t, applied.Changes, "the group goes on as it was accepted")
		require.Equal(t, []config.SetAside{{
			Document: "rules/go", Name: "groups/options", Line: 3,
			Reason: `group "options": evaluation is "sometimes": it must be "after-scrape" or "clock"`,
		}}, applied.SetAside)

		rolledBack, err := server.Rollback(t.Context(), config.Rollback{Version: first})
		require.NoError(t, err)
		require.Empty(t, rolledBack.SetAside)
		require.Contains(t, rolledBack.Changes, changed("options")[0])
	})
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Remove(opts.ConfigFile))
	opts.Documents = nil
	run(t, opts, func(server *srcprom.Server) { // from what was accepted
		require.Empty(t, server.Current().Standing)
		applied, err := server.Apply(t.Context(), documents(map[string]string{"rules/go": evaluated("options", "after-scrape")}))
		require.NoError(t, err)
		require.Equal(t, changed("options"), applied.Changes)
	})
}

// groupTold is what /api/v1/rules tells of a group.
type groupTold struct {
	Name, File string
	client.GroupEvaluation
}

// key is how metrics name it.
func (g groupTold) key() string { return g.File + ";" + g.Name }

// groupsTold are the groups of /api/v1/rules by their names.
func groupsTold(t testing.TB, server *srcpromtest.Server) map[string]groupTold {
	t.Helper()
	var answer struct{ Data struct{ Groups []groupTold } }
	require.NoError(t, json.Unmarshal([]byte(ask(t, server.Server, http.MethodGet, "/api/v1/rules", "")), &answer))
	told := map[string]groupTold{}
	for _, g := range answer.Data.Groups {
		told[g.Name] = g
	}
	return told
}

// awaitGroup waits until a group is told of as it should be.
func awaitGroup(t *testing.T, server *srcpromtest.Server, name string, ok func(groupTold) bool) groupTold {
	t.Helper()
	var g groupTold
	require.Eventually(t, func() bool {
		g = groupsTold(t, server)[name]
		return ok(g)
	}, patience, 5*time.Millisecond, "group %s", name)
	return g
}

func triggeredBy(trigger string) func(groupTold) bool {
	return func(g groupTold) bool { return g.Trigger == trigger && g.NewestSampleAge != nil }
}

// promptlyTriggeredBy demands that the newest sample was younger than an interval of a
// second.
func promptlyTriggeredBy(trigger string) func(groupTold) bool {
	return func(g groupTold) bool {
		return triggeredBy(trigger)(g) && *g.NewestSampleAge >= 0 && *g.NewestSampleAge < 1
	}
}

// told is what /metrics says.
type told map[string]*dto.MetricFamily

func metricsOf(t *testing.T, server *srcpromtest.Server) told {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(ask(t, server.Server, http.MethodGet, "/metrics", "")))
	require.NoError(t, err)
	return families
}

// of is the metric with these labels, pairs of name and value; empty if there is none.
func (families told) of(name string, labels ...string) *dto.Metric {
	for _, m := range families[name].GetMetric() {
		matches := 0
		for _, l := range m.GetLabel() {
			for pair := range slices.Chunk(labels, 2) {
				if l.GetName() == pair[0] && l.GetValue() == pair[1] {
					matches++
				}
			}
		}
		if matches == len(labels)/2 {
			return m
		}
	}
	return &dto.Metric{}
}

const everySecond = `
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
scrape_configs: [ { job_name: target, static_configs: [ { targets: [ %q ] } ] } ]
`

// startEverySecond starts a server that scrapes a target and evaluates each second.
func startEverySecond(t *testing.T, rules string, edit func(*srcprom.Options)) *srcpromtest.Server {
	t.Helper()
	target := srcpromtest.NewTarget(t)
	server := srcpromtest.Start(t, srcpromtest.WithPrometheusConfig(fmt.Sprintf(everySecond, target.Addr())),
		srcpromtest.WithRules(rules), srcpromtest.WithOptions(edit), withPushes())
	server.Target = target
	return server
}

func TestServer_TellsWhatTriggersEachGroup(t *testing.T) {
	server := startEverySecond(t, `
groups:
  - { name: scraped, rules: [ { record: recorded, expr: 'm{job="target"}' }, { alert: Fire, expr: 'm{job="target"} == 1' } ] }
  - { name: chained, rules: [ { record: again, expr: recorded } ] }
  - { name: written, rules: [ { record: w, expr: 'written{job="writer"}' } ] }
  - { name: exported, rules: [ { record: e, expr: 'exported{job="exporter"}' } ] }
  - { name: asked, evaluation: clock, rules: [ { record: a, expr: 'm{job="target"}' } ] }
  - { name: offset, query_offset: 1s, rules: [ { record: o, expr: 'm{job="target"}' } ] }
`, func(*srcprom.Options) {})
	write := newRemoteWriter(t, server)
	set := time.Now()
	server.Target.Set("m", 1)
	server.Receiver.Await("Fire", srcpromtest.Firing("Fire"))
	for name, push := range map[string]func(time.Time) error{
		"written":  func(at time.Time) error { return write.push(t.Context(), map[string]time.Time{"written": at}) },
		"exported": func(at time.Time) error { return export(t.Context(), server, "exported", at) },
	} {
		g := awaitGroup(t, server, name, func(g groupTold) bool {
			require.NoError(t, push(time.Now()))
			return promptlyTriggeredBy(client.TriggerPush)(g)
		})
		require.Equal(t, client.EvaluationAfterScrape, g.Evaluation)
	}
	for name, trigger := range map[string]string{"scraped": client.TriggerScrape, "chained": client.TriggerRules} {
		g := awaitGroup(t, server, name, promptlyTriggeredBy(trigger))
		require.Equal(t, client.EvaluationAfterScrape, g.Evaluation)
		require.Empty(t, g.Reason)
	}
	for name, reason := range map[string]string{"asked": "", "offset": "it has a query offset: new samples do not matter to it until later"} {
		g := awaitGroup(t, server, name, triggeredBy(client.TriggerClock))
		require.Equal(t, client.EvaluationClock, g.Evaluation)
		require.Equal(t, reason, g.Reason)
	}

	groups := groupsTold(t, server)
	metrics := metricsOf(t, server)
	for name, trigger := range map[string]string{
		"scraped": client.TriggerScrape, "chained": client.TriggerRules, "written": client.TriggerPush,
		"exported": client.TriggerPush, "asked": client.TriggerClock, "offset": client.TriggerClock,
	} {
		key := groups[name].key()
		require.Positive(t, metrics.of("srcprom_rule_group_evaluations_total", "rule_group", key, "trigger", trigger).GetCounter().GetValue(), name)
		last := metrics.of("srcprom_rule_group_last_evaluation_trigger", "rule_group", key)
		require.Equal(t, 1., last.GetGauge().GetValue(), name)
		age := metrics.of("srcprom_rule_group_newest_sample_age_seconds", "rule_group", key).GetGauge()
		require.NotNil(t, age, name)
		require.Less(t, age.GetValue(), time.Since(set).Seconds(), name)
	}
	for _, name := range []string{"asked", "offset"} {
		for _, other := range []string{client.TriggerScrape, client.TriggerPush, client.TriggerRules} {
			require.Nil(t, metrics.of("srcprom_rule_group_evaluations_total", "rule_group", groups[name].key(), "trigger", other).GetCounter(), "%s by %s", name, other)
		}
	}
	evaluated := metrics.of("srcprom_rule_sample_to_evaluation_seconds").GetHistogram()
	require.Positive(t, evaluated.GetSampleCount())
	require.Less(t, evaluated.GetSampleSum()/float64(evaluated.GetSampleCount()), 1., "on average")
	require.Eventually(t, func() bool {
		notified := metricsOf(t, server).of("srcprom_sample_to_notification_seconds", "integration", "webhook").GetHistogram()
		sum := notified.GetSampleSum()
		return notified.GetSampleCount() == 1 && sum > 0 && sum < time.Since(set).Seconds()
	}, patience, 10*time.Millisecond, "the one notification is measured")
}

func TestServer_GoesByTheClockWhereAsked(t *testing.T) {
	server := startEverySecond(t, `
groups:
  - { name: plain, rules: [ { record: p, expr: 'm{job="target"}' } ] }
  - { name: asked, evaluation: after-scrape, rules: [ { record: a, expr: 'm{job="target"}' } ] }
`, func(o *srcprom.Options) { o.Rules.Evaluation = config.EvaluationClock })
	server.Target.Set("m", 1)
	asked := awaitGroup(t, server, "asked", triggeredBy(client.TriggerScrape))
	require.Equal(t, client.EvaluationAfterScrape, asked.Evaluation)
	plain := awaitGroup(t, server, "plain", triggeredBy(client.TriggerClock))
	require.Equal(t, client.EvaluationClock, plain.Evaluation)
	require.Empty(t, plain.Reason)

	evaluations := func(trigger string) float64 {
		return metricsOf(t, server).of("srcprom_rule_group_evaluations_total", "rule_group", plain.key(), "trigger", trigger).GetCounter().GetValue()
	}
	before := evaluations(client.TriggerClock)
	require.Eventually(t, func() bool { return evaluations(client.TriggerClock) >= before+2 }, patience, 10*time.Millisecond)
	require.Zero(t, evaluations(client.TriggerScrape), "though there were scrapes between")
}

// soon are names of groups with an interval of an hour that the engine evaluates
// first some time from now, and not an hour later: which moment of the interval is
// theirs is a hash of their names.
func soon(t *testing.T, file string, n int, from, to time.Duration) []string {
	t.Helper()
	now := time.Now()
	options := &promrules.ManagerOptions{Metrics: promrules.NewGroupMetrics(nil)}
	var names []string
	for i := 0; len(names) < n; i++ {
		name := fmt.Sprint("g", i)
		g := promrules.NewGroup(promrules.GroupOptions{Name: name, File: file, Interval: time.Hour, Opts: options})
		first := g.EvalTimestamp(now.UnixNano()).Add(time.Hour).Sub(now)
		if first %= time.Hour; first > from && first < to {
			names = append(names, name)
		}
	}
	return names
}

// promptly fails the test when something takes so long that it must have waited for
// a group.
func promptly(t *testing.T, what string, do func() error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	select {
	case err := <-ended:
		require.NoError(t, err, what)
	case <-time.After(5 * time.Second):
		require.Fail(t, "it lingers", what)
	}
}

// Groups with an interval of an hour wait for samples the whole hour.
func TestServer_NothingWaitsForGroupsThatLinger(t *testing.T) {
	const document = "rules/hourly"
	names := soon(t, document, 3, 3*time.Second, 5*time.Second)
	hourly := func(value int, names ...string) map[string]string {
		text := "groups:\n"
		for _, name := range names {
			text += fmt.Sprintf("  - { name: %s, interval: 1h, rules: [ { record: of_%s, expr: 'm{job=\"target\"} + %d' } ] }\n", name, name, value)
			value = 0 // only the first has it
		}
		return map[string]string{document: text}
	}
	server := startEverySecond(t, recording(1), func(o *srcprom.Options) {
		o.StopTimeout = 80 * time.Second // of which evaluations have more than is waited for here
		o.Documents[document] = hourly(0, names...)[document]
	})
	server.Target.Set("m", 1)
	for _, name := range names {
		awaitGroup(t, server, name, triggeredBy(client.TriggerScrape)) // an hour before its next tick
	}
	apply := func(docs map[string]string, want string) func() error {
		return func() error {
			result, err := server.Apply(context.Background(), documents(docs))
			if err == nil && !slices.Equal(result.Changes, []string{want}) {
				return fmt.Errorf("it has changed %q", result.Changes)
			}
			return err
		}
	}
	promptly(t, "an apply that changes a group", apply(hourly(1, names...), fmt.Sprintf("rules: 1 group(s) changed: %q", names[0])))
	promptly(t, "an apply that removes a group", apply(hourly(1, names[0], names[2]), fmt.Sprintf("rules: 1 group(s) removed: %q", names[1])))
	promptly(t, "a stop", server.Stop)
}
