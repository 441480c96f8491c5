package rules

import (
	"cmp"
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"

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

// point is a sample as it is stored.
type point struct {
	at    time.Time
	v     float64 // 0 for a marker
	stale bool
}

// stored are all samples of the only series that has these labels.
func (m *testManager) stored(t *testing.T, lbls ...string) []point {
	t.Helper()
	var matchers []*labels.Matcher
	for i := 0; i < len(lbls); i += 2 {
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, lbls[i], lbls[i+1]))
	}
	q, err := m.db.Querier(0, time.Now().Add(time.Hour).UnixMilli())
	require.NoError(t, err)
	defer q.Close()
	var points []point
	set := q.Select(t.Context(), true, nil, matchers...)
	for set.Next() {
		require.Empty(t, points, "a second series: %s", set.At().Labels())
		it := set.At().Iterator(nil)
		for it.Next() == chunkenc.ValFloat {
			at, v := it.At()
			p := point{at: time.UnixMilli(at).UTC(), v: v}
			if value.IsStaleNaN(v) {
				p.v, p.stale = 0, true
			}
			points = append(points, p)
		}
		require.NoError(t, it.Err())
	}
	require.NoError(t, set.Err())
	return points
}

// without are the samples that are no markers.
func without(markers []point) []point {
	return slices.DeleteFunc(slices.Clone(markers), func(p point) bool { return p.stale })
}

// counter is the value of one of the engine's counters for a group.
func (m *testManager) counter(t *testing.T, name, group string) float64 {
	t.Helper()
	families, err := m.registry.Gather()
	require.NoError(t, err)
	i, ok := slices.BinarySearchFunc(families, name, func(f *dto.MetricFamily, name string) int { return cmp.Compare(f.GetName(), name) })
	require.True(t, ok, "%s", name)
	for _, metric := range families[i].GetMetric() {
		if metric.GetLabel()[0].GetValue() == group {
			return metric.GetCounter().GetValue()
		}
	}
	require.Failf(t, "no such metric", "%s of %s", name, group)
	return 0
}
