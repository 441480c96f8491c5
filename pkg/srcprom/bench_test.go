package srcprom_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// BenchmarkStart measures what one server costs a test. The time until it is
// ready is reported beside the time until it has stopped again.
func BenchmarkStart(b *testing.B) {
	var ready time.Duration
	for b.Loop() {
		start := time.Now()
		server := srcpromtest.Start(b)
		ready += time.Since(start)
		if err := server.Stop(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(ready.Milliseconds())/float64(b.N), "ms-to-ready/op")
}

// receivers is an alertmanager.yml with n webhook receivers, each with a route.
func receivers(n, generation int) string {
	var routes, list strings.Builder
	for i := range n {
		fmt.Fprintf(&routes, "    - { receiver: r%d, matchers: [ team=\"%d\" ] }\n", i, i)
		fmt.Fprintf(&list, "  - { name: r%d, webhook_configs: [ { url: \"http://127.0.0.1:1/%d/%d\" } ] }\n", i, generation, i)
	}
	return "route:\n  receiver: r0\n  routes:\n" + routes.String() + "receivers:\n" + list.String()
}

// groups is a rule file with n groups, one of which differs between
// generations.
func groups(n, generation int) string {
	var b strings.Builder
	b.WriteString("groups:\n")
	for i := range n {
		value := 0
		if i == 0 {
			value = generation
		}
		fmt.Fprintf(&b, "  - { name: g%d, interval: 1h, rules: [ { alert: A%d, expr: 'up == %d' } ] }\n", i, i, value)
	}
	return b.String()
}

// configurations to plan and apply, by name: generation g of each.
var configurations = []struct {
	name string
	docs func(g int) map[string]string
}{
	{"receivers=1", func(g int) map[string]string {
		return map[string]string{config.AlertmanagerDocument: receivers(1, g)}
	}},
	{"receivers=50", func(g int) map[string]string {
		return map[string]string{config.AlertmanagerDocument: receivers(50, g)}
	}},
	{"receivers=500", func(g int) map[string]string {
		return map[string]string{config.AlertmanagerDocument: receivers(500, g)}
	}},
	{"groups=1000", func(g int) map[string]string { return map[string]string{"rules/bench": groups(1000, g)} }},
}

func BenchmarkPlan(b *testing.B) {
	for _, c := range configurations {
		b.Run(c.name, func(b *testing.B) {
			server := startWith(b, c.docs(0))
			for g := 1; b.Loop(); g++ {
				if _, err := server.Plan(b.Context(), documents(c.docs(g))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkApply changes every receiver, or one group of a thousand, each time.
func BenchmarkApply(b *testing.B) {
	for _, c := range configurations {
		b.Run(c.name, func(b *testing.B) {
			server := startWith(b, c.docs(0))
			for g := 1; b.Loop(); g++ {
				if _, err := server.Apply(b.Context(), documents(c.docs(g))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

const lingering = 500

// lingeringGroups is a rule file whose groups wait for samples most of the time. From
// one generation to the next one of them differs, each in its turn.
func lingeringGroups(generation int) string {
	var text strings.Builder
	text.WriteString("groups:\n")
	for i := range lingering {
		fmt.Fprintf(&text, "  - { name: g%d, interval: 5s, rules: [ { alert: A%d, expr: 'up{job=\"target\"} == 2 + %d' } ] }\n",
			i, i, (generation+lingering-1-i)/lingering)
	}
	return text.String()
}

// startLingering starts a server, and waits until each group has been evaluated:
// before, they do not wait for samples, but for the first tick of the engine.
func startLingering(b *testing.B, evaluation string) *srcpromtest.Server {
	b.Helper()
	server := srcpromtest.Start(b, srcpromtest.WithOptions(func(o *srcprom.Options) {
		o.Rules.Evaluation = evaluation
		o.Documents["rules/lingering"] = lingeringGroups(0)
	}))
	for evaluated := 0; evaluated < lingering; {
		evaluated = 0
		for _, g := range groupsTold(b, server) {
			if g.Trigger != "" {
				evaluated++
			}
		}
	}
	return server
}

var evaluations = []string{config.EvaluationAfterScrape, config.EvaluationClock}

// BenchmarkApply_Lingering changes one of many groups each time. Ask for fewer applies
// than there are groups: one that has changed waits for the engine again.
func BenchmarkApply_Lingering(b *testing.B) {
	for _, evaluation := range evaluations {
		b.Run(evaluation, func(b *testing.B) {
			server := startLingering(b, evaluation)
			for g := 1; b.Loop(); g++ {
				if _, err := server.Apply(b.Context(), documents(map[string]string{"rules/lingering": lingeringGroups(g)})); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStop_Lingering takes 5s for each stop that it measures.
func BenchmarkStop_Lingering(b *testing.B) {
	for _, evaluation := range evaluations {
		b.Run(evaluation, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				server := startLingering(b, evaluation)
				b.StartTimer()
				if err := server.Stop(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func startWith(b *testing.B, docs map[string]string) *srcpromtest.Server {
	b.Helper()
	return srcpromtest.Start(b, srcpromtest.WithOptions(func(o *srcprom.Options) {
		maps.Copy(o.Documents, docs)
	}))
}
