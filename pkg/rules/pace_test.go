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

func TestPace_TheClockDoesNotDrift(t *testing.T) {
	const interval = 15 * time.Second
	begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	p := pace{interval: interval}
	p.tick(begin, begin)
	for i := range 1000 {
		due := begin.Add(time.Duration(i+1) * interval)
		require.Equal(t, due, p.deadline)
		late := time.Duration(i%30) * time.Millisecond
		require.Equal(t, due, p.begin(due.Add(late)).at)
	}
	now := p.deadline.Add(interval)
	require.Equal(t, now, p.begin(now).at, "but where one comes very late, a new rhythm begins")
	require.Equal(t, now.Add(interval), p.deadline)
}
