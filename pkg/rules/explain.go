package rules

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// Explained is an alert that a rule makes or could make.
type Explained struct {
	Rule   client.ExplainedRule
	Labels labels.Labels // as the rule makes them, before they are handed over
}

// Explain explains the alerts that are pending or firing and whose labels match.
func (m *Manager) Explain(matches func(labels.Labels) bool) []Explained {
	var explained []Explained
	m.eachAlertingRule(func(g *rules.Group, rule *rules.AlertingRule) {
		for _, a := range rule.ActiveAlerts() {
			if !matches(a.Labels) {
				continue
			}
			explained = append(explained, Explained{Rule: explainAlert(g, rule, a), Labels: a.Labels})
		}
	})
	return explained
}

// ExplainInactive explains the rules that could make an alert with the given
// labels, each with the labels that it would have: those and the rule's own.
func (m *Manager) ExplainInactive(lset labels.Labels) []Explained {
	var explained []Explained
	m.eachAlertingRule(func(g *rules.Group, rule *rules.AlertingRule) {
		if made, ok := couldMake(rule, lset); ok {
			explained = append(explained, Explained{Rule: explainRule(g, rule), Labels: made})
		}
	})
	return explained
}

func (m *Manager) eachAlertingRule(f func(*rules.Group, *rules.AlertingRule)) {
	for _, g := range *m.groups.Load() {
		for _, rule := range g.AlertingRules() {
			f(g, rule)
		}
	}
}

func explainAlert(g *rules.Group, rule *rules.AlertingRule, a *rules.Alert) client.ExplainedRule {
	e := explainRule(g, rule)
	e.State = a.State.String()
	e.Value = strconv.FormatFloat(a.Value, 'e', -1, 64)
	e.ActiveSince = timeOrNil(a.ActiveAt)
	if a.State == rules.StatePending {
		e.FiresAt = timeOrNil(a.ActiveAt.Add(rule.HoldDuration()))
	}
	if !a.KeepFiringSince.IsZero() {
		e.KeptSince = timeOrNil(a.KeepFiringSince)
		e.KeptUntil = timeOrNil(a.KeepFiringSince.Add(rule.KeepFiringFor()))
	}
	return e
}

func explainRule(g *rules.Group, rule *rules.AlertingRule) client.ExplainedRule {
	e := client.ExplainedRule{
		Group:          g.Name(),
		File:           g.File(),
		Name:           rule.Name(),
		Query:          rule.Query().String(),
		For:            model.Duration(rule.HoldDuration()).String(),
		State:          rules.StateInactive.String(),
		Health:         string(rule.Health()),
		LastEvaluation: timeOrNil(rule.GetEvaluationTimestamp()),
	}
	if err := rule.LastError(); err != nil {
		e.Error = err.Error()
	}
	return e
}

// couldMake says whether a rule's own labels leave room for the given ones, and
// what they come to together. A label whose value is a template may become
// anything.
func couldMake(rule *rules.AlertingRule, lset labels.Labels) (labels.Labels, bool) {
	if rule.Name() != lset.Get(labels.AlertName) {
		return labels.EmptyLabels(), false
	}
	b, room := labels.NewBuilder(lset), true
	rule.Labels().Range(func(own labels.Label) {
		asked := lset.Has(own.Name)
		switch {
		case own.Name == labels.AlertName, strings.Contains(own.Value, "{{"):
		case asked && lset.Get(own.Name) != own.Value:
			room = false
		default:
			b.Set(own.Name, own.Value)
		}
	})
	return b.Labels(), room
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
