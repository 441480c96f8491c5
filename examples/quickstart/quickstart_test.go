// Package quickstart_test does what the README tells a newcomer to do.
package quickstart_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest/proctest"
)

const patience = 30 * time.Second

func TestQuickstart_TheConfigurationIsSound(t *testing.T) {
	out, err := exec.Command(lean(t), "check", "prometheus.yml", "alertmanager.yml", "rules.yml").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestQuickstart_AnAlertArrivesAndIsResolved(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	demoAddress, address := proctest.FreeAddress(t), proctest.FreeAddress(t)
	dir := configuration(t, strings.NewReplacer("127.0.0.1:9099", demoAddress, "127.0.0.1:9090", address, " 5s", " 1s"))
	built, err := exec.Command("go", "build", "-o", filepath.Join(dir, "demo"), "../demo").CombinedOutput()
	require.NoError(t, err, "%s", built)

	demo := start(t, filepath.Join(dir, "demo"), "-listen", demoAddress)
	start(t, lean(t),
		"--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--alertmanager.config.file="+filepath.Join(dir, "alertmanager.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address)
	require.Eventually(t, func() bool { return answers(http.Get("http://" + address + "/-/ready")) },
		patience, 20*time.Millisecond, "srcprom is ready")

	setTemperature(t, demoAddress, "35")
	require.Eventually(t, func() bool { return strings.Contains(demo.String(), "FIRING: TooHot: it is 35 °C") },
		patience, 20*time.Millisecond, "the alert arrives")
	setTemperature(t, demoAddress, "20")
	require.Eventually(t, func() bool { return strings.Contains(demo.String(), "RESOLVED: TooHot") },
		patience, 20*time.Millisecond, "its resolution arrives")
}

// configuration copies the quick start's files, changed, to a new directory.
func configuration(t *testing.T, edit *strings.Replacer) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"prometheus.yml", "alertmanager.yml", "rules.yml"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(edit.Replace(string(text))), 0o600))
	}
	return dir
}

func setTemperature(t *testing.T, demo, celsius string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return answers(http.Post("http://"+demo+"/temperature", "text/plain", strings.NewReader(celsius)))
	}, patience, 20*time.Millisecond, "the demo program answers")
}

func answers(resp *http.Response, err error) bool {
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// start runs a program until the test ends, and returns what it prints.
func start(t *testing.T, path string, args ...string) *proctest.Output {
	t.Helper()
	out := &proctest.Output{}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // the demo program ends by the signal
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(path), out)
		}
	})
	return out
}

func lean(t *testing.T) string {
	t.Helper()
	program := os.Getenv("SRCPROM_TEST_LEAN_BINARY")
	require.NotEmpty(t, program, "SRCPROM_TEST_LEAN_BINARY is not set: run `make test`, or `. tools/env.sh` first")
	return program
}
