package srcprom

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/siteconfig"
)

// TestHealthAlerts_AreWhatTheDocsSay holds the table in the docs to the code.
func TestHealthAlerts_AreWhatTheDocsSay(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	documented := regexp.MustCompile("(?m)^\\| `Srcprom.*$").FindAllString(string(text), -1)
	var rows []string
	for _, a := range slices.Concat(HealthAlerts(), siteconfig.HealthAlerts()) {
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", a.Name, a.Level, a.When, a.Remedy))
	}
	require.Equal(t, strings.Join(rows, "\n"), strings.Join(documented, "\n"))
}

func TestProblems_EachAlertIsInTheTable(t *testing.T) {
	for _, a := range HealthAlerts() {
		var found problems
		p := found.alert(a.Name, "x", "It is broken")
		require.Equal(t, a.Level, p.Level)
		require.Equal(t, a.Remedy, p.Remedy)
		require.Equal(t, "It is broken.", p.Summary)
	}
}

func TestBrief_ErrorsOfManyLinesFitIntoANotification(t *testing.T) {
	require.Equal(t, "a: b c.", brief("a:\n\tb c"))
	require.Len(t, []rune(brief(strings.Repeat("ä", 1000))), 602)
}
