package web

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// someRules is a retriever of groups that are evaluated by hand.
type someRules []*rules.Group

func (r someRules) RuleGroups() []*rules.Group { return r }

func (r someRules) AlertingRules() (alerting []*rules.AlertingRule) {
	for _, g := range r {
		alerting = append(alerting, g.AlertingRules()...)
	}
	return alerting
}

// newRules returns groups, evaluated once, each with a recording rule and an alerting
// rule that fires for so many series.
func newRules(t testing.TB, d Deps, groups, alerts int) someRules {
	t.Helper()
	now := time.Now()
	app := d.Storage.Appender(t.Context())
	for i := range alerts {
		_, err := app.Append(0, labels.FromStrings("__name__", "disk", "path", fmt.Sprintf("/<a&%d>", i)), now.UnixMilli(), 1)
		require.NoError(t, err)
	}
	require.NoError(t, app.Commit())
	parse := func(text string) parser.Expr {
		expr, err := d.Parser.ParseExpr(text)
		require.NoError(t, err)
		return expr
	}
	logger := slog.New(slog.DiscardHandler)
	opts := &rules.ManagerOptions{
		Appendable: d.Storage, Queryable: d.Storage, QueryFunc: rules.EngineQueryFunc(d.Engine, d.Storage),
		Logger: logger, Metrics: rules.NewGroupMetrics(prometheus.NewRegistry()), ExternalURL: &url.URL{},
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	}
	made := someRules{}
	for i := range groups {
		g := rules.NewGroup(rules.GroupOptions{
			Name: fmt.Sprintf("group \"%d\"", i), File: "rules/ä.yml", Interval: 15 * time.Second, Limit: 1000 + i, Opts: opts,
			Rules: []rules.Rule{
				rules.NewRecordingRule(fmt.Sprintf("recorded:%d", i), parse("sum(disk)"), labels.FromStrings("team", "a")),
				rules.NewAlertingRule("DiskFull", parse("disk > 0"), 0, 0, labels.FromStrings("group", fmt.Sprint(i)),
					labels.FromStrings("summary", "{{ $labels.path }} <is> \"full\""), labels.EmptyLabels(), "", true, logger),
			},
		})
		g.Eval(t.Context(), now)
		made = append(made, g)
	}
	return made
}

// rulesServers are two servers with the same groups, of which only the first says more.
func rulesServers(t *testing.T, tell func(file, group string) (client.GroupEvaluation, bool)) (more, plain *testServer) {
	t.Helper()
	var groups someRules
	more = startServer(t, func(_ *Options, d *Deps) {
		groups = newRules(t, *d, 3, 1) // upstream tells the alerts of a rule in any order
		d.Rules, d.GroupEvaluation = groups, tell
	})
	plain = startServer(t, func(_ *Options, d *Deps) { d.Rules = groups })
	return more, plain
}

// tellSome knows nothing of the second group, and little of the third.
func tellSome(file, group string) (client.GroupEvaluation, bool) {
	age := 0.0125
	switch group {
	case `group "0"`:
		return client.GroupEvaluation{Evaluation: client.EvaluationAfterScrape, Trigger: client.TriggerScrape, NewestSampleAge: &age}, file == "rules/ä.yml"
	case `group "2"`:
		return client.GroupEvaluation{Evaluation: client.EvaluationClock, Reason: "it has a query offset"}, file == "rules/ä.yml"
	default:
		return client.GroupEvaluation{}, false
	}
}

// What tellSome adds to an answer.
const (
	toldOfFirst = `,"evaluation":"after-scrape","lastEvaluationTrigger":"scrape","newestSampleAge":0.0125`
	toldOfThird = `,"evaluation":"clock","evaluationReason":"it has a query offset"`
)

func untold(body string) string {
	return strings.NewReplacer(toldOfFirst, "", toldOfThird, "").Replace(body)
}

func TestRulesAPI_TellsHowGroupsAreEvaluated(t *testing.T) {
	more, plain := rulesServers(t, tellSome)
	got, want := more.get(t, "/api/v1/rules"), plain.get(t, "/api/v1/rules")
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, 1, strings.Count(got.body, toldOfFirst+"}"), got.body)
	require.Equal(t, 1, strings.Count(got.body, toldOfThird+"}"), got.body)
	require.NotContains(t, want.body, `"evaluation":`)
	require.Contains(t, want.body, "DiskFull")
	require.Equal(t, want.body, untold(got.body))
}

func TestRulesAPI_EverythingElseIsUpstreams(t *testing.T) {
	more, plain := rulesServers(t, tellSome)
	origin := map[string]string{"Origin": "https://example.com"}
	for _, tc := range []struct {
		method, path string
		header       map[string]string
	}{
		{"GET", "/api/v1/rules?type=alert", nil},
		{"GET", "/api/v1/rules?type=record&exclude_alerts=true", origin},
		{"GET", "/api/v1/rules?rule_group[]=" + url.QueryEscape(`group "0"`), nil},
		{"GET", "/api/v1/rules?rule_group[]=none", nil},
		{"GET", "/api/v1/rules?match[]=" + url.QueryEscape(`{group="2"}`), nil},
		{"GET", "/api/v1/rules?group_limit=2", nil},
		{"GET", "/api/v1/rules", map[string]string{"Accept": "application/json"}},
		{"GET", "/api/v1/rules", map[string]string{"Accept": "text/html"}},
		{"GET", "/api/v1/rules?type=none", origin},
		{"GET", "/api/v1/rules?group_limit=x", nil},
		{"GET", "/api/v1/rules?group_limit=1&group_next_token=x", nil},
		{"HEAD", "/api/v1/rules", nil},
		{"POST", "/api/v1/rules", nil},
		{"OPTIONS", "/api/v1/rules", origin},
		{"GET", "/api/v1/alerts", nil},
		{"GET", "/api/v1/query?query=disk&time=0", nil},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			got, want := more.do(t, tc.method, tc.path, "", tc.header), plain.do(t, tc.method, tc.path, "", tc.header)
			for _, a := range []answer{got, want} {
				a.header.Del("Date")
				a.header.Del("Content-Length") // net/http has compared it with the body
			}
			got.body = untold(got.body)
			require.Equal(t, want, got)
		})
	}
}

func TestRulesAPI_Pages(t *testing.T) {
	more, plain := rulesServers(t, tellSome)
	whole := more.get(t, "/api/v1/rules").body
	var token, groups string
	for page := range 3 {
		path := "/api/v1/rules?group_limit=1&group_next_token=" + token
		body := more.get(t, path).body
		require.Equal(t, plain.get(t, path).body, untold(body))
		_, rest, ok := strings.Cut(body, `{"status":"success","data":{"groups":[`)
		require.True(t, ok, body)
		group, rest, ok := strings.Cut(rest, `]`+map[bool]string{true: `}}`, false: `,"groupNextToken":"`}[page == 2])
		require.True(t, ok, body)
		groups += "," + group
		token, _, _ = strings.Cut(rest, `"`)
	}
	require.Equal(t, `{"status":"success","data":{"groups":[`+groups[1:]+`]}}`, whole)
}

func TestRulesAPI_Compresses(t *testing.T) {
	more, _ := rulesServers(t, tellSome)
	a := more.do(t, http.MethodGet, "/api/v1/rules", "", map[string]string{"Accept-Encoding": "gzip"})
	require.Equal(t, "gzip", a.header.Get("Content-Encoding"))
	require.Equal(t, []string{"Accept-Encoding", "Origin"}, a.header.Values("Vary"))
	r, err := gzip.NewReader(strings.NewReader(a.body))
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, more.get(t, "/api/v1/rules").body, string(text))
}

func TestRulesAPI_PrometheusClientUnderstands(t *testing.T) {
	more, plain := rulesServers(t, tellSome)
	ask := func(s *testServer) promv1.RulesResult {
		c, err := promapi.NewClient(promapi.Config{Address: s.base, Client: s.http})
		require.NoError(t, err)
		result, err := promv1.NewAPI(c).Rules(t.Context(), nil)
		require.NoError(t, err)
		return result
	}
	got := ask(more)
	require.Len(t, got.Groups, 3)
	require.Equal(t, ask(plain), got)
}

// A field that upstream adds to its answer stays in ours; one that it adds under a name
// of ours would be lost.
func TestRulesAPI_NamesAreNotUpstreams(t *testing.T) {
	age := 1.0
	told := client.GroupEvaluation{Evaluation: "a", Reason: "b", Trigger: "c", NewestSampleAge: &age}
	codec := rulesCodec{evaluation: func(string, string) (client.GroupEvaluation, bool) { return told, true }}
	resp := &apiv1.Response{Status: "success", Warnings: []string{"w"}, Infos: []string{"i"}, Data: &apiv1.RuleDiscovery{
		RuleGroups: []*apiv1.RuleGroup{{Name: "g", File: "f", Rules: []apiv1.Rule{}}}, GroupNextToken: "t",
	}}
	plain, err := codec.JSONCodec.Encode(resp)
	require.NoError(t, err)
	got, err := codec.Encode(resp)
	require.NoError(t, err)
	ours := `,"evaluation":"a","evaluationReason":"b","lastEvaluationTrigger":"c","newestSampleAge":1`
	require.Equal(t, strings.Replace(string(plain), `}]`, ours+`}]`, 1), string(got))
}

// BenchmarkRulesAPI answers with ten megabytes: what it costs to say more is the
// difference.
func BenchmarkRulesAPI(b *testing.B) {
	for name, tell := range map[string]func(file, group string) (client.GroupEvaluation, bool){"plain": nil, "more": tellSome} {
		b.Run(name, func(b *testing.B) {
			opts, deps, _ := testDeps(b)
			deps.Rules, deps.GroupEvaluation = newRules(b, deps, 100, 512), tell
			s, err := New(opts, deps)
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, s.Close()) })
			handler := s.mountAPI()
			size := 0
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/rules", nil))
				require.Equal(b, http.StatusOK, w.Code)
				size = w.Body.Len()
			}
			b.ReportMetric(float64(size)/1e6, "MB")
		})
	}
}
