package siteconfig

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// canary is in no word of ours: wherever it is told, it was quoted.
var canary = regexp.MustCompile(`canary[0-9]{4}`)

// FuzzTranslate: no site configuration and no operator's document makes the
// translation panic; the engine takes every translation that is not over a document
// that is wrong itself; nothing is quoted that may be a secret.
func FuzzTranslate(f *testing.F) {
	f.Add(secretsEverywhere, "", false)
	f.Add(notifiers(10), "", false)
	dirs, err := filepath.Glob("testdata/*/site.jsonc")
	require.NoError(f, err)
	require.NotEmpty(f, dirs)
	for _, path := range dirs {
		site, err := os.ReadFile(path)
		require.NoError(f, err)
		operator, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "alertmanager.yml")) // few have one
		f.Add(string(site), string(operator), len(operator)%2 == 0)
	}
	f.Fuzz(func(t *testing.T, site, operator string, rewritten bool) {
		opts := DefaultOptions()
		opts.RewrittenFile = rewritten
		opts.OpsgenieAPIKey = "canary5678"
		over := newOverlay(opts)
		document, err := over.Read(site)
		if err != nil {
			require.NotRegexp(t, canary, err.Error())
			return
		}
		requireRedacted(t, document)
		siteDocument := config.Document{Name: config.SiteConfigDocument, Content: document}
		docs := config.Documents{config.SiteConfigDocument: siteDocument}
		effective, err := config.Load(docs, config.LoadOptions{Overlay: over})
		require.NoError(t, err)
		require.Empty(t, effective.SetAside)
		for _, text := range effective.Problems {
			require.NotRegexp(t, canary, text)
			require.Regexp(t, "^`[a-zA-Z.]+`: ", text)
		}
		entries, _ := wantedSilences(document)
		for _, entry := range entries {
			require.NotEmpty(t, entry)
		}

		docs[config.AlertmanagerDocument] = config.Document{
			Name: config.AlertmanagerDocument, Content: operator, Provenance: config.Provenance{Source: config.SourceFile},
		}
		alone, errAlone := config.Load(config.Documents{config.AlertmanagerDocument: docs[config.AlertmanagerDocument]}, config.LoadOptions{})
		effective, err = config.Load(docs, config.LoadOptions{Overlay: over})
		if rewritten || errAlone != nil {
			return
		}
		require.NoError(t, err, "the operator's document is accepted alone")
		require.LessOrEqual(t, len(effective.SetAside), len(alone.SetAside))
	})
}

// requireRedacted fails unless each value that is marked is hidden where the document
// is shown.
func requireRedacted(t *testing.T, document string) {
	shown := config.Redact(config.Document{Name: config.SiteConfigDocument, Content: document})
	var values any
	require.NoError(t, yaml.Unmarshal([]byte(shown), &values), "%s", shown)
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, v := range value {
				walk(v)
			}
		case map[string]any:
			for name, v := range value {
				if _, wrapper := v.(map[string]any); name != secretKey || wrapper {
					walk(v)
					continue
				}
				if list, isList := v.([]any); isList {
					v = list[0]
				}
				require.Contains(t, []any{"<secret>", ""}, v)
			}
		}
	}
	walk(values)
}

// FuzzTranslateValues puts a text wherever the site configuration may have one, so
// that no syntax fault hides what is behind it. It is not one that the engine's
// templates could misunderstand: Load does not look into those.
func FuzzTranslateValues(f *testing.F) {
	for _, seed := range []string{
		"", "canary1234", "https://u:canary1234@example.com/x?y", "a@example.com", "{{ .x }}", "{{", "<secret>", "#", "null", "~", "- a", "a: b",
		"\x00\x7f\u0085\u2028\ufeff\U0001f600", "a(", "'", `"`, "\n", " ", "[::1]", "1e3", "0x1", "yes", "<<", "Subject", "http://[::1]:80/%2f", "src-critical-receiver",
	} {
		f.Add(seed, int64(25), true)
	}
	f.Fuzz(func(t *testing.T, value string, number int64, flag bool) {
		over := newOverlay(DefaultOptions())
		site, err := json.Marshal(siteOf(value, number, flag))
		require.NoError(t, err)
		document, err := over.Read(string(site))
		require.NoError(t, err)
		requireRedacted(t, document)
		docs := config.Documents{config.SiteConfigDocument: {Name: config.SiteConfigDocument, Content: document}}
		effective, err := config.Load(docs, config.LoadOptions{Overlay: over})
		require.NoError(t, err)
		require.Empty(t, effective.SetAside)
		for _, text := range effective.Problems {
			require.NotRegexp(t, canary, text)
			require.NotContains(t, text, "\n")
		}
	})
}

// siteOf is a site configuration with a value everywhere, alone and among good ones.
func siteOf(value string, number int64, flag bool) map[string]any {
	type m = map[string]any
	const url = "https://example.com/"
	var alerts []any
	add := func(notifier m) {
		alerts = append(alerts, m{"level": "critical", "disableSendResolved": flag, "notifier": notifier})
	}
	for _, nt := range notifierTypes() {
		good, bad := m{"type": nt.name}, m{"type": nt.name}
		for _, f := range nt.fields {
			if f.kind != textKind {
				continue
			}
			good[f.name], bad[f.name] = value, value
			if f.name == "url" || f.name == "apiUrl" {
				good[f.name] = url
			}
			add(m{"type": nt.name, "url": url, "apiKey": "k", "integrationKey": "k", "alertSourceToken": "t", "address": "a@example.com", f.name: value})
		}
		add(good)
		add(bad)
	}
	add(m{"type": "opsgenie", "apiKey": "k", "responders": []any{m{"type": value, "id": value}, m{"type": "team", "name": value}, m{"type": "user", "username": value}, value}})
	add(m{"type": "webhook", "url": url, "username": value, "password": value})
	add(m{"type": "webhook", "url": url, "bearerToken": value})
	add(m{"type": value, value: value})
	alerts = append(alerts,
		m{"level": value, "owners": []any{value}, "notifier": m{"type": "webhook", "url": url}},
		m{"level": "critical", "owners": []any{value, value, "a"}, "notifier": m{"type": "webhook", "url": url}},
		value, nil, number, flag,
	)
	smtp := m{
		"host": "h", "port": number, "authentication": "PLAIN", "username": value, "password": value, "domain": value, "noVerifyTLS": flag, value: value,
		"additionalHeaders": []any{m{"key": value, "value": value, "sensitive": flag}, m{"key": "X-A", "value": value}, m{"key": "X-B", "value": value, "sensitive": value}},
	}
	site := m{
		"observability.alerts": alerts, "observability.silenceAlerts": []any{value, number},
		"email.address": "a@example.com", "email.smtp": smtp, "externalURL": value,
	}
	if flag { // what mail cannot do without
		site["email.address"], smtp["host"], smtp["authentication"] = value, value, "CRAM-MD5"
	}
	return site
}
