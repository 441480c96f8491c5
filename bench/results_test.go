package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/bench/internal/contender"
)

func TestResults_TableHasMediansAndRatios(t *testing.T) {
	r := newResults([]contender.Contender{{Name: "pair"}, {Name: "srcprom"}})
	for _, ms := range []float64{0.3, 0.1, 0.2} {
		r.add(readyRow, "pair", ms)
		r.add(readyRow, "srcprom", ms/2)
	}
	r.add(sizeRow, "pair", 200e6)
	r.add(sizeRow, "srcprom", 100e6)

	var table strings.Builder
	require.NoError(t, r.write(&table))
	require.Contains(t, table.String(), "| median (min–max) | pair | srcprom | ratio |\n|---|---|---|---|\n")
	require.Contains(t, table.String(), "| exec to ready, ms | 200 (100–300) | 100 (50–150) | 0.50 |\n")
	require.Contains(t, table.String(), "| binary size, MB | 200 | 100 | 0.50 |\n")
}

func TestMedian_OfEvenlyManyIsBetweenTheMiddleTwo(t *testing.T) {
	require.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 1e-9)
	require.Zero(t, median(nil))
}
