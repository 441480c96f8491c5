package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// receivers makes an alertmanager document with n receivers, each with a route.
func receivers(n int) string {
	var b strings.Builder
	b.WriteString("global: {smtp_smarthost: 'h:25', smtp_from: a@example.org}\nroute:\n  receiver: r0\n  routes:\n")
	for i := range n {
		fmt.Fprintf(&b, "    - receiver: r%d\n      matchers: ['team = \"%d\"']\n", i, i)
	}
	b.WriteString("receivers:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: r%d\n    webhook_configs: [{url: 'http://example.org/%d'}]\n    email_configs: [{to: %d@example.org}]\n", i, i, i)
	}
	return b.String()
}

// groups makes a rule document with n groups of two rules.
func groups(n int) string {
	var b strings.Builder
	b.WriteString("groups:\n")
	for i := range n {
		fmt.Fprintf(&b, `  - name: g%d
    rules:
      - {record: 'a:b:%d', expr: 'sum by (job) (rate(http_requests_total{code="500"}[5m]))'}
      - {alert: A%d, expr: 'a:b:%d > 1', for: 5m, annotations: {summary: '{{ $labels.job }} fails'}}
`, i, i, i, i)
	}
	return b.String()
}

func benchmarkLoad(b *testing.B, d Documents, aside int) {
	for b.Loop() {
		e, err := Load(d, LoadOptions{})
		require.NoError(b, err)
		require.Len(b, e.SetAside, aside)
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 50, 500} {
		text := receivers(n)
		b.Run(fmt.Sprintf("receivers=%d", n), func(b *testing.B) {
			benchmarkLoad(b, docs(AlertmanagerDocument, text), 0)
		})
		b.Run(fmt.Sprintf("receivers=%d/one bad", n), func(b *testing.B) {
			benchmarkLoad(b, docs(AlertmanagerDocument, text+"    slack_configs: [{}]\n"), 1)
		})
	}
	b.Run("receivers=500/all bad", func(b *testing.B) {
		benchmarkLoad(b, docs(AlertmanagerDocument, strings.ReplaceAll(receivers(500), "url:", "uri:")), 500)
	})
	for _, n := range []int{1000, 10_000} {
		text := groups(n)
		b.Run(fmt.Sprintf("groups=%d", n), func(b *testing.B) {
			benchmarkLoad(b, docs(RulesPrefix+"a", text), 0)
		})
		b.Run(fmt.Sprintf("groups=%d/all say when", n), func(b *testing.B) {
			benchmarkLoad(b, docs(RulesPrefix+"a", strings.ReplaceAll(text, "    rules:", "    evaluation: clock\n    rules:")), 0)
		})
		b.Run(fmt.Sprintf("groups=%d/one bad", n), func(b *testing.B) {
			benchmarkLoad(b, docs(RulesPrefix+"a", text+"  - {name: bad, rules: [{record: a, expr: 'sum('}]}\n"), 1)
		})
		b.Run(fmt.Sprintf("groups=%d/all bad", n), func(b *testing.B) {
			benchmarkLoad(b, docs(RulesPrefix+"a", strings.ReplaceAll(text, "sum by", "sum bye")), n)
		})
	}
}

func BenchmarkRedact(b *testing.B) {
	doc := Document{Name: AlertmanagerDocument, Content: receivers(500)}
	for b.Loop() {
		require.NotEmpty(b, Redact(doc))
	}
}
