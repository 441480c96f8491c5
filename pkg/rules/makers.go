package rules

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
)

// makers are the rules of a set by what they make. T stands for a rule.
type makers[T any] struct {
	recorded map[string][]T // by the name of the series
	alerts   map[string][]T // by the name of the alert
}

func newMakers[T any]() makers[T] { return makers[T]{map[string][]T{}, map[string][]T{}} }

func (m makers[T]) add(rule rulefmt.Rule, as T) {
	if rule.Alert != "" {
		m.alerts[rule.Alert] = append(m.alerts[rule.Alert], as)
	} else {
		m.recorded[rule.Record] = append(m.recorded[rule.Record], as)
	}
}

// of finds the rules whose results a selector reads. alone means that it reads
// nothing else.
func (m makers[T]) of(in input) (_ []T, alone bool) {
	name := in.matcher(model.MetricNameLabel)
	switch {
	case name == nil:
		return nil, false
	case name.Type != labels.MatchEqual:
		return matching(m.recorded, name), false
	case name.Value == "ALERTS" || name.Value == "ALERTS_FOR_STATE":
		found := m.alertsOf(in.matcher(labels.AlertName))
		return found, len(found) > 0
	default:
		found := m.recorded[name.Value]
		return found, len(found) > 0
	}
}

func (m makers[T]) alertsOf(name *labels.Matcher) []T {
	if name != nil && name.Type == labels.MatchEqual {
		return m.alerts[name.Value]
	}
	return matching(m.alerts, name)
}

// matching takes nil for a matcher that matches everything.
func matching[T any](all map[string][]T, name *labels.Matcher) []T {
	var found []T
	for made, by := range all {
		if name == nil || name.Matches(made) {
			found = append(found, by...)
		}
	}
	return found
}
