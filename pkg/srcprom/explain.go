package srcprom

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/rules"
)

// Explain says of each alert that satisfies the matchers why it was notified of or
// was not, and what comes next; where there is none and the matchers only demand
// equality, what would happen if there was one. An error that wraps
// [alerting.QueryError] says what is wrong with the query.
func (s *Server) Explain(ctx context.Context, q client.ExplainQuery) (*client.Explanations, error) {
	if s.started == nil {
		return nil, errNotMade
	}
	if len(q.Matchers) == 0 {
		return nil, alerting.QueryError{Reason: `matchers are missing: want some, such as {alertname="Disk"}`}
	}
	answer := &client.Explanations{Alerts: []client.Explanation{}}
	for _, matchers := range q.Matchers {
		selector, err := alerting.ParseSelector(matchers)
		if err != nil {
			return nil, err
		}
		explainer, err := s.alerting.Explainer(ctx, selector, q.At)
		if err != nil {
			return nil, err
		}
		alerts, err := (&explanation{Explainer: explainer, rules: s.rules, selector: selector}).run()
		if err != nil {
			return nil, err
		}
		answer.Alerts = append(answer.Alerts, alerts...)
	}
	answer.Alerts = slices.CompactFunc(inOrder(answer.Alerts), sameAlert)
	now := time.Now()
	for i := range answer.Alerts {
		answer.Alerts[i].Sentence = sentence(&answer.Alerts[i], now)
	}
	return answer, nil
}

// inOrder sorts by labels, since one set of matchers may bring what another has
// brought already.
func inOrder(alerts []client.Explanation) []client.Explanation {
	slices.SortStableFunc(alerts, func(a, b client.Explanation) int {
		if order := labels.Compare(labels.FromMap(a.Labels), labels.FromMap(b.Labels)); order != 0 {
			return order
		}
		return strings.Compare(ruleOf(a), ruleOf(b))
	})
	return alerts
}

func sameAlert(a, b client.Explanation) bool {
	return a.Fingerprint == b.Fingerprint && ruleOf(a) == ruleOf(b)
}

func ruleOf(e client.Explanation) string {
	if e.Rule == nil {
		return ""
	}
	return strings.Join([]string{e.Rule.File, e.Rule.Group, e.Rule.Name, e.Rule.Query}, "\xff")
}

// explanation joins what the rules know of alerts to what alerting knows of them.
type explanation struct {
	*alerting.Explainer
	rules    *rules.Manager
	selector alerting.Selector
}

func (x *explanation) run() ([]client.Explanation, error) {
	alerts, err := x.Alerts()
	if err != nil {
		return nil, err
	}
	made := x.rules.Explain(func(lset labels.Labels) bool {
		given, _ := x.HandOver(lset)
		return x.selector.Matches(given) || x.selector.Matches(lset)
	})
	missing := x.join(alerts, made)
	if err := x.selector.Allows(len(alerts) + len(missing)); err != nil {
		return nil, err
	}
	for _, m := range missing {
		e, err := x.notThere(m)
		if err != nil {
			return nil, err
		}
		alerts = append(alerts, e)
	}
	if len(alerts) > 0 {
		return alerts, nil
	}
	return x.hypothetical()
}

// join puts the rules to the alerts that they have made, and returns what alerting
// does not have of these: pending ones, dropped ones, and those still on their way.
func (x *explanation) join(alerts []client.Explanation, made []rules.Explained) (missing []rules.Explained) {
	places := make(map[string]int, len(alerts))
	for i := range alerts {
		places[labels.FromMap(alerts[i].Labels).String()] = i
	}
	for _, m := range made {
		given, keep := x.HandOver(m.Labels)
		i, there := places[given.String()]
		switch {
		case !keep || !there:
			missing = append(missing, m)
		case m.Rule.FiresAt == nil || alerts[i].Rule == nil: // one that fires wins over one that is pending
			alerts[i].Rule = &m.Rule
		}
	}
	return missing
}

// notThere explains an alert of a rule that alerting does not have. One that is
// pending is explained for the time when it fires.
func (x *explanation) notThere(m rules.Explained) (client.Explanation, error) {
	var at time.Time
	if m.Rule.FiresAt != nil {
		at = x.Later(*m.Rule.FiresAt)
	}
	e, err := x.If(m.Labels, at)
	e.Rule, e.State = &m.Rule, m.Rule.State
	return e, err
}

// hypothetical explains what would happen if an alert had just the labels that are
// asked for, and those that its rule adds.
func (x *explanation) hypothetical() ([]client.Explanation, error) {
	asked, ok := x.selector.Labels()
	if !ok {
		return nil, nil
	}
	candidates := x.rules.ExplainInactive(asked)
	if len(candidates) == 0 {
		e, err := x.If(asked, time.Time{})
		return []client.Explanation{e}, err
	}
	var alerts []client.Explanation
	for _, c := range candidates {
		e, err := x.If(c.Labels, time.Time{})
		if err != nil {
			return nil, err
		}
		e.Rule, e.State = &c.Rule, c.Rule.State
		alerts = append(alerts, e)
	}
	return alerts, x.selector.Allows(len(alerts))
}
