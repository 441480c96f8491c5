package alerting

import (
	amlabels "github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
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

func (s Selector) matchesSet(lset model.LabelSet) bool { return s.matchers.Matches(lset) }

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
