package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// tableHead is the head of the Markdown table. Rows are written as they become
// known, so that a run that is ended early has told what it knew.
const tableHead = `| | | median, ms | p90, ms | p99, ms | max, ms | notifications | evaluations per interval and group (max) | missed | CPU, s/min |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
`

// writeRows writes a row for each contender of a scenario.
func writeRows(w io.Writer, title string, subjects []subject, results map[string]*result) error {
	var b strings.Builder
	for _, s := range subjects {
		r := results[s.key]
		fmt.Fprintf(&b, "| %s | %s |", title, s.Name)
		for _, q := range []float64{0.5, 0.9, 0.99, 1} {
			fmt.Fprintf(&b, " %s |", milliseconds(r.latency.quantile(q)))
		}
		fmt.Fprintf(&b, " %d | %.2f (%.2f) | %.0f | %.2f |\n", len(r.latency),
			r.evaluations.mean, r.evaluations.max, r.evaluations.missed, r.cpu.Seconds())
		title = "" // once is enough
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// milliseconds has a digit after the point where it says something.
func milliseconds(d time.Duration) string {
	ms := d.Seconds() * 1e3
	if ms < 100 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}
