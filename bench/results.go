package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/sourcegraph/srcprom/bench/internal/contender"
)

// row is one line of the table.
type row struct {
	title string
	unit  string
	scale float64 // what is measured, times scale, is in the unit
}

var (
	rssRow     = row{"resident memory, idle", "MB", 1e-6}
	pssRow     = row{"proportional memory, idle", "MB", 1e-6}
	cpuRow     = row{"CPU per minute, idle", "s", 1}
	sizeRow    = row{"binary size", "MB", 1e-6}
	readyRow   = row{"exec to ready", "ms", 1e3}
	latencyRow = row{"evaluation to webhook", "ms", 1e3}
)

// results collects what was measured. It is safe for concurrent use.
type results struct {
	names []string // of the contenders, the baseline first

	mu     sync.Mutex // guards what follows
	values map[row]map[string][]float64
}

func newResults(contenders []contender.Contender) *results {
	r := &results{values: map[row]map[string][]float64{}}
	for _, c := range contenders {
		r.names = append(r.names, c.Name)
	}
	return r
}

func (r *results) add(what row, name string, value float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values[what] == nil {
		r.values[what] = map[string][]float64{}
	}
	r.values[what][name] = append(r.values[what][name], value*what.scale)
}

// write prints a Markdown table: medians, with the extremes, and the ratio of
// each median to the baseline's.
func (r *results) write(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	b.WriteString("| median (min–max) |")
	for i, name := range r.names {
		fmt.Fprintf(&b, " %s |", name)
		if i > 0 {
			b.WriteString(" ratio |")
		}
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", 2*len(r.names)-1) + "\n")
	for _, what := range []row{rssRow, pssRow, cpuRow, sizeRow, readyRow, latencyRow} {
		fmt.Fprintf(&b, "| %s, %s |", what.title, what.unit)
		base := median(r.values[what][r.names[0]])
		for i, name := range r.names {
			values := r.values[what][name]
			fmt.Fprintf(&b, " %s |", summary(values))
			if i > 0 {
				fmt.Fprintf(&b, " %.2f |", median(values)/base)
			}
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func summary(values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	if low, high := slices.Min(values), slices.Max(values); low != high {
		return fmt.Sprintf("%.4g (%.4g–%.4g)", median(values), low, high)
	}
	return fmt.Sprintf("%.4g", values[0])
}

// median is 0 for no values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
