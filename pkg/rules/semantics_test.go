package rules

import (
	"testing"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// modes are how groups may be evaluated.
var modes = []string{config.EvaluationAfterScrape, config.EvaluationClock}

// bothModes runs a test in virtual time, once in each mode.
func bothModes(t *testing.T, edit func(*Options), f func(t *testing.T, r *rhythm)) {
	t.Helper()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			bubble(t, func(o *Options) {
				o.Evaluation = mode
				if edit != nil {
					edit(o)
				}
			}, f)
		})
	}
}
