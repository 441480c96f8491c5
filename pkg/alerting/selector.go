package alerting

import (
	"fmt"

	amlabels "github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/prometheus/model/labels"
)

// Selector selects alerts by one set of matchers, all of which an alert must
// satisfy.
type Selector struct {
	text     string
	matchers amlabels.Matchers
}

// ParseSelector reads a set of matchers such as `{alertname="Disk"}`. Its error is
// a [QueryError].
func ParseSelector(text string) (Selector, error) {
	sets, err := parseMatchers([]string{text})
	if err != nil {
		return Selector{}, err
	}
	return Selector{text: text, matchers: sets[0]}, nil
}

// Matches says whether an alert with the given labels is selected.
func (s Selector) Matches(lset labels.Labels) bool {
	for _, m := range s.matchers {
		if !m.Matches(lset.Get(m.Name)) {
			return false
		}
	}
	return true
}

// Allows refuses, with a [QueryError], to explain more alerts than can be at once.
func (s Selector) Allows(alerts int) error {
	if alerts <= maxExplained {
		return nil
	}
	return QueryError{Reason: fmt.Sprintf("%d alerts satisfy %s, but at most %d are explained at once: add matchers", alerts, s.text, maxExplained)}
}

// Labels are those of the one alert that a selector describes when it demands
// equality only; false when it does not, or demands none at all.
func (s Selector) Labels() (labels.Labels, bool) {
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, m := range s.matchers {
		if m.Type != amlabels.MatchEqual {
			return labels.EmptyLabels(), false
		}
		b.Set(m.Name, m.Value)
	}
	lset := b.Labels()
	return lset, !lset.IsEmpty() && s.Matches(lset)
}
