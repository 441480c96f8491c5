package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/siteconfig"
)

// parsedWith parses a command line where the given files are there, and no others.
func parsedWith(t *testing.T, there []string, env map[string]string, args ...string) *settings {
	t.Helper()
	s, err := parse(args, lookupIn(env), func(path string) bool { return slices.Contains(there, path) })
	require.NoError(t, err)
	return s
}

func TestSourcegraph_SiteConfigurationIsOnWhereItIsWanted(t *testing.T) {
	for name, c := range map[string]struct {
		there    []string
		env      map[string]string
		args     []string
		wantOn   bool
		wantURL  string
		warnings []string
	}{
		"alone":                        {},
		"variable":                     {env: map[string]string{"SRC_FRONTEND_INTERNAL": "frontend:3090"}, wantOn: true, wantURL: "frontend:3090"},
		"variable with suffix":         {env: map[string]string{"SRC_FRONTEND_INTERNAL": "a", "SRC_FRONTEND_INTERNAL_prom_wrapper": "b"}, wantOn: true, wantURL: "b"},
		"empty variable":               {env: map[string]string{"SRC_FRONTEND_INTERNAL": ""}},
		"mounted add-ons":              {there: []string{addOns}, wantOn: true, wantURL: defaultFrontend},
		"add-ons and variable":         {there: []string{addOns}, env: map[string]string{"SRC_FRONTEND_INTERNAL": "frontend"}, wantOn: true, wantURL: "frontend"},
		"add-ons, nothing to fetch":    {there: []string{addOns}, args: []string{"--siteconfig.url="}, wantOn: true},
		"flag":                         {args: []string{"--siteconfig.url=frontend"}, wantOn: true, wantURL: "frontend"},
		"flag wins over variable":      {env: map[string]string{"SRC_FRONTEND_INTERNAL": "a"}, args: []string{"--siteconfig.url=b"}, wantOn: true, wantURL: "b"},
		"any flag":                     {args: []string{"--siteconfig.poll-interval=1s"}, wantOn: true},
		"flag in a variable":           {env: map[string]string{"PROMETHEUS_ADDITIONAL_FLAGS": "--siteconfig.file=site.json"}, wantOn: true},
		"other variables alone":        {env: map[string]string{"OPSGENIE_API_KEY": "k", "SRC_GRPC_ENABLE_CONF": "true"}},
		"nothing is fetched":           {there: []string{addOns}, env: map[string]string{"SRC_FRONTEND_INTERNAL": "a", "CONFIGURATION_MODE": "empty"}, wantOn: true},
		"another mode":                 {env: map[string]string{"SRC_FRONTEND_INTERNAL": "a", "CONFIGURATION_MODE": "client"}, wantOn: true, wantURL: "a"},
		"nothing but what a flag says": {env: map[string]string{"CONFIGURATION_MODE": "empty"}, args: []string{"--siteconfig.url=a"}, wantOn: true, wantURL: "a"},
		"turned off":                   {there: []string{addOns}, env: map[string]string{"SRC_FRONTEND_INTERNAL": "a", "DISABLE_SOURCEGRAPH_CONFIG": "true"}, wantURL: "a"},
		"turned off only by true":      {there: []string{addOns}, env: map[string]string{"DISABLE_SOURCEGRAPH_CONFIG": "1"}, wantOn: true, wantURL: defaultFrontend},
		"no alertmanager":              {there: []string{addOns}, env: map[string]string{"DISABLE_ALERTMANAGER": "true"}},
		"turned off and asked for": {
			env: map[string]string{"DISABLE_SOURCEGRAPH_CONFIG": "true"}, args: []string{"--siteconfig.url=a"}, wantURL: "a",
			warnings: []string{"--siteconfig.url is ignored: DISABLE_SOURCEGRAPH_CONFIG=true turns the site configuration off"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := parsedWith(t, c.there, c.env, c.args...)
			require.Equal(t, c.wantOn, s.siteConfigOn)
			require.Equal(t, c.wantURL, s.siteConfig.URL)
			require.Equal(t, c.warnings, s.warnings)
			require.Equal(t, c.wantURL, s.server.Web.Flags["siteconfig.url"])
		})
	}
}

func TestSourcegraph_VariablesBecomeOptions(t *testing.T) {
	s := parsed(t, map[string]string{
		"SRC_FRONTEND_INTERNAL":          "frontend:3090",
		"OPSGENIE_API_KEY":               "opsgenie",
		"OPSGENIE_API_KEY_prom_wrapper":  "not read",
		"INCIDENT_IO_ALERT_SOURCE_TOKEN": "incident",
		"SRC_GRPC_ENABLE_CONF":           "true",

		"SRC_GRPC_RETRY_DELAY_BASE":                      "1ms",
		"SRC_GRPC_RETRY_MAX_ATTEMPTS":                    "2",
		"SRC_GRPC_RETRY_MAX_DURATION":                    "3s",
		"SRC_GRPC_RETRY_MAX_DURATION_prom_wrapper":       "4s",
		"SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_BASE":         "5ms",
		"SRC_HTTP_CLI_INTERNAL_RETRY_DELAY_MAX":          "6s",
		"SRC_HTTP_CLI_INTERNAL_RETRY_MAX_ATTEMPTS":       "7",
		"SRC_HTTP_CLI_INTERNAL_RETRY_AFTER_MAX_DURATION": "8s",
	}, "--siteconfig.sourcegraph-version=5.5.0")
	want := siteconfig.DefaultOptions()
	want.URL, want.Protocol, want.Version = "frontend:3090", siteconfig.ProtocolGRPC, "5.5.0"
	want.OpsgenieAPIKey, want.IncidentIOToken = "opsgenie", "incident"
	want.GRPCRetry = siteconfig.GRPCRetry{DelayBase: time.Millisecond, MaxAttempts: 2, MaxDuration: 4 * time.Second}
	want.HTTPRetry = siteconfig.HTTPRetry{DelayBase: 5 * time.Millisecond, DelayMax: 6 * time.Second, MaxAttempts: 7, AfterMaxDuration: 8 * time.Second}
	require.Equal(t, want, s.siteConfig)
}

func TestSourcegraph_MistakesSayWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		want string
	}{
		"address":             {env: map[string]string{"SRC_FRONTEND_INTERNAL": "ftp://frontend"}, want: `site configuration: URL (SRC_FRONTEND_INTERNAL, --siteconfig.url): "ftp://frontend" has the scheme "ftp": it must be http or https`},
		"address with secret": {env: map[string]string{"SRC_FRONTEND_INTERNAL": "http://user:canary@frontend"}, want: "site configuration: URL (SRC_FRONTEND_INTERNAL, --siteconfig.url): it has a user name or a password, and the frontend asks for none: leave them out"},
		"interval":            {args: []string{"--siteconfig.poll-interval=0s"}, want: "site configuration: PollInterval is 0s: it must be positive"},
		"duration":            {env: map[string]string{"SRC_GRPC_RETRY_DELAY_BASE": "soon"}, want: `environment variable SRC_GRPC_RETRY_DELAY_BASE: not a valid duration: "soon" (examples: 500ms, 1m30s, 15d)`},
		"number":              {env: map[string]string{"SRC_GRPC_RETRY_MAX_ATTEMPTS": "many"}, want: `environment variable SRC_GRPC_RETRY_MAX_ATTEMPTS: not a number: "many"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(c.args, lookupIn(c.env), noFiles)
			require.EqualError(t, err, c.want)
		})
	}
}

// A frontend since 5.3 answers gRPC alone, whatever a variable that nobody has
// removed since says.
func TestSourcegraph_ProtocolIsNeverFixedToTheOldOne(t *testing.T) {
	for _, value := range []string{"false", "0", "maybe"} {
		s := parsed(t, map[string]string{"SRC_FRONTEND_INTERNAL": "a", "SRC_GRPC_ENABLE_CONF": value})
		require.Equal(t, siteconfig.ProtocolAuto, s.siteConfig.Protocol, value)
	}
}

func TestSourcegraph_FileThatTheOldImageRewrote(t *testing.T) {
	for name, c := range map[string]struct {
		there []string
		env   map[string]string
		args  []string
		want  bool
	}{
		"baked":                {there: []string{bakedAlertmanager}, want: true},
		"named by a variable":  {there: []string{"/am.yml"}, env: map[string]string{"ALERTMANAGER_CONFIG_PATH": "/am.yml"}, want: true},
		"named and not there":  {there: []string{"alertmanager.yml"}, env: map[string]string{"ALERTMANAGER_CONFIG_PATH": "/am.yml"}},
		"named by a flag":      {args: []string{"--alertmanager.config.file=own.yml"}},
		"the baked one named":  {args: []string{"--alertmanager.config.file=" + bakedAlertmanager}, want: true},
		"no file":              {},
		"flag beside variable": {there: []string{"/am.yml"}, env: map[string]string{"ALERTMANAGER_CONFIG_PATH": "/am.yml"}, args: []string{"--alertmanager.config.file=own.yml"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := parsedWith(t, c.there, c.env, append(c.args, "--siteconfig.url=a")...)
			require.Equal(t, c.want, s.siteConfig.RewrittenFile)
		})
	}
}

func TestSourcegraph_RecordsAreKeptForAWeek(t *testing.T) {
	week := 7 * 24 * time.Hour
	on := map[string]string{"SRC_FRONTEND_INTERNAL": "a"}
	require.Equal(t, week, parsed(t, on).server.Alerting.Retention)
	require.Equal(t, "1w", parsed(t, on).server.Web.Flags["alertmanager.data.retention"])
	require.Equal(t, time.Hour, parsed(t, on, "--alertmanager.data.retention=1h").server.Alerting.Retention)
	on["ALERTMANAGER_ADDITIONAL_FLAGS"] = "--data.retention=2h"
	require.Equal(t, 2*time.Hour, parsed(t, on).server.Alerting.Retention)
	require.Less(t, parsed(t, nil).server.Alerting.Retention, week)
	off := map[string]string{"SRC_FRONTEND_INTERNAL": "a", "DISABLE_SOURCEGRAPH_CONFIG": "true"}
	require.Equal(t, week, parsed(t, off).server.Alerting.Retention, "as in the image")
}

func TestSourcegraph_SnapshotsOfTheOldImageAreImported(t *testing.T) {
	for name, c := range map[string]struct {
		there []string
		args  []string
		want  string
	}{
		"none":             {there: []string{oldSnapshots}},
		"silences":         {there: []string{oldSnapshots + "/silences"}, want: oldSnapshots},
		"notification log": {there: []string{oldSnapshots + "/nflog"}, want: oldSnapshots},
		"flag":             {there: []string{oldSnapshots + "/nflog"}, args: []string{"--alertmanager.storage.path=am"}, want: "am"},
		"flag for none":    {there: []string{oldSnapshots + "/nflog"}, args: []string{"--alertmanager.storage.path="}},
	} {
		t.Run(name, func(t *testing.T) {
			s := parsedWith(t, c.there, nil, c.args...)
			require.Equal(t, c.want, s.server.Alerting.ImportDir)
			require.Equal(t, c.want, s.server.Web.Flags["alertmanager.storage.path"])
		})
	}
}

// What the environment holds in confidence is in no flag, and so in none of the
// places that show flags.
func TestSourcegraph_SecretsOfTheEnvironmentAreNotShown(t *testing.T) {
	env := map[string]string{
		"OPSGENIE_API_KEY":               "canary-1",
		"INCIDENT_IO_ALERT_SOURCE_TOKEN": "canary-2",
		"SRC_FRONTEND_INTERNAL":          "user:canary-3@frontend:3090",
		"DISABLE_SOURCEGRAPH_CONFIG":     "true", // else such an address is refused
	}
	s := parsed(t, env)
	require.Equal(t, "<secret>@frontend:3090", s.server.Web.Flags["siteconfig.url"])
	for name, value := range s.server.Web.Flags {
		require.NotContains(t, value, "canary", name)
	}
	require.Empty(t, s.warnings)

	cmd := exec.Command(os.Args[0], "--help")
	cmd.Env = []string{asProgram + "=1"}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	help, err := cmd.CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(help), "--siteconfig.url")
	require.NotContains(t, string(bytes.ToLower(help)), "canary")
}
