package main

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// kindOf tells the three kinds of files apart by the keys at their top, and by the
// name of the file where those do not tell. A file that cannot be read as YAML is
// of some kind, too: that one's parser says what is wrong.
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
	case strings.Contains(name, "alertmanager"):
		return config.AlertmanagerDocument
	case strings.Contains(name, "rules"):
		return config.RulesPrefix
	}
	return config.PrometheusDocument
}
