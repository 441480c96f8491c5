package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	amconfig "github.com/prometheus/alertmanager/config"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/stretchr/testify/require"
)

// seeds adds the files of a directory in testdata.
func seeds(f *testing.F, dir string) {
	f.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*"))
	require.NoError(f, err)
	require.NotEmpty(f, paths)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(string(content))
	}
}

// checkLoad loads a text as a document, alone and over an accepted one.
func checkLoad(t *testing.T, name, text, before string) {
	if checkText(text) != nil {
		t.Skip("no document")
	}
	prev, err := Load(docs(name, before), LoadOptions{ConfigDir: "/c", AlertmanagerDir: "/a"})
	require.NoError(t, err)
	for _, previous := range []*Accepted{nil, {Documents: prev.Documents, Standing: prev.Standing}} {
		e, err := Load(docs(name, text), LoadOptions{ConfigDir: "/c", AlertmanagerDir: "/a", Previous: previous})
		if err != nil {
			var faults Faults
			require.ErrorAs(t, err, &faults)
			require.NotEmpty(t, faults)
			require.NotContains(t, err.Error(), "\n")
			continue
		}
		_, err = e.Prometheus.GetScrapeConfigs()
		require.NoError(t, err)
		for _, aside := range e.SetAside {
			require.NotEmpty(t, aside.Reason)
			require.NotEmpty(t, aside.Name)
		}
		for _, receiver := range e.Alertmanager.Receivers {
			for _, alone := range eachAlone(receiver) {
				require.False(t, e.lost(alone.receiver, alone.kind)[e.TextIndex(alone.receiver, alone.kind, alone.index)])
			}
		}
	}
}

func FuzzLoadPrometheus(f *testing.F) {
	seeds(f, "prometheus")
	f.Fuzz(func(t *testing.T, text string) {
		checkLoad(t, PrometheusDocument, text, "scrape_configs: [{job_name: a}, {job_name: b}]")
	})
}

func FuzzLoadAlertmanager(f *testing.F) {
	seeds(f, "alertmanager")
	f.Fuzz(func(t *testing.T, text string) {
		checkLoad(t, AlertmanagerDocument, text, "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: 'http://a'}]}]")
	})
}

func FuzzLoadRules(f *testing.F) {
	seeds(f, "rules")
	f.Fuzz(func(t *testing.T, text string) {
		checkLoad(t, RulesPrefix+"a", text, "groups: [{name: a, rules: [{record: a, expr: b}]}]")
	})
}

// FuzzRedact takes what the engines themselves find secret in a text for the
// truth: none of it may be left.
func FuzzRedact(f *testing.F) {
	seeds(f, "prometheus")
	seeds(f, "alertmanager")
	f.Fuzz(func(t *testing.T, text string) {
		if checkText(text) != nil {
			t.Skip("no document")
		}
		for _, name := range []string{PrometheusDocument, AlertmanagerDocument} {
			redacted := Redact(Document{Name: name, Content: text})
			for secret := range engineSecrets(name, text) {
				if len(secret) < 8 || strings.Count(text, secret) != 1 || strings.Contains(mark, secret) {
					continue // may also stand where it is no secret
				}
				require.NotContains(t, redacted, secret)
			}
			require.Equal(t, redacted, Redact(Document{Name: name, Content: redacted}), "a second time")
		}
	})
}

func engineSecrets(name, text string) map[string]bool {
	secrets := map[string]bool{}
	err := guard(func() error {
		if name == PrometheusDocument {
			cfg, err := promconfig.Load(text, slog.New(slog.DiscardHandler))
			if err == nil {
				fieldSecrets(reflect.ValueOf(cfg), secrets)
			}
			return err
		}
		cfg, err := amconfig.Load(text)
		if err == nil {
			fieldSecrets(reflect.ValueOf(cfg), secrets)
		}
		return err
	})
	if err != nil {
		return nil
	}
	return secrets
}
