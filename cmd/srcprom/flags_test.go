package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcprom"
)

// upstreamFlag is a flag of one of the engines' own programs.
type upstreamFlag struct {
	name      string
	byDefault string // where its source says so literally
}

// upstreamFlags reads the flags of an engine's program out of its source.
func upstreamFlags(t *testing.T, module, main, pattern string) []upstreamFlag {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleDir(t, module), main))
	require.NoError(t, err)
	source := string(text)
	var flags []upstreamFlag
	found := regexp.MustCompile(pattern).FindAllStringSubmatchIndex(source, -1)
	for i, match := range found {
		end := len(source)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		flag := upstreamFlag{name: source[match[2]:match[3]]}
		if m := regexp.MustCompile(`\.?Default\("([^"]+)"\)`).FindStringSubmatch(source[match[1]:end]); m != nil {
			flag.byDefault = m[1]
		}
		flags = append(flags, flag)
	}
	return flags
}

func moduleDir(t *testing.T, module string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(dir))
}

func prometheusFlags(t *testing.T) []upstreamFlag {
	flags := upstreamFlags(t, prometheusModule, "cmd/prometheus/main.go", `(?:\ba\.Flag\(|OnlyFlag\(a,)\s*"([\w.-]+)"`)
	flags = append(flags, upstreamFlag{"log.level", "info"}, upstreamFlag{"log.format", "logfmt"})
	return slices.DeleteFunc(flags, func(f upstreamFlag) bool { return f.name == "write-documentation" })
}

func alertmanagerFlags(t *testing.T) []upstreamFlag {
	flags := upstreamFlags(t, alertmanagerModule, "cmd/alertmanager/main.go", `kingpin\.Flag\("([\w.-]+)"`)
	for _, added := range []string{"log.level", "log.format", "web.listen-address", "web.config.file", "web.systemd-socket"} {
		flags = append(flags, upstreamFlag{name: added})
	}
	for i, flag := range flags {
		if !strings.HasPrefix(flag.name, "cluster.") {
			flags[i].name = "alertmanager." + flag.name
		}
	}
	return flags
}

func TestFlags_AllOfBothEnginesAreKnownUnderTheirDefaults(t *testing.T) {
	prom, am := prometheusFlags(t), alertmanagerFlags(t)
	require.Greater(t, len(prom), 70, "the pattern no longer finds Prometheus's flags")
	require.Greater(t, len(am), 30, "the pattern no longer finds Alertmanager's flags")
	ours := newFlags(defaultSettings())
	values := parsed(t, nil).server.Web.Flags
	for _, flag := range append(prom, am...) {
		clause := ours.app.GetFlag(flag.name)
		require.NotNil(t, clause, "--%s is not known", flag.name)
		model := clause.Model()
		switch {
		case model.Hidden && isIn(ours, flag.name, "Without effect", "Refused"):
		case flag.byDefault == "" || strings.HasSuffix(flag.name, "config.file"):
		case flag.name == "alertmanager.storage.path": // upstream's data; here what is imported, by default nothing
		case model.IsBoolFlag():
			require.Equal(t, flag.byDefault, values[flag.name], "default of --%s", flag.name)
		default:
			given := parsed(t, nil, "--"+flag.name+"="+flag.byDefault).server.Web.Flags
			require.Equal(t, given[flag.name], values[flag.name], "default of --%s", flag.name)
		}
	}
}

func isIn(f *flags, name string, titles ...string) bool {
	return slices.ContainsFunc(f.groups, func(g flagGroup) bool {
		return slices.Contains(titles, g.title) && slices.Contains(g.names, name)
	})
}

func TestFlags_WhatHasNoMeaningHereSaysWhatHas(t *testing.T) {
	s := parsed(t, nil, "--web.console.templates=x", "--alertmanager.web.systemd-socket", "--alertmanager.log.level", "debug", "--no-web.enable-lifecycle")
	require.Equal(t, []string{
		"--web.console.templates is ignored: there are no console templates; dashboards belong in Grafana",
		"--alertmanager.web.systemd-socket is ignored: --web.systemd-socket holds for everything",
		"--alertmanager.log.level is ignored: --log.level holds for everything",
	}, s.warnings)
}

func TestFlags_MistakesAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown flag":               {[]string{"--nonsense"}, "unknown long flag '--nonsense'"},
		"unknown command":            {[]string{"nonsense"}, "unexpected nonsense"},
		"Alertmanager's own name":    {[]string{"--data.retention=1h"}, "unknown long flag '--data.retention': Alertmanager's flags take a prefix here: --alertmanager.data.retention"},
		"agent mode":                 {[]string{"--agent"}, "--agent: there is no agent mode; run Prometheus itself with --agent where samples are only to be forwarded"},
		"agent storage":              {[]string{"--storage.agent.path=x"}, "--storage.agent.path: there is no agent mode; run Prometheus itself with --agent where samples are only to be forwarded"},
		"flag given twice":           {[]string{"--query.timeout=1m", "--query.timeout=2m"}, "flag 'query.timeout' cannot be repeated"},
		"duration":                   {[]string{"--query.timeout=long"}, `not a valid duration: "long" (examples: 500ms, 1m30s, 15d)`},
		"ratio":                      {[]string{"--auto-gomemlimit.ratio=2"}, "--auto-gomemlimit.ratio=2: must be greater than 0 and at most 1"},
		"remote write message":       {[]string{"--web.remote-write-receiver.accepted-protobuf-messages=x"}, `unknown type for remote write protobuf message x, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request`},
		"log level":                  {[]string{"--log.level=loud"}, "enum value must be one of debug,info,warn,error, got 'loud'"},
		"evaluation":                 {[]string{"--rules.evaluation=sometimes"}, "enum value must be one of after-scrape,clock, got 'sometimes'"},
		"built-in monitoring":        {[]string{"--monitoring.builtin=all"}, "enum value must be one of self,none, got 'all'"},
		"value of a flag is missing": {[]string{"--query.timeout"}, "expected argument for flag '--query.timeout'"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(c.args, nothing, noFiles)
			require.EqualError(t, err, c.want)
		})
	}
}

func TestFlags_TwoForOneSetting(t *testing.T) {
	require.Equal(t, "snappy", parsed(t, nil).server.Storage.WALCompression)
	require.Equal(t, "zstd", parsed(t, nil, "--storage.tsdb.wal-compression-type=zstd").server.Storage.WALCompression)
	require.Equal(t, "none", parsed(t, nil, "--storage.tsdb.wal-compression-type=zstd", "--no-storage.tsdb.wal-compression").server.Storage.WALCompression)
	require.False(t, parsed(t, nil).server.Storage.NoOverlappingCompaction)
	require.True(t, parsed(t, nil, "--no-storage.tsdb.allow-overlapping-compaction").server.Storage.NoOverlappingCompaction)
}

func TestFlags_ValuesReachTheOptions(t *testing.T) {
	s := parsed(t, nil, "--storage.tsdb.retention.time=1y", "--storage.tsdb.retention.size=2GB", "--storage.tsdb.wal-segment-size=16MB",
		"--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest", "--alertmanager.data.retention=2w",
		"--web.listen-address=:1", "--web.listen-address=:2",
		"--alerting.history.retention.time=1w", "--alerting.history.retention.size=1MB")
	require.Equal(t, "168h0m0s", s.server.History.MaxAge.String())
	require.EqualValues(t, 1<<20, s.server.History.MaxBytes)
	require.Equal(t, srcprom.DefaultOptions().History, parsed(t, nil).server.History)
	require.Equal(t, "8760h0m0s", s.server.Storage.RetentionTime.String())
	require.EqualValues(t, 2<<30, s.server.Storage.RetentionSize)
	require.Equal(t, 16<<20, s.server.Storage.WALSegmentSize)
	require.Equal(t, []string{"prometheus.WriteRequest"}, s.server.Web.AcceptedRemoteWriteMessages.Strings())
	require.Equal(t, "336h0m0s", s.server.Alerting.Retention.String())
	require.Equal(t, "after-scrape", s.server.Rules.Evaluation)
	require.Equal(t, "clock", parsed(t, nil, "--rules.evaluation=clock").server.Rules.Evaluation)
	require.Equal(t, []string{":1", ":2"}, s.server.Web.ListenAddresses)
}

func TestFlags_HeldByOnlyOneGroup(t *testing.T) {
	seen := map[string]bool{}
	for _, group := range newFlags(defaultSettings()).groups {
		for _, name := range group.names {
			require.False(t, seen[name], "--%s is in two groups", name)
			seen[name] = true
		}
	}
}
