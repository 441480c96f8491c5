package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	amconfig "github.com/prometheus/alertmanager/config"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	_ "github.com/prometheus/prometheus/discovery/consul"
	_ "github.com/prometheus/prometheus/discovery/marathon"
	_ "github.com/prometheus/prometheus/discovery/uyuni"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// canary stands for a secret.
const canary = "c4n4ry-hunter2"

// secretFields calls found with a document for each field of a secret type that
// can be reached from t: nested maps and lists with the canary in that field.
func secretFields(t reflect.Type, on []reflect.Type, wrap func(any) any, found func(doc any)) {
	if slices.Contains(on, t) {
		return // a route in a route
	}
	on = append(slices.Clip(on), t)
	switch {
	case strings.HasPrefix(t.Name(), "Secret"):
		found(wrap(canary))
	case t == reflect.TypeFor[discovery.Configs]():
		inline, err := discovery.Configs{}.MarshalYAML()
		if err != nil {
			panic(err)
		}
		secretFields(reflect.TypeOf(inline), on, wrap, found)
	case t.Kind() == reflect.Pointer:
		secretFields(t.Elem(), on, wrap, found)
	case t.Kind() == reflect.Slice:
		secretFields(t.Elem(), on, func(v any) any { return wrap([]any{v}) }, found)
	case t.Kind() == reflect.Map:
		secretFields(t.Elem(), on, func(v any) any { return wrap(map[string]any{"k": v}) }, found)
	case t.Kind() == reflect.Struct:
		for f := range t.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			switch {
			case options == "inline" || f.Type == reflect.TypeFor[discovery.Configs]():
				secretFields(f.Type, on, wrap, found)
			case f.IsExported() && name != "-" && name != "":
				secretFields(f.Type, on, func(v any) any { return wrap(map[string]any{name: v}) }, found)
			}
		}
	}
}

func TestRedact_HidesEveryFieldOfASecretType(t *testing.T) {
	for name, root := range map[string]reflect.Type{
		PrometheusDocument:   reflect.TypeFor[promconfig.Config](),
		AlertmanagerDocument: reflect.TypeFor[amconfig.Config](),
		ScrapePrefix + "a":   reflect.TypeFor[promconfig.ScrapeConfigs](),
	} {
		count := 0
		secretFields(root, nil, func(v any) any { return v }, func(tree any) {
			count++
			text, err := yaml.Marshal(tree)
			require.NoError(t, err)
			doc := Document{Name: name, Content: string(text)}
			redacted := Redact(doc)
			require.Equal(t, strings.ReplaceAll(doc.Content, canary, mark), redacted)
			require.Len(t, RedactionMarks(Document{Name: name, Content: redacted}), 1, redacted)
			require.Empty(t, RedactionMarks(doc))

			broken := doc
			broken.Content += "\x01: [}"
			require.NotContains(t, Redact(broken), canary, "of a text that does not parse")
		})
		t.Logf("%s: %d fields", name, count)
		require.Greater(t, count, 20, name)
	}
}

func TestRedact_KeepsTheRest(t *testing.T) {
	for name, test := range map[string]struct{ document, in, out string }{
		"plain": {
			PrometheusDocument,
			"# top\nscrape_configs:\n  - job_name: a # name\n    bearer_token:   s3cr3t   # old: other\n    scheme: https\n",
			"# top\nscrape_configs:\n  - job_name: a # name\n    bearer_token:   <secret>\n    scheme: https\n",
		},
		"quoted": {
			PrometheusDocument,
			`scrape_configs: [{job_name: "a", bearer_token: "s3\"c#r3t", scheme: https}, {'bearer_token': 'it''s', job_name: b}]`,
			`scrape_configs: [{job_name: "a", bearer_token: <secret>, scheme: https}, {'bearer_token': <secret>, job_name: b}]`,
		},
		"literal": {
			PrometheusDocument,
			"scrape_configs:\n- tls_config:\n    key: |-\n      BEGIN\n        x\n\n      END\n    # why\n    ca: |\n      CA\n  job_name: a\n",
			"scrape_configs:\n- tls_config:\n    key: <secret>\n    # why\n    ca: |\n      CA\n  job_name: a\n",
		},
		"folded, indented, last": {
			PrometheusDocument,
			"scrape_configs:\n- job_name: a\n  bearer_token: >2 # x\n      one\n    two\n",
			"scrape_configs:\n- job_name: a\n  bearer_token: <secret>\n",
		},
		"folded plain": {
			PrometheusDocument,
			"scrape_configs:\n- bearer_token: one\n     two\n\n     three\n  job_name: a\n",
			"scrape_configs:\n- bearer_token: <secret>\n  job_name: a\n",
		},
		"next line": {
			PrometheusDocument,
			"scrape_configs:\n- bearer_token:\n    s3cr3t\n  job_name: a\n",
			"scrape_configs:\n- bearer_token:\n    <secret>\n  job_name: a\n",
		},
		"double quoted over lines": {
			PrometheusDocument,
			"scrape_configs:\n- bearer_token: \"one\n    two \\\n    three\"\n  job_name: a\n",
			"scrape_configs:\n- bearer_token: <secret>\n  job_name: a\n",
		},
		"anchors": {
			PrometheusDocument,
			"scrape_configs:\n- job_name: &n a\n  bearer_token: &t !!str s3cr3t\n- job_name: b\n  bearer_token: *t\n- basic_auth: {username: *n, password: *n}\n",
			"scrape_configs:\n- job_name: &n <secret>\n  bearer_token: &t !!str <secret>\n- job_name: b\n  bearer_token: *t\n- basic_auth: {username: *n, password: *n}\n",
		},
		"merged": {
			PrometheusDocument,
			"x: &x\n  bearer_token: s3cr3t\n  key: no\nscrape_configs:\n- <<: *x\n- <<: [*x, {tls_config: {key: s}}]\n",
			"x: &x\n  bearer_token: <secret>\n  key: <secret>\nscrape_configs:\n- <<: *x\n- <<: [*x, {tls_config: {key: <secret>}}]\n",
		},
		"complex key": {
			PrometheusDocument,
			"scrape_configs:\n- ? bearer_token\n  : s3cr3t\n  job_name: a\n",
			"scrape_configs:\n- ? bearer_token\n  : <secret>\n  job_name: a\n",
		},
		"escaped key": {
			PrometheusDocument,
			`{"scrape_configs": [{"bearer\u005ftoken": "s3cr3t"}]}`,
			`{"scrape_configs": [{"bearer\u005ftoken": <secret>}]}`,
		},
		"nothing there": {
			PrometheusDocument,
			"scrape_configs:\n- bearer_token:\n  basic_auth: {password: '', username: ~}\n- bearer_token: <secret>\n",
			"scrape_configs:\n- bearer_token:\n  basic_auth: {password: '', username: ~}\n- bearer_token: <secret>\n",
		},
		"urls": {
			PrometheusDocument,
			"remote_write:\n- url: https://u:p%40ss@host/path?x=1&api_key=k&y=2\n  proxy_url: \"http://u:p@p\"\n- url: https://u@host/a@b:c\n- url: 'http://u:p/q@host'\n",
			"remote_write:\n- url: https://u:<secret>@host/path?x=1&api_key=<secret>&y=2\n  proxy_url: \"http://u:<secret>@p\"\n- url: https://u@host/a@b:c\n- url: <secret>\n",
		},
		"headers": {
			PrometheusDocument,
			"remote_write:\n- headers: {X-Team: s3cr3t}\n  http_headers:\n    X-Scope: {values: [a]}\n    X-Api-Key: {values: [s3cr3t], files: [f]}\n    X-B: {secrets: [s3cr3t, s3]}\n  proxy_connect_header: {A: [s3cr3t]}\n",
			"remote_write:\n- headers: {X-Team: <secret>}\n  http_headers:\n    X-Scope: {values: [a]}\n    X-Api-Key: {values: [<secret>], files: [f]}\n    X-B: {secrets: [<secret>, <secret>]}\n  proxy_connect_header: {A: [<secret>]}\n",
		},
		"names": {
			PrometheusDocument,
			"global: {external_labels: {key: k, url: u, region: eu}}\nscrape_configs:\n- params: {module: [m], token: [s3cr3t]}\n  basic_auth: {password_file: f, password_ref: r}\n  oauth2: {token_url: 'http://t', client_id: i, endpoint_params: {client_assertion: s3cr3t}, claims: {secret: {x: s3cr3t}}}\n  sd_configs: [{some_password: s3cr3t, host: h, list_of_secrets: [1, 2]}]\n",
			"global: {external_labels: {key: k, url: u, region: eu}}\nscrape_configs:\n- params: {module: [m], token: [<secret>]}\n  basic_auth: {password_file: f, password_ref: r}\n  oauth2: {token_url: 'http://t', client_id: i, endpoint_params: {client_assertion: <secret>}, claims: {secret: {x: <secret>}}}\n  sd_configs: [{some_password: <secret>, host: h, list_of_secrets: [<secret>, <secret>]}]\n",
		},
		"alertmanager": {
			AlertmanagerDocument,
			"receivers:\n- name: a\n  webhook_configs: [{url: 'https://x/s3cr3t', payload: {url: u, key: k, token: s3cr3t}}]\n  email_configs: [{headers: {Subject: s, X-Token: s3cr3t}, auth_password: p}]\n  victorops_configs: [{routing_key: s3cr3t}]\n  new_configs: [{api_url: 'https://x/s3cr3t'}]\n",
			"receivers:\n- name: a\n  webhook_configs: [{url: <secret>, payload: {url: u, key: k, token: <secret>}}]\n  email_configs: [{headers: {Subject: s, X-Token: <secret>}, auth_password: <secret>}]\n  victorops_configs: [{routing_key: <secret>}]\n  new_configs: [{api_url: <secret>}]\n",
		},
		"comments": {
			AlertmanagerDocument,
			"global:\n  # smtp_auth_password: s3cr3t\n  # plain words, and a port: 25\n  smtp_auth_password: hunter2 # rotated\n  smtp_hello: x # not hunter2\n#  tls:\n#    key: |\n#      BEGIN\n#    port: 1\n",
			"global:\n  # smtp_auth_password: <secret>\n  # plain words, and a port: 25\n  smtp_auth_password: <secret>\n  smtp_hello: x # not <secret>\n#  tls:\n#    key: <secret>\n#      <secret>\n#    port: 1\n",
		},
		"second document": {
			PrometheusDocument,
			"global: {}\n---\nscrape_configs: [{bearer_token: s3cr3t}]\n",
			"global: {}\n---\nscrape_configs: [{bearer_token: <secret>}]\n",
		},
		"other line breaks and letters": {
			PrometheusDocument,
			"\ufeffscrape_configs:\r\n- job_name: \"é\u2028ü\"\r\n  bearer_token: s3crét\r\n  scheme: 'é'\r\n- {job_name: 日本, bearer_token: s}\r\n",
			"\ufeffscrape_configs:\r\n- job_name: \"é\u2028ü\"\r\n  bearer_token: <secret>\r\n  scheme: 'é'\r\n- {job_name: 日本, bearer_token: <secret>}\r\n",
		},
		"rules":     {RulesPrefix + "a", "groups: [{name: token, rules: [{labels: {token: x}}]}]", "groups: [{name: token, rules: [{labels: {token: x}}]}]"},
		"templates": {TemplatesPrefix + "a", "password: x", "password: x"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.out, Redact(Document{Name: test.document, Content: test.in}))
		})
	}
}

func TestRedact_TextThatDoesNotParse(t *testing.T) {
	in := `scrape_configs: [
  - job_name: a
    bearer_token: s3cr3t # x
    basic_auth: { "password": "s3cr3t", username: u }
    tls_config:
      key: |
        s3cr3t
         s3cr3t
      ca_file: x
    oauth2:
      client_secret:
      - s3cr3t
      - s3cr3t
      client_id: i
    headers: {x: s3cr3t}
  - url: https://u:p@host/s3cr3t
    password: "s3cr3t
s3cr3t
s3cr3t"
    proxy: http://u:s3cr3t@host
    x: &x s3cr3t
    password: *x
  - ? password
    : s3cr3t
    "pass\u0077ord": s3cr3t
    token:
  s3cr3t
    scheme: http
`
	out := Redact(Document{Name: PrometheusDocument, Content: in})
	require.NotContains(t, out, "s3cr3t")
	for _, kept := range []string{"job_name: a", "ca_file: x", "client_id: i", "scheme: http", "bearer_token: <secret>"} {
		require.Contains(t, out, kept)
	}
}

func TestRedact_TextOfACyclicAlias(t *testing.T) {
	out := Redact(Document{Name: PrometheusDocument, Content: "scrape_configs: &a [{bearer_token: s3cr3t, x: *a}]"})
	require.NotContains(t, out, "s3cr3t")
}

func TestRedactionMarks_NameTheirPlaces(t *testing.T) {
	marks := RedactionMarks(Document{Name: AlertmanagerDocument, Content: `
receivers:
- name: a
  webhook_configs:
  - url: http://a
  - url: <secret>
    http_config: {proxy_url: "http://u:<secret>@h"}
- name: <secret>
`})
	require.Equal(t, []Fault{
		{AlertmanagerDocument, 6, "receivers[0].webhook_configs[1].url holds the redaction mark <secret>; put the secret there"},
		{AlertmanagerDocument, 7, "receivers[0].webhook_configs[1].http_config.proxy_url holds the redaction mark <secret>; put the secret there"},
	}, marks)
	require.Empty(t, RedactionMarks(Document{Name: AlertmanagerDocument, Content: "["}))
}

// fieldSecrets returns the values of all fields of a secret type.
func fieldSecrets(v reflect.Value, into map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			fieldSecrets(v.Elem(), into)
		}
	case reflect.Struct:
		if strings.HasPrefix(v.Type().Name(), "Secret") {
			into[fmt.Sprint(v.Field(0).Interface())] = true
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fieldSecrets(v.Field(i), into)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			fieldSecrets(v.Index(i), into)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			fieldSecrets(v.MapIndex(key), into)
		}
	case reflect.String:
		if strings.HasPrefix(v.Type().Name(), "Secret") {
			into[v.String()] = true
		}
	}
}
