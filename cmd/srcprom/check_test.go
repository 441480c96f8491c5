package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

const (
	goodPrometheus   = "global: { scrape_interval: 10s }\nscrape_configs:\n  - job_name: node\n    static_configs: [ { targets: [ \"127.0.0.1:9100\" ] } ]\n"
	goodAlertmanager = "route: { receiver: team }\nreceivers:\n  - name: team\n    webhook_configs: [ { url: \"http://127.0.0.1:1/\" } ]\n"
	goodRules        = "groups:\n  - name: disk\n    rules: [ { alert: DiskFull, expr: disk_free < 1 } ]\n"
)

func TestCheck_SaysFileLineAndReason(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		args  []string // DIR is the directory of the files
		want  string   // likewise
		code  int
	}{
		"all kinds": {
			files: map[string]string{"p.yml": goodPrometheus, "a.yml": goodAlertmanager, "r.yml": goodRules},
			args:  []string{"DIR/p.yml", "DIR/a.yml", "DIR/r.yml"},
			want:  "DIR/p.yml: OK\nDIR/a.yml: OK\nDIR/r.yml: OK\n",
		},
		"what globs name": {
			files: map[string]string{"p.yml": "rule_files: [ 'rules/*.yml' ]\n", "rules/a.yml": goodRules, "rules/b.yml": "groups:\n  - name: x\n    rules:\n      - { record: r, expr: 'sum(' }\n"},
			args:  []string{"DIR/p.yml"},
			want:  "DIR/rules/b.yml:4: groups/x: ",
			code:  1,
		},
		"evaluation of a group": {
			files: map[string]string{"r.yml": "groups:\n  - name: disk\n    evaluation: clock\n    rules: []\n"},
			args:  []string{"DIR/r.yml"},
			want:  "DIR/r.yml: OK\n",
		},
		"evaluation of a group that is none": {
			files: map[string]string{"p.yml": "rule_files: [ r.yml ]\n", "r.yml": "groups:\n  - name: cpu\n    rules: []\n  - name: disk\n    rules: []\n    evaluation: sometimes\n"},
			args:  []string{"DIR/p.yml"},
			want:  "DIR/r.yml:6: groups/disk: group \"disk\": evaluation is \"sometimes\": it must be \"after-scrape\" or \"clock\"\nDIR/p.yml: OK\n",
			code:  1,
		},
		"files of flags": {
			files: map[string]string{"p.yml": goodPrometheus, "a.yml": goodAlertmanager},
			args:  []string{"--config.file=DIR/p.yml", "--alertmanager.config.file=DIR/a.yml"},
			want:  "DIR/a.yml: OK\nDIR/p.yml: OK\n",
		},
		"no file at all": {
			want: "no configuration file is here: the embedded configuration would run\n",
		},
		"file that is not there": {
			args: []string{"DIR/missing.yml"},
			want: "DIR/missing.yml: no such file or directory\n",
			code: 1,
		},
		"file of a flag that is not there": {
			args: []string{"--config.file=DIR/missing.yml"},
			want: "DIR/missing.yml: read \"DIR/missing.yml\": no such file\n",
			code: 1,
		},
		"unknown key": {
			files: map[string]string{"p.yml": "global:\n  scrape_intervall: 1s\n"},
			args:  []string{"DIR/p.yml"},
			want:  "DIR/p.yml:2: field scrape_intervall not found in type config.plain\n",
			code:  1,
		},
		"not YAML": {
			files: map[string]string{"p.yml": "global:\n\tscrape_interval: 1s\n"},
			args:  []string{"DIR/p.yml"},
			want:  "DIR/p.yml:2: found character that cannot start any token\n",
			code:  1,
		},
		"route without receiver": {
			files: map[string]string{"a.yml": "route: { receiver: nobody }\n"},
			args:  []string{"DIR/a.yml"},
			want:  "undefined receiver \"nobody\" used in route",
			code:  1,
		},
		"secret file that is not there": {
			files: map[string]string{"a.yml": strings.Replace(goodAlertmanager, `url: "http://127.0.0.1:1/"`, `url_file: missing`, 1)},
			args:  []string{"DIR/a.yml"},
			want:  "missing",
		},
		"clients that cannot be built": { // warnings about the same files follow
			files: map[string]string{"p.yml": `alerting: { alertmanagers: [ { tls_config: { ca_file: am.pem } } ] }
remote_write: [ { url: "http://127.0.0.1:1/", tls_config: { ca_file: write.pem } } ]
remote_read: [ { url: "http://127.0.0.1:1/", tls_config: { ca_file: read.pem } } ]
tracing: { endpoint: "127.0.0.1:1", tls_config: { ca_file: tracing.pem } }
`},
			args: []string{"DIR/p.yml"},
			want: "DIR/p.yml: alerting.alertmanagers[0]: unable to read CA cert: unable to read file DIR/am.pem: open DIR/am.pem: no such file or directory\n" +
				"DIR/p.yml: remote_write[0]: unable to read CA cert: unable to read file DIR/write.pem: open DIR/write.pem: no such file or directory\n" +
				"DIR/p.yml: remote_read[0]: unable to read CA cert: unable to read file DIR/read.pem: open DIR/read.pem: no such file or directory\n" +
				"DIR/p.yml: tracing: unable to read CA cert: unable to read file DIR/tracing.pem: open DIR/tracing.pem: no such file or directory",
			code: 1,
		},
		"site configuration": {
			files: map[string]string{"site.json": `// {
{ "observability.alerts": [ {"level": "critical", "notifier": {"type": "webhook", "url": "http://127.0.0.1:1/"}}, ], "auth.providers": [] }
`},
			args: []string{"DIR/site.json"},
			want: "DIR/site.json: OK\n",
		},
		"site configuration with a bad entry": {
			files: map[string]string{"site": `{"Observability.Alerts": [ {"level": "critical", "notifier": {"type": "slack", "username": "canary"}} ]}`},
			args:  []string{"DIR/site"},
			want:  "DIR/site: `observability.alerts`: ",
			code:  1,
		},
		"site configuration that is none": {
			files: map[string]string{"site.jsonc": "{\n  \"externalURL\": \"https://user:canary@host\"\n  \"email.address\": 1\n}\n"},
			args:  []string{"DIR/site.jsonc"},
			want:  "DIR/site.jsonc",
			code:  1,
		},
		"site configuration of a flag": {
			files: map[string]string{"site": "{}", "p.yml": goodPrometheus},
			args:  []string{"--config.file=DIR/p.yml", "--siteconfig.file=DIR/site"},
			want:  "DIR/p.yml: OK\nDIR/site: OK\n",
		},
		"site configuration that is not there": {
			args: []string{"--siteconfig.file=DIR/missing"},
			want: "no configuration file is here: the embedded configuration would run\nDIR/missing: no such file or directory\n",
			code: 1,
		},
		"the same file twice": {
			files: map[string]string{"r.yml": goodRules},
			args:  []string{"DIR/r.yml", "DIR/r.yml"},
			want:  "DIR/r.yml: OK\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
			}
			args := []string{commandCheck}
			for _, arg := range c.args {
				args = append(args, strings.ReplaceAll(arg, "DIR", dir))
			}
			var out bytes.Buffer
			code := check(parsed(t, nil, args...), &out)
			require.Equal(t, c.code, code, out.String())
			require.NotContains(t, out.String(), "canary")
			want := strings.ReplaceAll(c.want, "DIR", dir)
			if strings.HasSuffix(want, "\n") {
				require.Equal(t, want, out.String())
			} else {
				require.Contains(t, out.String(), want)
			}
		})
	}
}

func TestKindOf_ContentFirstThenName(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"x.yml", goodRules, config.RulesPrefix},
		{"prometheus.yml", goodAlertmanager, config.AlertmanagerDocument},
		{"alertmanager.yml", goodPrometheus, config.PrometheusDocument},
		{"alertmanager.yml", "global: {}\n", config.AlertmanagerDocument},
		{"my_rules.yml", "", config.RulesPrefix},
		{"prometheus.yml", "", config.PrometheusDocument},
		{"x.yml", "{{{", config.PrometheusDocument},
		{"x.yml", "- a\n", config.PrometheusDocument},
	} {
		require.Equal(t, c.want, kindOf(c.name, c.text), "%s: %s", c.name, c.text)
	}
}
