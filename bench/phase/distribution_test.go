package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuantile_IsAValueThatWasMeasured(t *testing.T) {
	var values []time.Duration
	for i := 100; i > 0; i-- {
		values = append(values, time.Duration(i))
	}
	d := distributionOf(values)
	require.EqualValues(t, 50, d.quantile(0.5))
	require.EqualValues(t, 90, d.quantile(0.9))
	require.EqualValues(t, 99, d.quantile(0.99))
	require.EqualValues(t, 100, d.quantile(1))
	require.EqualValues(t, 1, d.quantile(0))

	few := distributionOf([]time.Duration{3, 1, 2})
	require.EqualValues(t, 2, few.quantile(0.5))
	require.EqualValues(t, 3, few.quantile(0.99), "of few values the p99 is the largest")
	require.Zero(t, distributionOf(nil).quantile(0.5))
}
