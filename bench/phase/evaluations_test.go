package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const exposition = `# HELP prometheus_rule_group_iterations_total The total number of scheduled rule group evaluations.
# TYPE prometheus_rule_group_iterations_total counter
prometheus_rule_group_iterations_total{rule_group="/tmp/r.yml;a"} 1e+06
prometheus_rule_group_iterations_total{rule_group="/tmp/r.yml;b"} 20
prometheus_rule_group_iterations_missed_total{rule_group="/tmp/r.yml;a"} 3
prometheus_rule_group_iterations_missed_total{rule_group="/tmp/r.yml;b"} 0
prometheus_rule_group_interval_seconds{rule_group="/tmp/r.yml;a"} 15
prometheus_rule_group_interval_seconds{rule_group="/tmp/r.yml;b"} 1.5
prometheus_rule_group_last_duration_seconds{rule_group="/tmp/r.yml;a"} 0.001
`

func TestParseCounters_ReadsWhatGroupsTell(t *testing.T) {
	at := time.Unix(1, 0)
	c, err := parseCounters(exposition, at)
	require.NoError(t, err)
	require.Equal(t, counters{
		at:         at,
		iterations: map[string]float64{"/tmp/r.yml;a": 1e6, "/tmp/r.yml;b": 20},
		missed:     map[string]float64{"/tmp/r.yml;a": 3, "/tmp/r.yml;b": 0},
		intervals:  map[string]float64{"/tmp/r.yml;a": 15, "/tmp/r.yml;b": 1.5},
	}, c)
}

func TestParseCounters_AnotherFormIsAnError(t *testing.T) {
	_, err := parseCounters(`prometheus_rule_group_iterations_total{rule_group="a",trigger="clock"} 1`, time.Time{})
	require.ErrorContains(t, err, "other labels than rule_group")
	_, err = parseCounters(`prometheus_rule_group_iterations_total{rule_group="a"} one`, time.Time{})
	require.ErrorContains(t, err, "prometheus_rule_group_iterations_total")
}

func TestSince_CountsPerIntervalAndGroup(t *testing.T) {
	read := func(second int64, a, b, missed float64) counters {
		return counters{
			at:         time.Unix(second, 0),
			iterations: map[string]float64{"a": a, "b": b},
			missed:     map[string]float64{"a": missed, "b": 1},
			intervals:  map[string]float64{"a": 15, "b": 30},
		}
	}
	e, err := read(160, 14, 12, 2).since(read(100, 10, 10, 0), 2)
	require.NoError(t, err)
	require.InDelta(t, 1, e.mean, 1e-9, "four in four intervals, and two in two")
	require.InDelta(t, 1, e.max, 1e-9)
	require.InDelta(t, 2, e.missed, 0)

	e, err = read(160, 26, 10, 0).since(read(100, 10, 10, 0), 2)
	require.NoError(t, err)
	require.InDelta(t, 2, e.mean, 1e-9)
	require.InDelta(t, 4, e.max, 1e-9)

	_, err = read(160, 14, 12, 2).since(read(100, 10, 10, 0), 3)
	require.ErrorContains(t, err, "2 groups tell of their evaluations, then 2, and not 3")
}
