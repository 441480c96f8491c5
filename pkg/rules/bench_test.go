package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// manyGroups has the given number of groups of five rules, of which some differ
// from one variant to the other.
func manyGroups(b *testing.B, groups, differ, variant int) *config.Effective {
	b.Helper()
	var text strings.Builder
	text.WriteString("groups:\n")
	for i := range groups {
		v := 0
		if i < differ {
			v = variant
		}
		fmt.Fprintf(&text, "- name: g%d\n  interval: 1h\n  rules:\n", i)
		for r := range 5 {
			fmt.Fprintf(&text, "  - {alert: A%d, expr: 'sum by (job) (rate(errors_total{group=\"%d\"}[5m])) > %d', for: 5m, labels: {severity: warning}, annotations: {summary: 'too many errors'}}\n", r, i, v)
		}
	}
	return effective(b, "", [2]string{"many.yml", text.String()})
}

func BenchmarkApply_ThousandGroups(b *testing.B) {
	for _, differ := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("changed=%d", differ), func(b *testing.B) {
			variants := []*config.Effective{manyGroups(b, 1000, differ, 1), manyGroups(b, 1000, differ, 2)}
			m := newManager(b, b.TempDir(), nil)
			m.start(b)
			m.apply(b, variants[1])
			b.ResetTimer()
			for i := range b.N {
				step, err := m.Prepare(nil, variants[i%2])
				if err != nil {
					b.Fatal(err)
				}
				if step.Commit == nil {
					continue
				}
				if err := step.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPrepare_ThousandGroups(b *testing.B) {
	variants := []*config.Effective{manyGroups(b, 1000, 100, 1), manyGroups(b, 1000, 100, 2)}
	m := newManager(b, b.TempDir(), nil)
	m.start(b)
	m.apply(b, variants[1])
	b.ResetTimer()
	for range b.N {
		if _, err := m.Prepare(nil, variants[0]); err != nil {
			b.Fatal(err)
		}
	}
}
