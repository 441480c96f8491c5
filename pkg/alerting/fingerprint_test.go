package alerting

import (
	"regexp"
	"testing"
	"time"

	commonconfig "github.com/prometheus/common/config"
	"github.com/stretchr/testify/require"
)

func TestFingerprint_UseDoesNotChangeIt(t *testing.T) {
	load := func() any { return effective(t, allKinds).Alertmanager.Receivers }
	used := effective(t, allKinds).Alertmanager
	before := fingerprintOf(used.Receivers)
	require.NotNil(t, used.Global.HTTPConfig.Proxy()) // caches a func inside
	require.Equal(t, before, fingerprintOf(used.Receivers))
	require.Equal(t, before, fingerprintOf(load()))
}

func TestFingerprint_DiffersWhereValuesDo(t *testing.T) {
	type pair struct {
		A, B any
		c    func()
	}
	one, two := 1, 2
	values := []any{
		nil, true, false, 1, 2, uint(1), 1.5, "", "a", "b",
		commonconfig.Secret("a"), // a type alone makes no difference
		[]string{},
		[]string{"a"},
		[]string{"a", "b"},
		[]string{"ab"},
		[1]string{"a"},
		map[string]int{"a": 1},
		map[string]int{"a": 2},
		map[string]int{"a": 1, "b": 1},
		&one, &two, (*int)(nil),
		pair{A: 1},
		pair{B: 1},
		pair{A: "1"},
		pair{A: []byte("x")},
		regexp.MustCompile("a"), regexp.MustCompile("b"), time.UTC, time.FixedZone("x", 1),
		time.Unix(0, 1), time.Unix(0, 2),
	}
	seen := map[fingerprint]any{}
	for _, v := range values {
		f := fingerprintOf(v)
		if other, ok := seen[f]; ok {
			require.Contains(t, []any{"a", []string{"a"}, nil}, other, "%v has the fingerprint of %v", v, other)
		}
		seen[f] = v
		require.Equal(t, f, fingerprintOf(v))
	}
	require.Equal(t, fingerprintOf(pair{A: 1}), fingerprintOf(pair{A: 1, c: func() {}}))
	require.NotEqual(t, fingerprintOf("a", "b"), fingerprintOf("ab"))
}

func TestFingerprint_EndlessValueEnds(t *testing.T) {
	type node struct{ Next *node }
	endless := func() *node {
		loop := &node{}
		loop.Next = loop
		return loop
	}
	first := fingerprintOf(endless())
	require.Equal(t, first, fingerprintOf(endless()))
}
