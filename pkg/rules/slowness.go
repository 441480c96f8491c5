package rules

import (
	"cmp"
	"slices"
	"time"
)

const (
	// slowShare: an evaluation that takes longer than that part of the interval is
	// slow, if it takes longer than slowAtLeast or half the interval as well; one that
	// takes no more than half of that is quick.
	slowShare   = 10
	slowAtLeast = 50 * time.Millisecond
	// slowAfter so many slow ones in a row the clock evaluates a group, and until so
	// many quick ones in a row quickAfter.
	slowAfter  = 3
	quickAfter = 10
)

// slowness finds out whether the evaluations of a group take too long to be triggered
// by samples: they would hardly be earlier, and take up what others need.
type slowness struct {
	slow     bool
	inARow   int           // slow ones, or quick ones while slow
	lastSlow time.Duration // how long the last slow one took
}

func (s *slowness) took(d, interval time.Duration) {
	limit := max(interval/slowShare, min(slowAtLeast, interval/2))
	if d > limit {
		s.lastSlow = d
	}
	counts, enough := d > limit, slowAfter
	if s.slow {
		counts, enough = d <= limit/2, quickAfter
	}
	if !counts {
		s.inARow = 0
		return
	}
	if s.inARow++; s.inARow >= enough {
		s.slow, s.inARow = !s.slow, 0
	}
}

// SlowGroup tells of a group whose evaluations take so long that the clock triggers
// them instead of samples.
type SlowGroup struct {
	File, Group string
	Interval    time.Duration
	// Took is how long the last evaluation took that was slow.
	Took time.Duration
}

// Slow are the groups that are evaluated by the clock since their evaluations take
// long, sorted. It never waits for an evaluation.
func (m *Manager) Slow() []SlowGroup {
	t := m.timing
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []SlowGroup
	for _, g := range t.groups {
		if g.slow && !g.clockAnyway() {
			all = append(all, SlowGroup{File: g.file, Group: g.name, Interval: g.interval, Took: g.lastSlow})
		}
	}
	slices.SortFunc(all, func(a, b SlowGroup) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Group, b.Group))
	})
	return all
}
