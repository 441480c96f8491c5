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
	next := p.soonest(now)
	require.True(t, next.After(now))
	require.True(t, p.begin(next).at.After(first.at))
}

func TestTimed_NextTickGoesByTheEnginesTicker(t *testing.T) {
	first := time.Now()
	g := &timed{pace: pace{interval: 15 * time.Second}, firstTick: first}
	for after, next := range map[time.Duration]time.Duration{
		0:                          15 * time.Second,
		15*time.Second - 1:         30 * time.Second, // the first tick came a bit late
		15 * time.Second:           30 * time.Second,
		22 * time.Second:           30 * time.Second,
		10*time.Hour + time.Second: 10*time.Hour + 15*time.Second,
	} {
		require.Equal(t, next, g.nextTick(first.Add(after)).Sub(first), "%s after the first", after)
	}
}

func TestExtras_AreNotLostByOneThatTakesLong(t *testing.T) {
	now := time.Now()
	e := extras{}
	e.spend(now, time.Minute)
	require.False(t, e.left(now))
	require.True(t, e.left(now.Add(extraShare*extraMostSaved+time.Second)))
}

func TestExtras_ManySmallCommitsAreWorthLittle(t *testing.T) {
	begin := time.Now()
	e := extras{saved: -extraMostSaved, at: begin, commit: begin}
	for i := range 10_000 {
		e.committed(begin.Add(time.Duration(i) * 100 * time.Microsecond))
	}
	require.InDelta(t, -extraMostSaved+time.Second/extraMostShare, e.saved, float64(time.Millisecond))
}

func TestPace_SamplesAheadOfTheClockAreNotNewForEver(t *testing.T) {
	now := time.Now()
	p := pace{interval: 15 * time.Second}
	p.sampled(TriggerPush, now.Add(30*time.Second), now)
	for range 100 {
		now = now.Add(p.interval)
		d := p.tick(now.Add(-time.Millisecond), now)
		require.LessOrEqual(t, d.waited, p.interval+time.Millisecond)
		require.GreaterOrEqual(t, d.age, time.Duration(0))
		p.sampled(TriggerPush, now.Add(30*time.Second), now)
	}
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

func TestPace_AGroupThatHadToWaitExpectsTheNextSamplesNoLater(t *testing.T) {
	const interval = time.Second
	scrape := time.Now()
	p := pace{interval: interval}
	p.tick(scrape.Add(-interval), scrape.Add(-interval))
	none := extras{saved: -extraMostSaved, at: scrape}
	for _, waited := range []time.Duration{settle, 300 * time.Millisecond, settle, 600 * time.Millisecond, settle} {
		p.sampled(TriggerScrape, scrape, scrape)
		now := scrape.Add(waited)
		require.True(t, p.isDue(now, &none), "%s after the scrape, without an extra evaluation", waited)
		require.False(t, p.begin(now).extra)
		require.Equal(t, scrape.Add(interval+p.slack()), p.deadline)
		scrape = scrape.Add(interval)
	}
}
