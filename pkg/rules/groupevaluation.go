package rules

import (
	"github.com/prometheus/prometheus/rules"

	"github.com/sourcegraph/srcprom/pkg/client"
)

const slowReason = "its evaluations take too long"

// GroupEvaluation tells how a group is evaluated, and what has triggered its last
// evaluation. ok is false when there is no such group. It never waits for an
// evaluation.
func (m *Manager) GroupEvaluation(file, group string) (_ client.GroupEvaluation, ok bool) {
	t := m.timing
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.groups[rules.GroupKey(file, group)]
	if g == nil {
		return client.GroupEvaluation{}, false
	}
	e := client.GroupEvaluation{Evaluation: client.EvaluationAfterScrape, Trigger: string(g.last.trigger)}
	if g.byClock() {
		e.Evaluation = client.EvaluationClock
		if e.Reason = g.reason; g.reason == "" && !g.clockAnyway() {
			e.Reason = slowReason
		}
	}
	if g.last.trigger != "" && !g.last.newest.IsZero() {
		age := g.last.age.Seconds()
		e.NewestSampleAge = &age
	}
	return e, true
}
