package main

import (
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// kindOf tells the four kinds of files apart by the keys at their top, and by the
// name of the file where those do not tell. A file that cannot be read as YAML is
// of some kind, too: that one's parser says what is wrong. A site configuration is
// JSON, with comments that YAML does not know.
func kindOf(name, text string) string {
	var keys map[string]yaml.Node
	_ = yaml.Unmarshal([]byte(text), &keys) // see above
	for _, known := range []struct {
		kind string
		keys []string
	}{
		{config.RulesPrefix, []string{"groups"}},
		{config.AlertmanagerDocument, []string{"route", "receivers", "inhibit_rules", "templates", "time_intervals", "mute_time_intervals"}},
		{config.PrometheusDocument, []string{"scrape_configs", "rule_files", "alerting", "remote_write", "remote_read", "storage", "scrape_config_files", "runtime", "otlp"}},
	} {
		for _, key := range known.keys {
			if _, ok := keys[key]; ok {
				return known.kind
			}
		}
	}
	switch {
	case isSiteConfig(name, text):
		return config.SiteConfigDocument
	case strings.Contains(name, "alertmanager"):
		return config.AlertmanagerDocument
	case strings.Contains(name, "rules"):
		return config.RulesPrefix
	}
	return config.PrometheusDocument
}

// isSiteConfig looks for what is used of a site configuration; case does not matter in
// it.
func isSiteConfig(name, text string) bool {
	text = strings.ToLower(text)
	mentions := slices.ContainsFunc([]string{
		`"observability.alerts"`, `"observability.silencealerts"`, `"email.address"`, `"email.smtp"`, `"externalurl"`,
	}, func(key string) bool { return strings.Contains(text, key) })
	return mentions || slices.Contains([]string{".json", ".jsonc"}, filepath.Ext(name))
}
