package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Images without a file system of their own have neither time zones nor CA roots.
func TestEmbedded_BothBuildsHaveTimeZonesAndRoots(t *testing.T) {
	for _, tags := range []string{"", "lean"} {
		t.Run("tags="+tags, func(t *testing.T) {
			out, err := exec.Command("go", "list", "-deps", "-tags="+tags, "-f", "{{.ImportPath}}", ".").Output()
			require.NoError(t, err)
			deps := strings.Fields(string(out))
			require.Contains(t, deps, "time/tzdata")
			require.Contains(t, deps, "golang.org/x/crypto/x509roots/fallback")
		})
	}
}
