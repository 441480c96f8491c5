package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// inLean are the service discoveries that the lean build has.
var inLean = []string{"dns", "file", "http", "kubernetes", "static"}

func TestOtherDiscoveries_AreThoseOfPrometheusThatLeanHasNot(t *testing.T) {
	sources, err := filepath.Glob(filepath.Join(moduleDir(t, prometheusModule), "discovery", "*", "*.go"))
	require.NoError(t, err)
	var names []string
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		text, err := os.ReadFile(source)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`SDConfig\) Name\(\) string\s*\{\s*return "(\w+)"`).FindAllSubmatch(text, -1) {
			if name := string(match[1]); !slices.Contains(inLean, name) {
				names = append(names, name)
			}
		}
	}
	require.ElementsMatch(t, names, strings.Fields(otherDiscoveries))
}

func TestExplain_NamesTheBuildThatHasADiscovery(t *testing.T) {
	said := "field azure_sd_configs not found in type config.ScrapeConfig"
	want := said
	if buildName == "srcprom-lean" {
		want = "azure_sd_configs is not in srcprom-lean; use the full srcprom build"
	}
	require.Equal(t, "line 3: "+want, explain("line 3: "+said))
	for _, other := range []string{"field nonsense_sd_configs not found in type config.ScrapeConfig", "azure"} {
		require.Equal(t, other, explain(other))
	}
}

func TestCheck_DiscoveryOfTheFullBuild(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte("scrape_configs:\n  - job_name: disk\n    azure_sd_configs:\n      - subscription_id: x\n"), 0o644))
	var out bytes.Buffer
	code := check(parsed(t, nil, commandCheck, file), &out)
	if buildName == "srcprom" {
		require.Contains(t, out.String(), "azure") // what azure itself wants
		return
	}
	require.Equal(t, 1, code)
	require.Regexp(t, `^`+regexp.QuoteMeta(file)+`:\d+: scrape_configs/disk: azure_sd_configs is not in srcprom-lean; use the full srcprom build\n$`, out.String())
}
