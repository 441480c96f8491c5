package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// lookupIn answers as os.LookupEnv does, from a map.
func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func nothing(string) (string, bool) { return "", false }

func noFiles(string) bool { return false }

// parsed parses a command line under an environment that has none of the
// files that are looked for.
func parsed(t *testing.T, env map[string]string, args ...string) *settings {
	t.Helper()
	s, err := parse(args, lookupIn(env), noFiles)
	require.NoError(t, err)
	return s
}

func TestEnvironment_EachVariableHasItsEffect(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		got  func(*settings) any
		want any
	}{
		"published port":            {env: map[string]string{"EXPORT_PORT": "9999"}, got: addresses, want: []string{":9999"}},
		"flag wins over port":       {env: map[string]string{"EXPORT_PORT": "9999"}, args: []string{"--web.listen-address=127.0.0.1:1"}, got: addresses, want: []string{"127.0.0.1:1"}},
		"suffixed name wins":        {env: map[string]string{"EXPORT_PORT": "1", "EXPORT_PORT_prom_wrapper": "2"}, got: addresses, want: []string{":2"}},
		"empty counts as set":       {env: map[string]string{"EXPORT_PORT": "1", "EXPORT_PORT_prom_wrapper": ""}, got: addresses, want: []string{"0.0.0.0:9090"}},
		"no suffix on plain ones":   {env: map[string]string{"STORAGE_PATH": "/a", "STORAGE_PATH_prom_wrapper": "/b"}, got: dir, want: "/a"},
		"storage path":              {env: map[string]string{"STORAGE_PATH": "/var/opt/x"}, got: dir, want: "/var/opt/x"},
		"default storage path":      {got: dir, want: "data/"},
		"flag wins over path":       {env: map[string]string{"STORAGE_PATH": "/a"}, args: []string{"--storage.tsdb.path=/b"}, got: dir, want: "/b"},
		"internal ports":            {env: map[string]string{"PROMETHEUS_INTERNAL_PORT": "9092", "ALERTMANAGER_INTERNAL_PORT": "9093"}, got: internal, want: []string{"127.0.0.1:9092", "127.0.0.1:9093"}},
		"the same internal port":    {env: map[string]string{"PROMETHEUS_INTERNAL_PORT": "9092", "ALERTMANAGER_INTERNAL_PORT": "9092"}, got: internal, want: []string{"127.0.0.1:9092"}},
		"internal port is public":   {env: map[string]string{"PROMETHEUS_INTERNAL_PORT": "9092", "EXPORT_PORT": "9092"}, got: internal, want: []string{}},
		"public on any IPv6":        {env: map[string]string{"PROMETHEUS_INTERNAL_PORT": "9092"}, args: []string{"--web.listen-address=[::]:9092"}, got: internal, want: []string{}},
		"public on loopback":        {env: map[string]string{"PROMETHEUS_INTERNAL_PORT": "9092"}, args: []string{"--web.listen-address=127.0.0.1:9092"}, got: internal, want: []string{}},
		"public on other loopback":  {env: map[string]string{"PROMETHEUS_INTERNAL_PORT": "9092"}, args: []string{"--web.listen-address=127.0.0.2:9092", "--web.listen-address=[::1]:9092"}, got: internal, want: []string{"127.0.0.1:9092"}},
		"sockets of systemd":        {env: map[string]string{"PROMETHEUS_INTERNAL_PORT": "9092", "EXPORT_PORT": "9092"}, args: []string{"--web.systemd-socket"}, got: internal, want: []string{"127.0.0.1:9092"}},
		"no internal ports":         {got: internal, want: []string{}},
		"cluster":                   {env: map[string]string{"ALERTMANAGER_ENABLE_CLUSTER": "true"}, got: clusterOf, want: clusterAddress},
		"cluster only if true":      {env: map[string]string{"ALERTMANAGER_ENABLE_CLUSTER": "yes"}, got: clusterOf, want: ""},
		"alertmanager off":          {env: map[string]string{"DISABLE_ALERTMANAGER": "true"}, got: disabled, want: true},
		"alertmanager off if true":  {env: map[string]string{"DISABLE_ALERTMANAGER": "1"}, got: disabled, want: false},
		"log level":                 {env: map[string]string{"SRC_LOG_LEVEL": "dbug"}, got: levelOf, want: "debug"},
		"unknown log level":         {env: map[string]string{"SRC_LOG_LEVEL": "loud"}, got: levelOf, want: "info"},
		"log format":                {env: map[string]string{"SRC_LOG_FORMAT": "json_gcp"}, got: formatOf, want: "json"},
		"prometheus's flags":        {env: map[string]string{"PROMETHEUS_ADDITIONAL_FLAGS": "--web.enable-lifecycle  --query.max-samples 5"}, got: querySamples, want: 5},
		"command line wins":         {env: map[string]string{"PROMETHEUS_ADDITIONAL_FLAGS": "--query.max-samples=5"}, args: []string{"--query.max-samples=6"}, got: querySamples, want: 6},
		"repeatable flags add up":   {env: map[string]string{"ALERTMANAGER_ADDITIONAL_FLAGS": "--cluster.peer=a:1"}, args: []string{"--cluster.peer=b:1"}, got: peers, want: []string{"a:1", "b:1"}},
		"alertmanager's flags":      {env: map[string]string{"ALERTMANAGER_ADDITIONAL_FLAGS": "--log.silences --data.retention=168h"}, got: silenceLogging, want: true},
		"negated flag":              {env: map[string]string{"ALERTMANAGER_ADDITIONAL_FLAGS": "--no-log.silences"}, got: silenceLogging, want: false},
		"prefix already there":      {env: map[string]string{"ALERTMANAGER_ADDITIONAL_FLAGS": "--alertmanager.log.silences"}, got: silenceLogging, want: true},
		"flag in variable wins too": {env: map[string]string{"EXPORT_PORT": "1", "PROMETHEUS_ADDITIONAL_FLAGS": "--web.listen-address=:2"}, got: addresses, want: []string{":2"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.got(parsed(t, c.env, c.args...)))
		})
	}
}

func addresses(s *settings) any      { return s.server.Web.ListenAddresses }
func internal(s *settings) any       { return append([]string{}, s.server.Web.InternalListenAddresses...) }
func dir(s *settings) any            { return s.server.Storage.Dir }
func clusterOf(s *settings) any      { return s.server.Alerting.Cluster.ListenAddress }
func disabled(s *settings) any       { return s.server.Alerting.Disabled }
func levelOf(s *settings) any        { return s.logLevel }
func formatOf(s *settings) any       { return s.logFormat }
func querySamples(s *settings) any   { return s.server.Storage.QueryMaxSamples }
func peers(s *settings) any          { return s.server.Alerting.Cluster.Peers }
func silenceLogging(s *settings) any { return s.server.Alerting.SilenceLogging }

func TestEnvironment_MistakesNameTheVariable(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"port that is no number": {map[string]string{"EXPORT_PORT": "http"}, `environment variable EXPORT_PORT: port "http": must be a number from 1 to 65535`},
		"port out of range":      {map[string]string{"PROMETHEUS_INTERNAL_PORT": "65536"}, `environment variable PROMETHEUS_INTERNAL_PORT: port "65536": must be a number from 1 to 65535`},
		"unknown flag":           {map[string]string{"PROMETHEUS_ADDITIONAL_FLAGS": "--nonsense"}, `environment variable PROMETHEUS_ADDITIONAL_FLAGS: unknown long flag '--nonsense'`},
		"command":                {map[string]string{"PROMETHEUS_ADDITIONAL_FLAGS": "check"}, `environment variable PROMETHEUS_ADDITIONAL_FLAGS: unexpected "check": only flags belong there`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(nil, lookupIn(c.env), noFiles)
			require.EqualError(t, err, c.want)
		})
	}
}

func TestEnvironment_WhatIsIgnoredIsSaid(t *testing.T) {
	s := parsed(t, map[string]string{
		"SRC_LOG_LEVEL":               "loud",
		"ALERTMANAGER_CONFIG_PATH":    "/missing.yml",
		"PROMETHEUS_ADDITIONAL_FLAGS": "--query.max-samples=5",
	}, "--query.max-samples=6")
	require.ElementsMatch(t, []string{
		`SRC_LOG_LEVEL="loud" is not known and is ignored; use --log.level`,
		`ALERTMANAGER_CONFIG_PATH="/missing.yml" is ignored: there is no such file`,
		`--query.max-samples of PROMETHEUS_ADDITIONAL_FLAGS is ignored: it is on the command line too`,
	}, s.warnings)
}

func TestEnvironment_ConfigurationFilesThatAreThere(t *testing.T) {
	for name, c := range map[string]struct {
		env              map[string]string
		args             []string
		there            []string
		wantProm, wantAM string
	}{
		"none":                   {},
		"working directory":      {there: []string{"prometheus.yml", "alertmanager.yml"}, wantProm: "prometheus.yml", wantAM: "alertmanager.yml"},
		"mounted by an operator": {there: []string{"prometheus.yml", "/sg_config_prometheus/prometheus.yml", "/sg_prometheus_add_ons/prometheus.yml"}, wantProm: "/sg_prometheus_add_ons/prometheus.yml"},
		"brought by the image":   {there: []string{"prometheus.yml", "/sg_config_prometheus/prometheus.yml", "/sg_config_prometheus/alertmanager.yml"}, wantProm: "/sg_config_prometheus/prometheus.yml", wantAM: "/sg_config_prometheus/alertmanager.yml"},
		"named by a variable":    {env: map[string]string{"ALERTMANAGER_CONFIG_PATH": "/am.yml"}, there: []string{"/am.yml", "alertmanager.yml"}, wantAM: "/am.yml"},
		"named by flags":         {env: map[string]string{"ALERTMANAGER_CONFIG_PATH": "/am.yml"}, args: []string{"--config.file=p", "--alertmanager.config.file=a"}, there: []string{"/am.yml", "prometheus.yml"}, wantProm: "p", wantAM: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := parse(c.args, lookupIn(c.env), func(path string) bool { return slices.Contains(c.there, path) })
			require.NoError(t, err)
			require.Equal(t, c.wantProm, s.server.ConfigFile)
			require.Equal(t, c.wantAM, s.server.AlertmanagerConfigFile)
		})
	}
}
