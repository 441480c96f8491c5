package alerting

import (
	"time"

	"github.com/prometheus/alertmanager/alert"
)

// sample is where a change of an alert begins: it began to fire, or it resolved.
type sample struct {
	newest time.Time // timestamp of the newest sample that the rule's evaluation saw; zero: not known
	handed time.Time // when the alert was first handed over like that
}

// samples are those of the last times that an alert began to fire and resolved.
// They are in memory only: what was restored has none.
type samples struct{ firing, resolved sample }

// of is the one that belongs to the state that the alert is in. An alert that has
// ended because nobody said that it goes on has none.
func (s samples) of(a *alert.Alert) sample {
	if a.Resolved() {
		return s.resolved
	}
	return s.firing
}

// with is what is known when an alert becomes what it is after: given has the
// sample of that hand-over. One that only says again what was said before, on newer
// samples, changes nothing. A nil before is an alert that was not there.
func (s samples) with(given samples, before, after *alert.Alert, now time.Time) samples {
	resolved := after.ResolvedAt(now)
	switch {
	case before != nil && before.ResolvedAt(now) == resolved && (!resolved || before.EndsAt.Equal(after.EndsAt)):
		return s
	case resolved:
		return samples{firing: s.firing, resolved: given.resolved}
	default:
		return samples{firing: given.firing}
	}
}
