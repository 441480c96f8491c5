package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Programs under test and their real counterparts, by the environment variable
// in which `make test` names each.
const (
	srcprom            = "SRCPROM_TEST_BINARY"
	srcpromLean        = "SRCPROM_TEST_LEAN_BINARY"
	amtool             = "SRCPROM_TEST_AMTOOL"
	promtool           = "SRCPROM_TEST_PROMTOOL"
	debianAmtool       = "SRCPROM_TEST_DEBIAN_AMTOOL"
	debianPromtool     = "SRCPROM_TEST_DEBIAN_PROMTOOL"
	debianPrometheus   = "SRCPROM_TEST_DEBIAN_PROMETHEUS"
	debianAlertmanager = "SRCPROM_TEST_DEBIAN_ALERTMANAGER"
	nodeExporter       = "SRCPROM_TEST_NODE_EXPORTER"
)

// program returns the path of a program. A missing one fails the test: it does
// not skip, but for Debian's programs on a machine that is told not to have them.
func program(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" && os.Getenv("SRCPROM_TEST_DEBIAN") == "absent" {
		t.Skipf("%s is one of Debian's programs, and this machine is not Debian's", variable)
	}
	require.NotEmptyf(t, path, "%s names no program: run the tests through `make test`, which brings all of them", variable)
	require.FileExists(t, path)
	return path
}

// mustRun runs a client to its end, which has to succeed, and returns what it
// wrote to its standard output.
func mustRun(t *testing.T, path string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoErrorf(t, err, "%s %v: %s%s", path, args, out, &stderr)
	return string(out)
}
