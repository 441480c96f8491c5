package alerting

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// MaxExplained is how many alerts are explained at once: each is compared with all
// silences and all alerts.
const MaxExplained = 1000

// The states of an explained alert that this part knows of.
const (
	stateFiring   = "firing"
	stateResolved = "resolved"
	stateUnknown  = "unknown"
)

// Explain explains every alert that is selected and that fires, or has ended only
// lately. At the given time, zero for now, silences, inhibitions and time
// intervals are looked at. The sentences are left empty.
func (m *Manager) Explain(ctx context.Context, selector Selector, at time.Time) ([]client.Explanation, error) {
	if m.engine == nil {
		return nil, nil
	}
	x, err := m.explainer(at)
	if err != nil {
		return nil, err
	}
	selected := slices.DeleteFunc(slices.Clone(x.alerts), func(a *alert.Alert) bool { return !selector.matchesSet(a.Labels) })
	if len(selected) > MaxExplained {
		return nil, QueryError{Reason: fmt.Sprintf("%d alerts satisfy %s: at most %d are explained at once, so add matchers", len(selected), selector.text, MaxExplained)}
	}
	if err := x.lookUp(ctx, selector.text); err != nil {
		return nil, err
	}
	explanations := make([]client.Explanation, 0, len(selected))
	for _, a := range selected {
		e, err := x.explain(ctx, a)
		if err != nil {
			return nil, err
		}
		explanations = append(explanations, e)
	}
	slices.SortFunc(explanations, func(a, b client.Explanation) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	return explanations, nil
}

// ExplainIf explains what would happen if an alert with the given labels, as a
// rule or a client makes them, fired at the given time; zero means now.
func (m *Manager) ExplainIf(ctx context.Context, lset labels.Labels, at time.Time) (client.Explanation, error) {
	e := client.Explanation{State: stateUnknown, Hypothetical: true, Labels: lset.Map(), Routes: []client.ExplainedRoute{}}
	given, keep, err := m.Relabelled(lset)
	if err != nil {
		return e, err
	}
	e.Fingerprint = labelSet(given).Fingerprint().String()
	switch {
	case !keep:
		e.DroppedBy = "alert_relabel_configs drop it"
		return e, nil
	case m.engine == nil:
		e.Labels = given.Map()
		e.DroppedBy = "there is no built-in Alertmanager, it only goes to the external ones"
		return e, nil
	}
	x, err := m.explainer(at)
	if err != nil {
		return e, err
	}
	e.Labels = given.Map()
	if !at.IsZero() {
		e.At = &x.at
	}
	a := m.engine.intake.settings.Load().convert(&notifier.Alert{StartsAt: x.at}, given, x.at)
	if e.DroppedBy = x.refusal(a); e.DroppedBy != "" {
		return e, nil
	}
	if err := x.lookUp(ctx, selectorOf(a.Labels)); err != nil {
		return e, err
	}
	e.Routes, err = x.routes(ctx, a, true)
	return e, err
}

// Relabelled are the labels that an alert has once it was handed over: external
// labels where it lacks them, then alert_relabel_configs. keep is false when these
// drop it.
func (m *Manager) Relabelled(lset labels.Labels) (_ labels.Labels, keep bool, _ error) {
	current := m.current.Load()
	if current == nil {
		return labels.EmptyLabels(), false, errNotConfigured
	}
	given, keep := newIntakeSettings(current.prom, 0).relabelled(lset)
	return given, keep, nil
}

// explain explains an alert that is in the provider.
func (x *explainer) explain(ctx context.Context, a *alert.Alert) (client.Explanation, error) {
	e := client.Explanation{
		Labels:      plainLabels(a.Labels),
		Fingerprint: a.Fingerprint().String(),
		State:       stateFiring,
		StartsAt:    &a.StartsAt,
		UpdatedAt:   &a.UpdatedAt,
	}
	if x.asked {
		e.At = &x.at
	}
	if a.ResolvedAt(x.now) {
		e.State, e.EndsAt = stateResolved, &a.EndsAt
	}
	var err error
	e.Routes, err = x.routes(ctx, a, false)
	return e, err
}

// refusal says why the provider would not take an alert; empty when it would.
func (x *explainer) refusal(a *alert.Alert) string {
	if err := a.Validate(); err != nil {
		return fmt.Sprintf("it is not valid: %s", err)
	}
	limit := x.engine.opts.PerAlertNameLimit
	if limit == 0 {
		return ""
	}
	var others int
	for _, other := range x.firing {
		if other.Name() == a.Name() && other.Fingerprint() != a.Fingerprint() {
			others++
		}
	}
	if others < limit {
		return ""
	}
	return fmt.Sprintf("%d alerts of that name fire already, as many as the limit of alerts per name allows", others)
}

// selectorOf selects the alert with exactly these labels, and those that have more.
func selectorOf(lset model.LabelSet) string { return lset.String() }

func plainLabels(lset model.LabelSet) map[string]string {
	plain := make(map[string]string, len(lset))
	for name, value := range lset {
		plain[string(name)] = string(value)
	}
	return plain
}
