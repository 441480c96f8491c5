package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/bench/internal/contender"
)

func TestWriteRows_OneForEachContender(t *testing.T) {
	subjects := []subject{
		{"pair", contender.Contender{Name: "Pair"}},
		{"after-scrape", contender.Contender{Name: "srcprom"}},
	}
	var table strings.Builder
	require.NoError(t, writeRows(&table, "1s, one target", subjects, map[string]*result{
		"pair": {
			latency:     distributionOf([]time.Duration{time.Second, 157 * time.Millisecond}),
			evaluations: evaluations{mean: 1, max: 1.02},
			cpu:         1140 * time.Millisecond,
		},
		"after-scrape": {
			latency:     distributionOf([]time.Duration{12345 * time.Microsecond}),
			evaluations: evaluations{mean: 1.5, max: 4, missed: 3},
			cpu:         time.Second,
		},
	}))
	require.Equal(t, `| 1s, one target | Pair | 157 | 1000 | 1000 | 1000 | 2 | 1.00 (1.02) | 0 | 1.14 |
|  | srcprom | 12.3 | 12.3 | 12.3 | 12.3 | 1 | 1.50 (4.00) | 3 | 1.00 |
`, table.String())
	columns := func(line string) int { return strings.Count(line, "|") }
	for line := range strings.Lines(tableHead) {
		require.Equal(t, columns(strings.SplitN(table.String(), "\n", 2)[0]), columns(line))
	}
}

func TestSubjects_AreThoseThatWereAskedFor(t *testing.T) {
	some, err := subjects(settings{contenders: "after-scrape,pair"})
	require.NoError(t, err)
	require.Len(t, some, 2)
	require.Equal(t, "pair", some[0].key, "in the order of the table")
	_, err = subjects(settings{contenders: "pair,stopwatch"})
	require.EqualError(t, err, `no contender "stopwatch"`)
}
