// Package packaging_test reads the files that carry srcprom to where it runs, and
// holds them to what the program and the documentation say.
package packaging_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/file" // for the job of operators' targets
	"github.com/stretchr/testify/require"
)

// instruction is one instruction of a Dockerfile.
type instruction struct{ name, args string }

func dockerfile(t *testing.T) []instruction {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	var all []instruction
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			name, args, _ := strings.Cut(line, " ")
			all = append(all, instruction{name, strings.TrimSpace(args)})
		}
	}
	return all
}

// only returns the arguments of an instruction that must be there once.
func only(t *testing.T, all []instruction, name string) string {
	t.Helper()
	var found []string
	for _, i := range all {
		if i.name == name {
			found = append(found, i.args)
		}
	}
	require.Len(t, found, 1, name)
	return found[0]
}

func TestDockerfile_NeedsNoShellAndRunsAsTheOldImageDid(t *testing.T) {
	all := dockerfile(t)

	require.True(t, strings.HasPrefix(all[0].args, "BASE_IMAGE="), "the base is a build argument")
	require.Equal(t, "${BASE_IMAGE}", only(t, all, "FROM"))
	require.Equal(t, "100:101", only(t, all, "USER"))
	require.Equal(t, "9090", only(t, all, "EXPOSE"))
	for _, name := range []string{"RUN", "SHELL", "CMD", "ADD", "HEALTHCHECK"} {
		require.False(t, slices.ContainsFunc(all, func(i instruction) bool { return i.name == name }), name)
	}
	for name, want := range map[string][]string{"ENTRYPOINT": {"/bin/srcprom"}, "VOLUME": {"/prometheus"}} {
		var got []string
		require.NoError(t, json.Unmarshal([]byte(only(t, all, name)), &got), name)
		require.Equal(t, want, got, name)
	}
	require.Equal(t,
		[]string{"STORAGE_PATH=/prometheus", "PROMETHEUS_INTERNAL_PORT=9092", "ALERTMANAGER_INTERNAL_PORT=9093"},
		strings.Fields(only(t, all, "ENV")))
}

func TestDockerfile_CopiesWhatTheContextHas(t *testing.T) {
	text, err := os.ReadFile("../.dockerignore")
	require.NoError(t, err)
	let := strings.Fields(string(text))
	for _, i := range dockerfile(t) {
		if i.name != "COPY" {
			continue
		}
		paths := slices.DeleteFunc(strings.Fields(i.args), func(arg string) bool { return strings.HasPrefix(arg, "--") })
		for _, source := range paths[:len(paths)-1] {
			require.Contains(t, let, "!"+strings.TrimSuffix(source, "/"))
		}
	}
}

// What is there when a volume is mounted for the first time decides who owns it.
func TestDockerfile_DirectoriesThatVolumesAreMountedAtBelongToTheUser(t *testing.T) {
	owned := map[string]bool{}
	for _, i := range dockerfile(t) {
		if args := strings.Fields(i.args); i.name == "COPY" && args[0] == "--chown=100:101" {
			owned[args[len(args)-1]] = true
		}
	}
	require.Equal(t, map[string]bool{"/prometheus/": true, "/alertmanager/": true}, owned)
}

// The baked configuration is that of the old image, as dashboards and alerts know
// its jobs, and it is at the places where the program looks for it.
func TestImage_BakedConfigurationIsThatOfTheOldImage(t *testing.T) {
	text := only(t, slices.DeleteFunc(dockerfile(t), func(i instruction) bool {
		return i.name != "COPY" || !strings.Contains(i.args, "sg_config_prometheus")
	}), "COPY")
	require.Equal(t, "--chmod=0755 packaging/sg_config_prometheus/ /sg_config_prometheus/", text)

	prom, err := promconfig.LoadFile("sg_config_prometheus/prometheus.yml", false, nil)
	require.NoError(t, err)
	require.Equal(t, model.Duration(30*time.Second), prom.GlobalConfig.ScrapeInterval)
	require.Equal(t, model.Duration(30*time.Second), prom.GlobalConfig.EvaluationInterval)
	require.Equal(t, model.Duration(10*time.Second), prom.GlobalConfig.ScrapeTimeout)
	require.Equal(t, []string{"sg_config_prometheus/*_rules.yml", "/sg_prometheus_add_ons/*_rules.yml"}, prom.RuleFiles)
	require.Len(t, prom.AlertingConfig.AlertmanagerConfigs, 1)
	require.Equal(t, "/alertmanager", prom.AlertingConfig.AlertmanagerConfigs[0].PathPrefix)
	jobs, err := prom.GetScrapeConfigs()
	require.NoError(t, err)
	paths := map[string]string{}
	for _, job := range jobs {
		paths[job.JobName] = job.MetricsPath
	}
	require.Equal(t, map[string]string{"builtin-prometheus": "/metrics", "builtin-alertmanager": "/alertmanager/metrics", "sg": "/metrics"}, paths)

	am, err := amconfig.LoadFile("sg_config_prometheus/alertmanager.yml")
	require.NoError(t, err)
	require.Equal(t, "src-noop-receiver", am.Route.Receiver)
	require.Empty(t, am.Route.Routes)
	require.Len(t, am.Receivers, 1)
}

// unit returns the settings of srcprom.service. A repeated one has several values.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("srcprom.service")
	require.NoError(t, err)
	settings := map[string][]string{}
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
			settings[name] = append(settings[name], value)
		}
	}
	return settings
}

func TestUnit_IsHardened(t *testing.T) {
	settings := unit(t)
	for name, want := range map[string]string{
		"DynamicUser":            "yes",
		"NoNewPrivileges":        "yes",
		"CapabilityBoundingSet":  "",
		"ProtectSystem":          "strict",
		"ProtectHome":            "yes",
		"PrivateDevices":         "yes",
		"PrivateTmp":             "yes",
		"MemoryDenyWriteExecute": "yes",
		"RestrictNamespaces":     "yes",
		"KillSignal":             "SIGTERM",
		"ExecReload":             "/bin/kill -HUP $MAINPID",
	} {
		require.Equal(t, []string{want}, settings[name], name)
	}
	require.Contains(t, settings["SystemCallFilter"], "@system-service")
	require.Contains(t, settings["ExecStart"][0], "--storage.tsdb.path=/var/lib/"+settings["StateDirectory"][0]+" ")
}

func TestUnit_GivesFlagsThatTheProgramHas(t *testing.T) {
	text := help(t)
	flags := regexp.MustCompile(`--[a-z.-]+`).FindAllString(unit(t)["ExecStart"][0], -1)
	require.NotEmpty(t, flags)
	for _, flag := range flags {
		require.Contains(t, text, flag+"=")
	}
}

func TestUnit_WaitsLongerThanTheServerTakesToStop(t *testing.T) {
	byDefault := regexp.MustCompile(`--shutdown\.timeout=(\w+)`).FindStringSubmatch(help(t))
	require.NotNil(t, byDefault)
	longest, err := time.ParseDuration(byDefault[1])
	require.NoError(t, err)
	patience, err := time.ParseDuration(unit(t)["TimeoutStopSec"][0] + "s")
	require.NoError(t, err)
	require.Greater(t, patience, longest)
}

// help returns what the program says about its flags, defaults included.
func help(t *testing.T) string {
	t.Helper()
	program := os.Getenv("SRCPROM_TEST_BINARY")
	require.NotEmpty(t, program, "SRCPROM_TEST_BINARY is not set: run `make test`, or `. tools/env.sh` first")
	text, err := exec.Command(program, "--help").CombinedOutput()
	require.NoError(t, err, "%s", text)
	return string(text)
}
