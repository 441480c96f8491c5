package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/stretchr/testify/require"
)

// docs makes documents of names and texts, in turn.
func docs(pairs ...string) Documents {
	d := Documents{}
	for i := 0; i < len(pairs); i += 2 {
		d[pairs[i]] = Document{Name: pairs[i], Content: pairs[i+1], Provenance: Provenance{Source: SourceHTTP}}
	}
	return d
}

// accepted makes what is kept of documents that were loaded.
func accepted(t *testing.T, d Documents, opts LoadOptions) *Accepted {
	t.Helper()
	e := mustLoad(t, d, opts)
	return &Accepted{Version: 1, Documents: e.Documents, Standing: e.Standing}
}

func mustLoad(t *testing.T, d Documents, opts LoadOptions) *Effective {
	t.Helper()
	if opts.ConfigDir == "" {
		opts.ConfigDir, opts.AlertmanagerDir = "/etc/prometheus", "/etc/alertmanager"
	}
	e, err := Load(d, opts)
	require.NoError(t, err)
	return e
}

func requireFaults(t *testing.T, err error, want ...Fault) {
	t.Helper()
	var faults Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, Faults(want), faults)
}

func jobNames(e *Effective) []string {
	var names []string
	for _, job := range e.Prometheus.ScrapeConfigs {
		names = append(names, job.JobName)
	}
	return names
}

func TestLoad_NothingGivesUpstreamsDefaults(t *testing.T) {
	e := mustLoad(t, nil, LoadOptions{})

	want, err := promconfig.Load("", nil)
	require.NoError(t, err)
	require.Equal(t, want, e.Prometheus)
	require.Equal(t, "none", e.Alertmanager.Route.Receiver)
	require.Len(t, e.Alertmanager.Receivers, 1)
	require.Empty(t, e.SetAside)
	require.Empty(t, e.Warnings)
}

func TestLoad_EmptyAlertmanagerDocumentIsRefused(t *testing.T) {
	_, err := Load(docs(AlertmanagerDocument, ""), LoadOptions{})
	requireFaults(t, err, Fault{Document: AlertmanagerDocument, Reason: "no route provided in config"})
}

func TestLoad_RelativePathsAreJoined(t *testing.T) {
	d := docs(PrometheusDocument, `
rule_files: [rules/*.yml]
scrape_config_files: [scrape/*.yml]
scrape_configs:
  - job_name: a
    basic_auth: {username: u, password_file: secret}
`, AlertmanagerDocument, `
route: {receiver: r}
receivers:
  - name: r
    webhook_configs:
      - url: http://example.org
        http_config: {authorization: {credentials_file: token}}
    incidentio_configs:
      - url: http://example.org
        http_config: {authorization: {credentials_file: token}}
templates: [t/*.tmpl]
event_recorder:
  file_outputs: [{path: events}]
`, ScrapePrefix+"b.yml", `
scrape_configs:
  - job_name: b
    tls_config: {ca_file: ca.pem}
`)
	b := d[ScrapePrefix+"b.yml"]
	b.Provenance = Provenance{Source: SourceFile, Path: "/etc/prometheus/scrape/b.yml"}
	d[ScrapePrefix+"b.yml"] = b
	e := mustLoad(t, d, LoadOptions{})

	require.Empty(t, e.SetAside)
	p, a := e.Prometheus, e.Alertmanager
	require.Equal(t, []string{"/etc/prometheus/rules/*.yml"}, p.RuleFiles)
	require.Empty(t, p.ScrapeConfigFiles)
	require.Equal(t, "/etc/prometheus/secret", p.ScrapeConfigs[0].HTTPClientConfig.BasicAuth.PasswordFile)
	require.Equal(t, "/etc/prometheus/scrape/ca.pem", p.ScrapeConfigs[1].HTTPClientConfig.TLSConfig.CAFile)
	require.Equal(t, "/etc/alertmanager/token", a.Receivers[0].WebhookConfigs[0].HTTPConfig.Authorization.CredentialsFile)
	require.Equal(t, "/etc/alertmanager/token", a.Receivers[0].IncidentioConfigs[0].HTTPConfig.Authorization.CredentialsFile)
	require.Equal(t, []string{"/etc/alertmanager/t/*.tmpl"}, a.Templates)
	require.Equal(t, "/etc/alertmanager/events", a.EventRecorder.FileOutputs[0].Path)

	jobs, err := p.GetScrapeConfigs()
	require.NoError(t, err)
	require.Len(t, jobs, 2)
}

func TestLoad_PathsOfHTTPConfigAreResolvedAsUpstreamDoes(t *testing.T) {
	dir := t.TempDir()
	text := `
global: {http_config: {proxy_url: http://proxy, tls_config: {ca_file: ca}}}
route: {receiver: r}
templates: [x]
receivers:
  - name: r
    webhook_configs: [{url_file: u}, {url: "http://a", http_config: {bearer_token_file: b}}]
    slack_configs: [{api_url_file: s}]
    email_configs: [{to: a@b, from: c@d, smarthost: "h:1", tls_config: {ca_file: e}}]
    msteamsv2_configs: [{webhook_url_file: m, http_config: {tls_config: {ca_file: c}}}]
event_recorder:
  webhook_outputs: [{url: "http://a", http_config: {bearer_token_file: b}}]
  kafka_outputs: [{brokers: ["b:1"], topic: t, tls_config: {ca_file: k}}]
`
	path := filepath.Join(dir, "alertmanager.yml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	want, err := amconfig.LoadFile(path)
	require.NoError(t, err)

	e := mustLoad(t, docs(AlertmanagerDocument, text), LoadOptions{ConfigDir: dir, AlertmanagerDir: dir})
	require.Equal(t, want.String(), e.Alertmanager.String())
}

func TestLoad_DefaultsHoldWhereTheDocumentIsSilent(t *testing.T) {
	yes := true
	opts := LoadOptions{
		RetentionDefault:          promconfig.TSDBRetentionConfig{Time: model.Duration(time.Hour)},
		LogLevelDefault:           "warn",
		ScrapeProtocolsDefault:    []promconfig.ScrapeProtocol{promconfig.PrometheusProto},
		ExtraScrapeMetricsDefault: true,
	}
	t.Run("silent", func(t *testing.T) {
		p := mustLoad(t, docs(PrometheusDocument, "# no retention here\nscrape_configs: [{job_name: a}, {job_name: b, scrape_native_histograms: true}]\n",
			ScrapePrefix+"x", "scrape_configs: [{job_name: c}]"), opts).Prometheus
		require.Equal(t, model.Duration(time.Hour), p.StorageConfig.TSDBConfig.Retention.Time)
		require.Equal(t, promconfig.LogLevel("warn"), p.Runtime.LogLevel)
		for _, job := range p.ScrapeConfigs {
			require.Equal(t, opts.ScrapeProtocolsDefault, job.ScrapeProtocols, job.JobName)
			require.Equal(t, &yes, job.ExtraScrapeMetrics, job.JobName)
		}
	})
	t.Run("explicit", func(t *testing.T) {
		p := mustLoad(t, docs(PrometheusDocument, `
runtime: {log_level: info}
storage: {tsdb: {retention: {}}}
scrape_configs:
  - {job_name: a, scrape_protocols: [PrometheusText0.0.4], extra_scrape_metrics: false}
`), opts).Prometheus
		require.Zero(t, *p.StorageConfig.TSDBConfig.Retention)
		require.Equal(t, promconfig.LogLevel("info"), p.Runtime.LogLevel)
		require.Equal(t, []promconfig.ScrapeProtocol{promconfig.PrometheusText0_0_4}, p.ScrapeConfigs[0].ScrapeProtocols)
		require.False(t, *p.ScrapeConfigs[0].ExtraScrapeMetrics)
	})
	t.Run("explicit in global", func(t *testing.T) {
		p := mustLoad(t, docs(PrometheusDocument, `
global: {scrape_protocols: [PrometheusText0.0.4], extra_scrape_metrics: false}
scrape_configs: [{job_name: a}]
`), opts).Prometheus
		require.Equal(t, []promconfig.ScrapeProtocol{promconfig.PrometheusText0_0_4}, p.ScrapeConfigs[0].ScrapeProtocols)
		require.False(t, *p.ScrapeConfigs[0].ExtraScrapeMetrics)
	})
	t.Run("upstream's variables stay", func(t *testing.T) {
		require.Nil(t, promconfig.DefaultGlobalConfig.ScrapeProtocols)
		require.False(t, *promconfig.DefaultGlobalConfig.ExtraScrapeMetrics)
		require.Zero(t, promconfig.DefaultTSDBRetentionConfig)
	})
}

func TestLoad_FaultsOutsideOfEntriesRefuseTheDocument(t *testing.T) {
	const am = "route: {receiver: r}\nreceivers: [{name: r}]\n"
	for name, test := range map[string]struct {
		document, text string
		line           int
		reason         string
	}{
		"prometheus no yaml":         {PrometheusDocument, "global: [\n", 1, "did not find expected node content"},
		"prometheus a list":          {PrometheusDocument, "- a\n", 1, "cannot unmarshal !!seq into config.plain"},
		"prometheus unknown key":     {PrometheusDocument, "global:\n  scrape_interval: 1s\nglobbal: {}\n", 3, "field globbal not found in type config.plain"},
		"prometheus duplicate key":   {PrometheusDocument, "scrape_configs: []\nscrape_configs: []\n", 2, "field scrape_configs already set in type config.plain"},
		"prometheus global":          {PrometheusDocument, "global:\n  scrape_interval: 1x\n", 2, `unknown unit "x" in duration "1x"`},
		"prometheus bad beside":      {PrometheusDocument, "scrape_configs:\n- job_name: a\n  bad: 1\n\nremote_write:\n- url: http://a\n  bad: 1\n", 7, "field bad not found in type config.plain"},
		"alertmanager unknown key":   {AlertmanagerDocument, am + "x: 1\n", 3, "field x not found in type config.plain"},
		"alertmanager route":         {AlertmanagerDocument, "receivers: [{name: r}]\nroute: {receiver: s}\n", 2, `undefined receiver "s" used in route`},
		"alertmanager inhibition":    {AlertmanagerDocument, am + "inhibit_rules:\n- source_matchers: ['!']\n", 0, "bad matcher format: !"},
		"alertmanager interval":      {AlertmanagerDocument, am + "time_intervals: [{time_intervals: []}]\n", 0, "missing name in time interval"},
		"alertmanager same receiver": {AlertmanagerDocument, "route: {receiver: r}\nreceivers: [{name: r}, {name: r}]\n", 0, `notification config name "r" is not unique`},
		"alertmanager receiver key":  {AlertmanagerDocument, "route: {receiver: r}\nreceivers:\n- name: r\n  webhook_config: []\n", 4, "field webhook_config not found in type config.plain"},
		"alertmanager no list":       {AlertmanagerDocument, "route: {receiver: r}\nreceivers:\n- name: r\n  webhook_configs: {url: a}\n", 4, "cannot unmarshal !!map into []*webhook.WebhookConfig"},
		"rules no yaml":              {RulesPrefix + "a", "groups: [\n", 1, "did not find expected node content"},
		"rules unknown key":          {RulesPrefix + "a", "groups: []\nx: 1\n", 2, "field x not found in type rulefmt.RuleGroups"},
		"scrape unknown key":         {ScrapePrefix + "a", "scrape_configs: []\nglobal: {}\n", 2, "field global not found in type config.ScrapeConfigs"},
		"scrape no yaml":             {ScrapePrefix + "a", "}", 0, "did not find expected node content"},
		"template":                   {TemplatesPrefix + "a", "{{ define \"x\" }}\n{{ nope }}{{ end }}", 2, `function "nope" not defined`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(docs(test.document, test.text), LoadOptions{})
			requireFaults(t, err, Fault{Document: test.document, Line: test.line, Reason: test.reason})
		})
	}
}

func TestLoad_FaultsOfAllDocumentsAreReported(t *testing.T) {
	_, err := Load(docs(AlertmanagerDocument, "x: 1", RulesPrefix+"a", "x: 1", TemplatesPrefix+"t", "{{"), LoadOptions{})
	var faults Faults
	require.ErrorAs(t, err, &faults)
	var documents []string
	for _, fault := range faults {
		documents = append(documents, fault.Document)
	}
	require.Subset(t, documents, []string{AlertmanagerDocument, RulesPrefix + "a", TemplatesPrefix + "t"})
}

func TestLoad_BadJobIsSetAside(t *testing.T) {
	bad := `
global: {scrape_interval: 20s}
scrape_configs:
  - job_name: a
  - job_name: b
    scrape_interval: 1s
    params:
      x: [y]
    unknown: 1
  - job_name: c
    scrape_timeout: 30s
  - {}
  -
  - job_name: a
  - job_name: d
    static_configs: [targets: ["http://u:hunter2@host"]]
  - job_name: e
`
	want := []SetAside{
		{PrometheusDocument, "scrape_configs/b", 9, "field unknown not found in type config.ScrapeConfig"},
		{PrometheusDocument, "scrape_configs/c", 10, `scrape timeout greater than scrape interval for scrape config with job name "c"`},
		{PrometheusDocument, "scrape_configs[3]", 12, "job_name is empty"},
		{PrometheusDocument, "scrape_configs[4]", 13, "empty or null scrape config section"},
		{PrometheusDocument, "scrape_configs/a", 14, `found multiple scrape configs with job name "a", first found in document "prometheus"`},
		{PrometheusDocument, "scrape_configs/d", 15, `"http://u:<secret>@host" is not a valid hostname`},
	}
	t.Run("for good", func(t *testing.T) {
		e := mustLoad(t, docs(PrometheusDocument, bad), LoadOptions{})
		require.Equal(t, []string{"a", "e"}, jobNames(e))
		require.Equal(t, model.Duration(20*time.Second), e.Prometheus.ScrapeConfigs[0].ScrapeInterval)
		require.Equal(t, want, e.SetAside)
		require.Equal(t, map[string]string{"scrape_configs/b": "", "scrape_configs/c": "", "scrape_configs/d": ""}, e.Standing)
		_, err := e.Prometheus.GetScrapeConfigs()
		require.NoError(t, err)
	})
	t.Run("for its accepted version", func(t *testing.T) {
		prev := accepted(t, docs(PrometheusDocument, `
scrape_configs:
  - job_name: b
    metrics_path: /old
    basic_auth: {username: u, password_file: p}
`), LoadOptions{})
		e := mustLoad(t, docs(PrometheusDocument, bad), LoadOptions{Previous: prev})
		require.Equal(t, []string{"a", "b", "e"}, jobNames(e))
		require.Equal(t, "/old", e.Prometheus.ScrapeConfigs[1].MetricsPath)
		require.Equal(t, "/etc/prometheus/p", e.Prometheus.ScrapeConfigs[1].HTTPClientConfig.BasicAuth.PasswordFile)
		require.Equal(t, want, e.SetAside)

		again := &Accepted{Documents: e.Documents, Standing: e.Standing}
		e = mustLoad(t, docs(PrometheusDocument, bad), LoadOptions{Previous: again})
		require.Equal(t, []string{"a", "b", "e"}, jobNames(e), "what stood goes on standing")
		require.Equal(t, "/old", e.Prometheus.ScrapeConfigs[1].MetricsPath)
	})
	t.Run("and never runs a version that was not accepted", func(t *testing.T) {
		refuse := func(job *promconfig.ScrapeConfig) error {
			if job.MetricsPath == "/refused" {
				return errors.New("no")
			}
			return nil
		}
		prev := accepted(t, docs(PrometheusDocument, "scrape_configs: [{job_name: b, metrics_path: /refused}]"), LoadOptions{CheckJob: refuse})
		e := mustLoad(t, docs(PrometheusDocument, bad), LoadOptions{Previous: prev})
		require.Equal(t, []string{"a", "e"}, jobNames(e))
	})
}

func TestLoad_AnchorsReachIntoEntries(t *testing.T) {
	e := mustLoad(t, docs(PrometheusDocument, `
scrape_configs:
  - &base
    job_name: a
    metrics_path: /x
    relabel_configs:
      - &keep
        source_labels: [a]
        regex: 'yes'
        action: keep
  - <<: *base
    job_name: b
    scrape_interval: bad
  - <<: *base
    job_name: c
    metric_relabel_configs: [*keep]
    params: {multi: ["one\ntwo"]}
`), LoadOptions{})
	require.Equal(t, []string{"a", "c"}, jobNames(e))
	c := e.Prometheus.ScrapeConfigs[1]
	require.Equal(t, "/x", c.MetricsPath)
	require.Equal(t, "yes", c.MetricRelabelConfigs[0].Regex.String())
	require.Equal(t, []string{"one\ntwo"}, c.Params["multi"])
}

func TestLoad_EntriesAreTheSameAloneAndInTheWhole(t *testing.T) {
	good := `
  - job_name: a
    params: {x: [0o10, 010, 1_000, yes, "no", ~, 1e3, 2001-01-01, 1:30, '<<']}
    basic_auth:
      username: 'it''s'
      password: >-
        two
        words
    authorization:
    bearer_token:
    http_headers:
      X-A: {values: ["#no comment"], secrets: [!!str 12]}
    static_configs:
      - targets: ["a:1", 'b:2']
        labels: {on: off, "off": "on"}
    relabel_configs:
      - regex: |
          a
        replacement: "\u00e9\x41"
        target_label: t
        source_labels: [__address__]
    sample_limit: 10
    honor_labels: on
`
	whole := mustLoad(t, docs(PrometheusDocument, "scrape_configs:"+good), LoadOptions{}).Prometheus
	split := mustLoad(t, docs(PrometheusDocument, "scrape_configs:"+good+"  - {}\n"), LoadOptions{})
	require.Len(t, split.SetAside, 1)
	require.True(t, reflect.DeepEqual(whole.ScrapeConfigs[0].HTTPClientConfig, split.Prometheus.ScrapeConfigs[0].HTTPClientConfig))
	require.Equal(t, whole.String(), split.Prometheus.String())
	require.Equal(t, "two words", string(split.Prometheus.ScrapeConfigs[0].HTTPClientConfig.BasicAuth.Password))
}

func TestLoad_AliasesThatExpandTooMuchAreRefused(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("x0: &x0 [a,a,a,a,a,a,a,a,a]\n")
	for i := range 8 {
		c, n := string(rune('0'+i)), string(rune('1'+i))
		bomb.WriteString("x" + n + ": &x" + n + " [" + strings.Repeat("*x"+c+",", 9) + "]\n")
	}
	for _, name := range []string{PrometheusDocument, AlertmanagerDocument, RulesPrefix + "a", ScrapePrefix + "a"} {
		_, err := Load(docs(name, bomb.String()), LoadOptions{})
		require.ErrorAs(t, err, &Faults{}, name)
		_, err = Load(docs(name, "a: &a [*a]\n"), LoadOptions{})
		require.ErrorAs(t, err, &Faults{}, name)
	}
}

func TestLoad_JobOfScrapeDocumentIsSetAside(t *testing.T) {
	d := docs(PrometheusDocument, "scrape_configs: [{job_name: a}]",
		ScrapePrefix+"1", "scrape_configs:\n- job_name: b\n- job_name: a\n- job_name: c\n  x: 1\n",
		ScrapePrefix+"2", "scrape_configs:\n- job_name: d\n- job_name: b\n")
	e := mustLoad(t, d, LoadOptions{})
	require.Equal(t, []string{"a", "b", "d"}, jobNames(e))
	require.Equal(t, []SetAside{
		{ScrapePrefix + "1", "scrape_configs/a", 3, `found multiple scrape configs with job name "a", first found in document "prometheus"`},
		{ScrapePrefix + "1", "scrape_configs/c", 5, "field x not found in type config.ScrapeConfig"},
		{ScrapePrefix + "2", "scrape_configs/b", 3, `found multiple scrape configs with job name "b", first found in document "scrape/1"`},
	}, e.SetAside)
}

func TestLoad_JobThatCannotBeBuiltIsSetAside(t *testing.T) {
	check := func(job *promconfig.ScrapeConfig) error {
		require.Truef(t, job.HTTPClientConfig.TLSConfig.CAFile == "" || filepath.IsAbs(job.HTTPClientConfig.TLSConfig.CAFile), "%s", job.JobName)
		if job.HTTPClientConfig.TLSConfig.CAFile == "/etc/prometheus/missing" {
			return errors.New("unable to load specified CA cert\nbearer hunter2 does not help")
		}
		return nil
	}
	text := `scrape_configs:
- job_name: a
- job_name: b
  bearer_token: hunter2
  tls_config: {ca_file: missing}
`
	e := mustLoad(t, docs(PrometheusDocument, text), LoadOptions{CheckJob: check})
	require.Equal(t, []string{"a"}, jobNames(e))
	require.Equal(t, []SetAside{{
		PrometheusDocument, "scrape_configs/b", 3,
		"unable to load specified CA cert; bearer <secret> does not help",
	}}, e.SetAside)

	prev := accepted(t, docs(PrometheusDocument, "scrape_configs: [{job_name: b, metrics_path: /old}]"), LoadOptions{})
	e = mustLoad(t, docs(PrometheusDocument, text), LoadOptions{CheckJob: check, Previous: prev})
	require.Equal(t, []string{"a", "b"}, jobNames(e))
}

const integrations = `
global:
  smtp_from: a@example.org
route:
  receiver: team
  routes: [{receiver: other}]
receivers:
  - name: team
    webhook_configs:
      - url: http://a
      - url: "http://b:hunter2@host:port"
      - url: http://c
      - {url: http://d, x: 1}
    email_configs:
      - to: b@example.org
  - name: other
    opsgenie_configs:
      - api_key: k
      -
    slack_configs:
      - update_message: true
  - name: unused
    pagerduty_configs: [{routing_key: [hunter2]}]
`

func TestLoad_BadIntegrationIsSetAside(t *testing.T) {
	e := mustLoad(t, docs(AlertmanagerDocument, integrations), LoadOptions{})

	require.Equal(t, []SetAside{
		{AlertmanagerDocument, "receivers/team/webhook_configs[1]", 11, "invalid URL: parse <secret>: invalid port <secret> after host"},
		{AlertmanagerDocument, "receivers/team/webhook_configs[3]", 13, "field x not found in type webhook.plain"},
		{AlertmanagerDocument, "receivers/team/email_configs[0]", 15, "no global SMTP smarthost set"},
		{AlertmanagerDocument, "receivers/other/opsgenie_configs[1]", 19, `no global OpsGenie API Key set either inline or in a file`},
		{AlertmanagerDocument, "receivers/other/slack_configs[0]", 21, "the combination of settings is not handled by the engine, which panicked"},
		{AlertmanagerDocument, "receivers/unused/pagerduty_configs[0]", 23, "cannot unmarshal !!seq into config.plain"},
	}, e.SetAside)
	team := e.Alertmanager.Receivers[0]
	require.Equal(t, "team", team.Name)
	require.Len(t, team.WebhookConfigs, 2)
	require.Empty(t, team.EmailConfigs)
	require.Equal(t, "http://c", string(team.WebhookConfigs[1].URL))
	require.Contains(t, e.Lost, Integration{"team", "webhook", 1, e.SetAside[0].Reason})
	require.Len(t, e.Lost, 6)

	require.Equal(t, 0, e.TextIndex("team", "webhook", 0))
	require.Equal(t, 2, e.TextIndex("team", "webhook", 1))
	require.Equal(t, 0, e.TextIndex("other", "opsgenie", 0))
	require.Equal(t, 5, e.TextIndex("nobody", "webhook", 5))
}

func TestLoad_BadIntegrationRunsAsAccepted(t *testing.T) {
	prev := accepted(t, docs(AlertmanagerDocument, `
route: {receiver: team}
receivers:
  - name: team
    webhook_configs:
      - url: http://a/old
      - url: http://b/old
`), LoadOptions{})
	e := mustLoad(t, docs(AlertmanagerDocument, integrations), LoadOptions{Previous: prev})

	webhooks := e.Alertmanager.Receivers[0].WebhookConfigs
	require.Len(t, webhooks, 3)
	require.Equal(t, "http://a", string(webhooks[0].URL))
	require.Equal(t, "http://b/old", string(webhooks[1].URL))
	require.Len(t, e.Lost, 5)
	require.Len(t, e.SetAside, 6)
	require.Contains(t, e.Standing["receivers/team/webhook_configs[1]"], "http://b/old")

	prev = &Accepted{Documents: e.Documents, Standing: e.Standing}
	e = mustLoad(t, docs(AlertmanagerDocument, integrations), LoadOptions{Previous: prev})
	require.Equal(t, "http://b/old", string(e.Alertmanager.Receivers[0].WebhookConfigs[1].URL))
}

func TestLoad_IntegrationThatCannotBeBuiltIsSetAside(t *testing.T) {
	text := `
route: {receiver: a}
receivers:
  - name: a
    webhook_configs: [{url: "http://a"}, {url: "http://broken"}]
    slack_configs: [{api_url: "http://s"}]
  - name: unused
    webhook_configs: [{url: "http://broken"}]
`
	var asked []string
	check := func(r amconfig.Receiver, templates []Template) error {
		require.Equal(t, []Template{{Name: "x", Content: "{{ define `x` }}{{ end }}"}}, templates)
		require.Equal(t, 1, len(r.WebhookConfigs)+len(r.SlackConfigs))
		for _, w := range r.WebhookConfigs {
			asked = append(asked, r.Name+" "+string(w.URL))
			if w.URL == "http://broken" {
				return errors.New("no")
			}
		}
		return nil
	}
	d := docs(AlertmanagerDocument, text, TemplatesPrefix+"x", "{{ define `x` }}{{ end }}")
	e := mustLoad(t, d, LoadOptions{CheckIntegration: check})
	require.Equal(t, []SetAside{{AlertmanagerDocument, "receivers/a/webhook_configs[1]", 5, "no"}}, e.SetAside)
	require.Len(t, e.Alertmanager.Receivers[0].WebhookConfigs, 1)
	require.NotContains(t, asked, "unused http://broken", "upstream does not build it either")
}

func TestLoad_PanicOfAHookSetsAside(t *testing.T) {
	e := mustLoad(t, docs(PrometheusDocument, "scrape_configs: [{job_name: a}]"), LoadOptions{
		CheckJob: func(*promconfig.ScrapeConfig) error { panic("no") },
	})
	require.Empty(t, jobNames(e))
	require.Len(t, e.SetAside, 1)
}

const ruleText = `groups:
  - name: good
    rules: [{record: a, expr: b}]
  - name: expr
    rules:
      - record: a
        expr: b
      - record: c
        expr: 'sum('
  - name: template
    rules:
      - alert: A
        expr: up
        annotations: {x: '{{ $labels.'}
  - name: key
    rulez: []
  - name: good
    rules: []
  - rules: []
  - name: last
    interval: 5m
    rules: []
  - name: twice
    limit: 1
    limit: 1
`

func TestLoad_BadRuleGroupIsSetAside(t *testing.T) {
	file := docs(RulesPrefix+"r.yml", ruleText)
	doc := file[RulesPrefix+"r.yml"]
	doc.Provenance = Provenance{Source: SourceFile, Path: "/etc/r.yml"}
	file[RulesPrefix+"r.yml"] = doc
	file[RulesPrefix+"pushed"] = Document{Name: RulesPrefix + "pushed", Content: "groups: [{name: good, rules: []}]"}

	e := mustLoad(t, file, LoadOptions{})
	require.Equal(t, RulesPrefix+"pushed", e.RuleFiles[0].ID)
	require.Equal(t, "/etc/r.yml", e.RuleFiles[1].ID)
	require.Equal(t, []string{"good", "last"}, groupNames(e.RuleFiles[1]))
	require.Len(t, e.SetAside, 6)
	require.Equal(t, []string{"groups/expr", "groups/template", "groups/key", "groups/good", "groups[5]", "groups/twice"}, names(e.SetAside))
	require.Equal(t, []int{9, 10, 16, 17, 19, 25}, lines(e.SetAside))
	require.Equal(t, `group "expr", rule 2, "c": could not parse expression: 1:5: parse error: unclosed left parenthesis`, e.SetAside[0].Reason)
	require.Contains(t, e.SetAside[1].Reason, `annotation "x": `)
	require.Equal(t, "field rulez not found in type rulefmt.RuleGroup", e.SetAside[2].Reason)
	require.Equal(t, `groupname: "good" is repeated in the same file`, e.SetAside[3].Reason)
	require.Equal(t, `mapping key "limit" already defined at line 24`, e.SetAside[5].Reason)

	t.Run("for its accepted version", func(t *testing.T) {
		prev := accepted(t, docs(RulesPrefix+"r.yml", "groups: [{name: expr, limit: 7, rules: []}]"), LoadOptions{})
		e := mustLoad(t, file, LoadOptions{Previous: prev})
		require.Equal(t, []string{"good", "expr", "last"}, groupNames(e.RuleFiles[1]))
		require.Equal(t, 7, e.RuleFiles[1].Groups[1].Limit)
		require.Contains(t, e.Standing[RulesPrefix+"r.yml/expr"], "limit: 7")
	})
}

func TestLoad_RuleGroupsAreTheSameAloneAndInTheWhole(t *testing.T) {
	const good = "groups:\n- {name: a, limit: , query_offset: ~, labels: , rules: [{alert: A, expr: b, labels: , annotations: {x: , y: ''}}]}\n"
	whole := mustLoad(t, docs(RulesPrefix+"a", good), LoadOptions{})
	split := mustLoad(t, docs(RulesPrefix+"a", good+"- {name: b, limit: x}\n"), LoadOptions{})
	require.Equal(t, []SetAside{{RulesPrefix + "a", "groups/b", 3, "cannot unmarshal !!str `<secret>` into int"}}, split.SetAside)
	require.Equal(t, whole.RuleFiles, split.RuleFiles)
}

func TestLoad_RulesThatDidNotChangeAreNotParsedAgain(t *testing.T) {
	const good, bad = "groups: [{name: a, rules: [{record: a, expr: b}]}]", "groups: [{name: a, rules: [{}]}]"
	running := mustLoad(t, docs(RulesPrefix+"1", good, RulesPrefix+"2", bad, RulesPrefix+"3", good), LoadOptions{})
	e := mustLoad(t, docs(RulesPrefix+"2", bad, RulesPrefix+"3", good, RulesPrefix+"4", good), LoadOptions{Running: running})

	require.Equal(t, running.RuleFiles[1:], e.RuleFiles[:2])
	require.Equal(t, running.SetAside, e.SetAside)
	require.Same(t, &running.RuleFiles[2].Groups[0], &e.RuleFiles[1].Groups[0])
	require.NotSame(t, &running.RuleFiles[2].Groups[0], &e.RuleFiles[2].Groups[0])

	e = mustLoad(t, docs(PrometheusDocument, "global: {metric_name_validation_scheme: legacy}", RulesPrefix+"3", good), LoadOptions{Running: running})
	require.NotSame(t, &running.RuleFiles[2].Groups[0], &e.RuleFiles[0].Groups[0], "names are judged by another scheme")
}

func groupNames(f RuleFile) []string {
	var names []string
	for _, group := range f.Groups {
		names = append(names, group.Name)
	}
	return names
}

func names(aside []SetAside) []string {
	var all []string
	for _, a := range aside {
		all = append(all, a.Name)
	}
	return all
}

func lines(aside []SetAside) []int {
	var all []int
	for _, a := range aside {
		all = append(all, a.Line)
	}
	return all
}

func TestLoad_MissingSecretFilesAreWarnedOf(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "there"), nil, 0o600))
	e := mustLoad(t, docs(PrometheusDocument, `
global: {query_log_file: not-yet-written}
scrape_configs:
  - job_name: a
    basic_auth: {username: u, password_file: there}
  - job_name: b
    http_headers: {X-B: {files: [headers], values: [x]}, X-A: {files: [other]}}
`, AlertmanagerDocument, `
global: {smtp_smarthost: "h:1", smtp_from: a, smtp_auth_password_file: /nowhere/smtp}
route: {receiver: a}
receivers: [{name: a, email_configs: [{to: a}, {to: b}], slack_configs: [{api_url_file: /nowhere/slack}]}]
`), LoadOptions{ConfigDir: dir, AlertmanagerDir: dir})
	require.Equal(t, []string{
		"prometheus: http_headers: stat " + dir + "/other: no such file or directory; what needs it fails until it can be read",
		"prometheus: http_headers: stat " + dir + "/headers: no such file or directory; what needs it fails until it can be read",
		"alertmanager: smtp_auth_password_file: stat /nowhere/smtp: no such file or directory; what needs it fails until it can be read",
		"alertmanager: api_url_file: stat /nowhere/slack: no such file or directory; what needs it fails until it can be read",
	}, e.Warnings)
	require.Empty(t, e.SetAside)
}

func TestLoad_WhatRunsIsNotCheckedAgain(t *testing.T) {
	const prometheus = "scrape_configs: [{job_name: a, tls_config: {ca_file: x}}, {job_name: b}]"
	const alertmanager = `
route: {receiver: r}
receivers:
- name: r
  webhook_configs: [{url: "http://a", http_config: {tls_config: {ca_file: x}}}, {url: "http://b"}]
`
	d := docs(PrometheusDocument, prometheus, AlertmanagerDocument, alertmanager)
	running := mustLoad(t, d, LoadOptions{})
	var asked []string
	gone := LoadOptions{
		Running:  running,
		Previous: &Accepted{Documents: running.Documents, Standing: running.Standing},
		CheckJob: func(job *promconfig.ScrapeConfig) error {
			asked = append(asked, job.JobName)
			return errors.New("the file is gone")
		},
		CheckIntegration: func(r amconfig.Receiver, _ []Template) error {
			asked = append(asked, string(r.WebhookConfigs[0].URL))
			return errors.New("the file is gone")
		},
	}
	e := mustLoad(t, d, gone)
	require.Empty(t, asked)
	require.Empty(t, e.SetAside)

	changed := docs(PrometheusDocument, strings.ReplaceAll(prometheus, "job_name: b", "job_name: b, metrics_path: /b"),
		AlertmanagerDocument, strings.ReplaceAll(alertmanager, "http://b", "http://c"))
	e = mustLoad(t, changed, gone)
	require.Equal(t, []string{"a", "b"}, jobNames(e))
	require.Equal(t, []string{"scrape_configs/b", "receivers/r/webhook_configs[1]"}, names(e.SetAside))
	require.NotContains(t, asked, "a")
	require.NotContains(t, asked, "http://a")
	require.Equal(t, "/metrics", e.Prometheus.ScrapeConfigs[1].MetricsPath, "as accepted, and that runs already")
	require.Equal(t, "http://b", string(e.Alertmanager.Receivers[0].WebhookConfigs[1].URL))

	gone.Running = e
	require.Equal(t, e.SetAside, mustLoad(t, changed, gone).SetAside)
}

func TestLoad_ErrorsHideSecrets(t *testing.T) {
	for name, d := range map[string]Documents{
		"type error":    docs(PrometheusDocument, "remote_write: [{url: 'http://a', basic_auth: hunter2hunter2}]"),
		"short type":    docs(PrometheusDocument, "scrape_configs: [{job_name: a, basic_auth: hunter2}]"),
		"line break":    docs(PrometheusDocument, "scrape_configs: [{job_name: a, basic_auth: \"a\\nhunter2\"}]"),
		"url":           docs(AlertmanagerDocument, "global: {slack_api_url: 'http://hunter2 x/'}\nroute: {receiver: a}\nreceivers: [{name: a}]"),
		"scheme":        docs(AlertmanagerDocument, "global: {slack_api_url: 'hunter2:x'}\nroute: {receiver: a}\nreceivers: [{name: a}]"),
		"url password":  docs(PrometheusDocument, "remote_write: [{url: 'http://u:hunter2/x@host'}]"),
		"template":      docs(AlertmanagerDocument, "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: 'http://a/{{ hunter2 }}'}]}]"),
		"duplicate key": docs(PrometheusDocument, "scrape_configs: [{job_name: a, bearer_token: hunter2, bearer_token: hunter2}]"),
		"invalid value": docs(PrometheusDocument, "scrape_configs: [{job_name: a, scheme: hunter2, proxy_url: 'http://x:hunter2@[', bearer_token: hunter2}]"),
	} {
		t.Run(name, func(t *testing.T) {
			e, err := Load(d, LoadOptions{})
			if err != nil {
				require.NotContains(t, err.Error(), "hunter2")
				return
			}
			require.NotEmpty(t, e.SetAside)
			for _, aside := range e.SetAside {
				require.NotContains(t, aside.Reason, "hunter2")
				require.NotContains(t, aside.Reason, "\n")
			}
		})
	}
}

func TestFaults_ErrorIsOneLine(t *testing.T) {
	err := Faults{{Document: "a", Line: 3, Reason: "x"}, {Document: "b", Reason: "y"}}
	require.EqualError(t, err, "a:3: x; b: y")
}
