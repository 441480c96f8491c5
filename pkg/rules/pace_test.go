package rules

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPace_NeverTwiceInOneMillisecond(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, int(300*time.Microsecond), time.UTC)
	p := pace{interval: 15 * time.Second, deadline: now}
	first := p.begin(now)
	require.Equal(t, TriggerClock, first.trigger)
	p.sampled(TriggerRules, first.at, now)
	next := p.next(now, false, &extras{})
	require.True(t, next.After(now))
	require.True(t, p.begin(next).at.After(first.at))
}
