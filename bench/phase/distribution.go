package main

import (
	"math"
	"slices"
	"time"
)

// distribution is what was measured, in ascending order.
type distribution []time.Duration

func distributionOf(values []time.Duration) distribution {
	return slices.Sorted(slices.Values(values))
}

// quantile is the smallest value that at least the fraction q of all do not exceed:
// a value that was measured, never one in between. It is 0 for no values.
func (d distribution) quantile(q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(len(d))))
	return d[min(max(rank, 1), len(d))-1]
}
