package alerting

import (
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

// maxExplained is how many alerts are explained at once: each is compared with all
// silences.
const maxExplained = 1000

// The states of an explained alert that this part knows of.
const (
	stateFiring   = "firing"
	stateResolved = "resolved"
	stateUnknown  = "unknown"
)

// Alerts explains every alert that is selected and that fires, or has ended only
// lately. The sentences are left empty.
func (x *Explainer) Alerts() ([]client.Explanation, error) {
	selected := slices.DeleteFunc(slices.Clone(x.alerts), func(a *alert.Alert) bool { return !x.selector.matchers.Matches(a.Labels) })
	if err := x.selector.Allows(len(selected)); err != nil {
		return nil, err
	}
	explanations := make([]client.Explanation, 0, len(selected))
	for _, a := range selected {
		e, err := x.explain(a)
		if err != nil {
			return nil, err
		}
		explanations = append(explanations, e)
	}
	slices.SortFunc(explanations, func(a, b client.Explanation) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	return explanations, nil
}

// explain explains an alert that is in the provider.
func (x *Explainer) explain(a *alert.Alert) (client.Explanation, error) {
	e := client.Explanation{
		Labels:      plainLabels(a.Labels),
		Fingerprint: a.Fingerprint().String(),
		State:       stateFiring,
		StartsAt:    &a.StartsAt,
		UpdatedAt:   &a.UpdatedAt,
		EndsAt:      &a.EndsAt,
	}
	e.Source, _ = x.engine.madeBy(a.Fingerprint())
	if x.asked {
		e.At = &x.at
	}
	if a.ResolvedAt(x.now) {
		e.State = stateResolved
	}
	var err error
	e.Routes, err = x.routes(a, false)
	return e, err
}

// If explains what would happen if an alert with the given labels, as a rule or a
// client makes them, fired at the given time; zero means that of the Explainer.
func (x *Explainer) If(lset labels.Labels, at time.Time) (client.Explanation, error) {
	if !at.IsZero() {
		x = x.then(at)
	}
	given, keep := x.HandOver(lset)
	if !keep {
		given = lset
	}
	e := client.Explanation{
		State:        stateUnknown,
		Hypothetical: true,
		Labels:       given.Map(),
		Fingerprint:  labelSet(given).Fingerprint().String(),
		Routes:       []client.ExplainedRoute{},
	}
	if x.asked {
		e.At = &x.at
	}
	switch {
	case !keep:
		e.DroppedBy = "alert_relabel_configs drop it"
		return e, nil
	case x.engine == nil:
		e.DroppedBy = "there is no built-in Alertmanager, so it only goes to the external ones"
		return e, nil
	}
	a := x.settings.convert(&notifier.Alert{StartsAt: x.at}, given, x.at)
	if e.DroppedBy = x.refusal(a); e.DroppedBy != "" {
		return e, nil
	}
	var err error
	e.Routes, err = x.routes(a, true)
	return e, err
}

// refusal says why the provider would not take an alert; empty when it would.
func (x *Explainer) refusal(a *alert.Alert) string {
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
	return fmt.Sprintf("%d alerts of its name fire already, which is the limit", others)
}

func plainLabels(lset model.LabelSet) map[string]string {
	plain := make(map[string]string, len(lset))
	for name, value := range lset {
		plain[string(name)] = string(value)
	}
	return plain
}
