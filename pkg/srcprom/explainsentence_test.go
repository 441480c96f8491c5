package srcprom

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

var updateSentences = flag.Bool("update-sentences", false, "write testdata/explain/*.txt anew")

// Each testdata/explain/*.json is an explanation, without its sentence, at noon of
// 22 November 2026; the .txt beside it is the sentence.
func TestSentence_SaysItAll(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	inputs, err := filepath.Glob("testdata/explain/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, inputs)
	for _, input := range inputs {
		name := strings.TrimSuffix(filepath.Base(input), ".json")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(input)
			require.NoError(t, err)
			decoder := json.NewDecoder(strings.NewReader(string(text)))
			decoder.DisallowUnknownFields()
			var e client.Explanation
			require.NoError(t, decoder.Decode(&e))
			got := sentence(&e, noon) + "\n"

			golden := strings.TrimSuffix(input, ".json") + ".txt"
			if *updateSentences {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got, "run: go test ./pkg/srcprom -run TestSentence -update-sentences")
			require.NotContains(t, strings.TrimSuffix(got, "\n"), "\n")
		})
	}
}
