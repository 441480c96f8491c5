package rules

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/prometheus/rules"
)

// GroupFailure tells of a group whose last evaluation failed.
type GroupFailure struct {
	File, Group string
	// Rules are the names of those that could not be evaluated.
	Rules []string
	// Err is the error of the first of them.
	Err error
	// Since is when the first of the evaluations that failed one after another
	// began, and Count how many they are.
	Since time.Time
	Count int
}

// MissedEvaluations tells of a group that was not evaluated when it was due, since
// the evaluation before took too long.
type MissedEvaluations struct {
	File, Group string
	Interval    time.Duration
	// Count is how many were missed since the last time that none was for a while.
	Count int
	// Since is when the first of them was noticed, Last when the last was.
	Since, Last time.Time
}

// missedGoesOn is how long after a missed evaluation the next one counts as of
// the same trouble: so many intervals.
const missedGoesOn = 10

// Failures are the groups whose last evaluation failed, sorted. It never waits for
// an evaluation.
func (m *Manager) Failures() []GroupFailure {
	t := m.evaluations
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []GroupFailure
	for _, e := range t.groups {
		if e.failed != nil {
			all = append(all, *e.failed)
		}
	}
	slices.SortFunc(all, func(a, b GroupFailure) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Group, b.Group))
	})
	return all
}

// Missed are the groups that miss evaluations, sorted. It never waits for an
// evaluation.
func (m *Manager) Missed() []MissedEvaluations {
	t := m.evaluations
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []MissedEvaluations
	for _, e := range t.groups {
		if e.missed != nil && !e.missed.over(time.Now()) {
			all = append(all, *e.missed)
		}
	}
	slices.SortFunc(all, func(a, b MissedEvaluations) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Group, b.Group))
	})
	return all
}

// next is the failure after an evaluation that began at the given time.
func (f *GroupFailure) next(g *rules.Group, begin time.Time) *GroupFailure {
	var names []string
	var first error
	for _, rule := range g.Rules() {
		if rule.Health() != rules.HealthBad {
			continue
		}
		if names = append(names, rule.Name()); first == nil {
			first = rule.LastError()
		}
	}
	if names == nil {
		return nil
	}
	next := &GroupFailure{File: g.File(), Group: g.Name(), Rules: names, Err: first, Since: begin, Count: 1}
	if f != nil {
		next.Since, next.Count = f.Since, f.Count+1
	}
	return next
}

// and adds the evaluations that were left out between two.
func (e *MissedEvaluations) and(g *rules.Group, before, at, now time.Time) *MissedEvaluations {
	if before.IsZero() {
		return nil
	}
	if e != nil && e.over(now) {
		e = nil
	}
	missed := int(at.Sub(before)/g.Interval()) - 1
	if missed <= 0 {
		return e
	}
	sum := MissedEvaluations{File: g.File(), Group: g.Name(), Interval: g.Interval(), Since: now}
	if e != nil {
		sum.Count, sum.Since = e.Count, e.Since
	}
	sum.Count += missed
	sum.Last = now
	return &sum
}

func (e *MissedEvaluations) over(now time.Time) bool {
	return now.Sub(e.Last) > missedGoesOn*e.Interval
}
