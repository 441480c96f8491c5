package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/stretchr/testify/require"
)

func TestFeatures_AllOfPrometheusAreKnown(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(moduleDir(t, prometheusModule), "cmd/prometheus/main.go"))
	require.NoError(t, err)
	body := regexp.MustCompile(`(?s)func \(c \*flagConfig\) setFeatureListOptions.*?\n}\n`).Find(source)
	names := regexp.MustCompile(`case "([\w-]+)":`).FindAllSubmatch(body, -1)
	require.Greater(t, len(names), 25, "the pattern no longer finds Prometheus's features")
	for _, name := range names {
		require.Empty(t, unknownFeatures(parsed(t, nil, "--enable-feature="+string(name[1])).warnings), "%s", name[1])
	}
}

func unknownFeatures(warnings []string) (unknown []string) {
	for _, warning := range warnings {
		if regexp.MustCompile("there is no such feature").MatchString(warning) {
			unknown = append(unknown, warning)
		}
	}
	return unknown
}

func TestFeatures_OfBothEngines(t *testing.T) {
	s := parsed(t, nil, "--enable-feature=exemplar-storage,classic-mode", "--enable-feature=nonsense, old-ui", "--alertmanager.enable-feature=receiver-name-in-metrics")
	require.True(t, s.server.Storage.ExemplarStorage)
	require.Equal(t, []string{featurecontrol.FeatureClassicMode, featurecontrol.FeatureReceiverNameInMetrics}, s.server.Alerting.Features)
	require.Equal(t, []string{
		"--enable-feature=nonsense is ignored: there is no such feature",
		"--enable-feature=old-ui: Without effect: the pages are srcprom's own.",
	}, s.warnings)
}
