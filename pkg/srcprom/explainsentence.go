package srcprom

import (
	"fmt"
	"strings"
	"time"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// sentence says all that is to be said of an alert. Times of today are without
// their date; all are UTC.
func sentence(e *client.Explanation, now time.Time) string {
	n := narrator{now: now, of: e}
	clauses := []string{n.begin()}
	clauses = append(clauses, n.sourceTroubles()...)
	if !e.Hypothetical && e.At != nil {
		clauses = append(clauses, "silences and time intervals are taken as of "+n.when(*e.At))
	}
	return n.name(e.Labels) + " " + strings.Join(clauses, "; ") + "."
}

// narrator puts one explanation into words.
type narrator struct {
	now time.Time
	of  *client.Explanation
}

func (n narrator) begin() string {
	e := n.of
	switch {
	case e.State == "pending":
		return n.pending()
	case e.State == "firing" && e.Hypothetical:
		return n.onItsWay()
	case e.State == "firing":
		return n.firing()
	case e.State == "resolved":
		return n.resolved()
	case e.State == "inactive":
		return n.inactive()
	}
	return "does not fire, and no rule of this server makes it; " + n.conditional("if it fired ")
}

// firing tells of an alert that alerting has.
func (n narrator) firing() string {
	verdict := " but was not notified"
	switch {
	case n.told("firing"):
		verdict = " and was notified"
	case n.onlyWaits():
		verdict = " but was not notified yet"
	}
	begin := "fires since " + n.when(*n.of.StartsAt)
	if rule := n.of.Rule; rule != nil && rule.KeptSince == nil {
		begin += " with value " + plainNumber(rule.Value)
	}
	return begin + verdict + ": " + n.routes(n.firingRoute)
}

func (n narrator) resolved() string {
	e := n.of
	begin := fmt.Sprintf("has ended at %s, having fired since %s", n.when(*e.EndsAt), n.when(*e.StartsAt))
	if n.told("resolved") {
		return begin + ", and that was notified: " + n.routes(n.resolvedRoute)
	}
	return begin + ": " + n.routes(n.resolvedRoute)
}

// told says whether any integration was notified of the alert in a state.
func (n narrator) told(state string) bool {
	for _, route := range n.of.Routes {
		for _, i := range route.Integrations {
			if i.NotifiedAs == state {
				return true
			}
		}
	}
	return false
}

// onlyWaits says whether nothing stands between the alert and its receivers but the
// timers of its groups.
func (n narrator) onlyWaits() bool {
	for i := range n.of.Routes {
		route := &n.of.Routes[i]
		if stopped(route) || len(route.Integrations) == 0 || len(n.failures(route)) > 0 {
			return false
		}
	}
	return true
}

// onItsWay tells of an alert that its rule has let fire, and that alerting does not
// have.
func (n narrator) onItsWay() string {
	e := n.of
	begin := fmt.Sprintf("fires, as the expression of %s is true since %s (value %s), ", n.rule(), n.when(*e.Rule.ActiveSince), plainNumber(e.Rule.Value))
	if e.DroppedBy != "" {
		return begin + "but is not notified: " + e.DroppedBy
	}
	return begin + "and is being handed over: " + n.routes(n.coming)
}

func (n narrator) pending() string {
	e := n.of
	return fmt.Sprintf("is pending: the expression of %s is true since %s (value %s) and it fires at %s if it stays so; then %s",
		n.rule(), n.when(*e.Rule.ActiveSince), plainNumber(e.Rule.Value), n.when(*e.Rule.FiresAt), n.outcome(n.coming))
}

func (n narrator) inactive() string {
	e := n.of
	evaluated := "has not been evaluated yet"
	switch {
	case e.Rule.Error != "":
		evaluated = "cannot be evaluated"
	case e.Rule.LastEvaluation != nil:
		evaluated = "does not return it, last evaluated at " + n.when(*e.Rule.LastEvaluation)
	}
	return fmt.Sprintf("does not fire: %s %s; %s", n.rule(), evaluated, n.conditional("if it fired "))
}

// conditional tells what would happen.
func (n narrator) conditional(begin string) string {
	when := "now"
	if n.of.At != nil {
		when = "at " + n.when(*n.of.At)
	}
	return begin + when + ", " + n.outcome(n.wouldCome) + n.before()
}

func (n narrator) outcome(route func(*client.ExplainedRoute) string) string {
	if n.of.DroppedBy != "" {
		return "nobody would be notified: " + n.of.DroppedBy
	}
	return n.routes(route)
}

func (n narrator) routes(route func(*client.ExplainedRoute) string) string {
	texts := make([]string, 0, len(n.of.Routes))
	for i := range n.of.Routes {
		texts = append(texts, route(&n.of.Routes[i]))
	}
	return strings.Join(texts, "; ")
}

// before tells what the history last has of an alert that does not fire now.
func (n narrator) before() string {
	var last *client.HistoryEntry
	for i := range n.of.Routes {
		route := &n.of.Routes[i]
		last = later(last, route.Last)
		for j := range route.Integrations {
			last = later(last, route.Integrations[j].Last)
		}
	}
	if last == nil {
		return ""
	}
	text := fmt.Sprintf("; the history has it last at %s: %s, %s", n.when(last.Time), last.AlertStatus, last.Outcome)
	switch last.Outcome {
	case client.OutcomeDelivered, client.OutcomeFailed:
		return text + fmt.Sprintf(" (receiver %q, %s)", last.Receiver, last.Integration)
	}
	return text + fmt.Sprintf(" (receiver %q)", last.Receiver)
}

func later(a, b *client.HistoryEntry) *client.HistoryEntry {
	if a == nil || b != nil && b.Time.After(a.Time) {
		return b
	}
	return a
}

// sourceTroubles tells what is unusual about where the alert comes from, and what
// of that may end it.
func (n narrator) sourceTroubles() []string {
	e := n.of
	live := e.State == "firing" && !e.Hypothetical
	switch {
	case e.Rule != nil:
		return n.ruleTroubles(e.Rule)
	case live && e.Source == "rule":
		return []string{"no rule returns it at present, so it ends as soon as that is certain"}
	case live && e.Source == "client" && e.EndsAt != nil:
		return []string{fmt.Sprintf("it ends at %s unless it is posted again", n.when(*e.EndsAt))}
	}
	return nil
}

func (n narrator) ruleTroubles(rule *client.ExplainedRule) []string {
	var texts []string
	if rule.KeptSince != nil {
		texts = append(texts, fmt.Sprintf("its expression is not true since %s, and keep_firing_for keeps it until %s",
			n.when(*rule.KeptSince), n.when(*rule.KeptUntil)))
	}
	if rule.Error != "" {
		texts = append(texts, "its rule fails: "+oneLine(rule.Error))
	}
	return texts
}
