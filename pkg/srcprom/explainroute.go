package srcprom

import (
	"fmt"
	"strings"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// firingRoute tells of a route of an alert that fires: who was told, what stops it
// now, and what comes next.
func (n narrator) firingRoute(r *client.ExplainedRoute) string {
	if len(r.Integrations) == 0 {
		return fmt.Sprintf("receiver %q has no integrations", r.Receiver)
	}
	var clauses []string
	if facts := append(n.successes(r, "firing", "got it"), n.failures(r)...); len(facts) > 0 {
		clauses = append(clauses, fmt.Sprintf("receiver %q %s", r.Receiver, strings.Join(facts, ", and ")))
	}
	if stopped(r) {
		clauses = append(append(clauses, n.stops(r)...), n.afterwards(r))
	} else {
		clauses = append(clauses, n.next(r)...)
	}
	return strings.Join(clauses, "; ")
}

// next tells when integrations that have not got an alert get it, and when those
// that have get it again.
func (n narrator) next(r *client.ExplainedRoute) []string {
	var clauses []string
	switch due := dueAt(r); {
	case len(due) == 0:
	case n.retrying(r):
		clauses = append(clauses, "it is being tried again")
	case len(n.failed(r)) > 0:
		clauses = append(clauses, "it is tried again "+n.soon(r))
	default:
		clauses = append(clauses, fmt.Sprintf("receiver %q gets it through %s %s", r.Receiver, list(due), n.soon(r)))
	}
	if repeat := n.repeat(r); repeat != "" {
		clauses = append(clauses, repeat)
	}
	return clauses
}

// repeat tells when the first of the integrations that have got an alert gets it
// once more.
func (n narrator) repeat(r *client.ExplainedRoute) string {
	var first *client.ExplainedIntegration
	for i := range r.Integrations {
		at := &r.Integrations[i]
		if at.RepeatsAt != nil && (first == nil || at.RepeatsAt.Before(*first.RepeatsAt)) {
			first = at
		}
	}
	if first == nil {
		return ""
	}
	return fmt.Sprintf("it repeats at %s unless it resolves", n.when(*first.RepeatsAt))
}

// soon is when the group is looked at next, and why then.
func (n narrator) soon(r *client.ExplainedRoute) string {
	switch {
	case r.Next == nil:
		return "when its group is looked at next, within " + r.GroupInterval
	case r.LastFlush == nil:
		return fmt.Sprintf("at %s, when group_wait of %s is over", n.when(*r.Next), r.GroupWait)
	}
	return fmt.Sprintf("at %s, when its group is looked at next", n.when(*r.Next))
}

// dueAt are the integrations that get a notification when the group is looked at
// next, but for repetitions.
func dueAt(r *client.ExplainedRoute) []string {
	var due []string
	for _, i := range r.Integrations {
		if i.Deduplicated == "" && i.RepeatsAt == nil && i.SetAside == "" {
			due = append(due, i.Integration)
		}
	}
	return due
}

// successes tells of the integrations that were notified of the alert in a state.
func (n narrator) successes(r *client.ExplainedRoute, state, got string) []string {
	var texts []string
	for i := range r.Integrations {
		at := &r.Integrations[i]
		if at.NotifiedAs != state {
			continue
		}
		text := fmt.Sprintf("%s through %s at %s", got, at.Integration, n.when(*at.LastNotified))
		if last := at.Last; last != nil && last.Outcome == client.OutcomeDelivered && last.AlertStatus == state {
			text = fmt.Sprintf("%s through %s at %s%s", got, at.Integration, n.when(last.Time), attempt(last))
		}
		texts = append(texts, text)
	}
	return texts
}

// failures tells of the integrations whose last attempt failed, and of those that
// are set aside.
func (n narrator) failures(r *client.ExplainedRoute) []string {
	return append(n.failed(r), aside(r)...)
}

func (n narrator) failed(r *client.ExplainedRoute) []string {
	var texts []string
	for i := range r.Integrations {
		if at := &r.Integrations[i]; n.hasFailed(at) {
			texts = append(texts, fmt.Sprintf("could not be reached through %s at %s%s: %s", at.Integration, n.when(at.Last.Time), attempt(at.Last), oneLine(at.Last.Error)))
		}
	}
	return texts
}

// hasFailed says whether the last attempt at this firing of the alert has failed.
func (n narrator) hasFailed(at *client.ExplainedIntegration) bool {
	last := at.Last
	switch {
	case at.SetAside != "", last == nil, last.Outcome != client.OutcomeFailed:
		return false
	case n.of.StartsAt != nil && last.Time.Before(*n.of.StartsAt):
		return false
	}
	return at.LastNotified == nil || last.Time.After(*at.LastNotified)
}

// retrying says whether an attempt failed after which more follow at once.
func (n narrator) retrying(r *client.ExplainedRoute) bool {
	for i := range r.Integrations {
		if at := &r.Integrations[i]; n.hasFailed(at) && !at.Last.GaveUp {
			return true
		}
	}
	return false
}

func aside(r *client.ExplainedRoute) []string {
	var texts []string
	for _, i := range r.Integrations {
		if i.SetAside != "" {
			texts = append(texts, fmt.Sprintf("cannot be reached through %s, which is set aside: %s", i.Integration, oneLine(i.SetAside)))
		}
	}
	return texts
}

// stopped says whether something other than timers keeps an alert from a receiver.
func stopped(r *client.ExplainedRoute) bool {
	return len(r.SilencedBy) > 0 || len(r.InhibitedBy) > 0 || len(r.MutedBy) > 0 || len(r.OutsideOf) > 0
}

// stops tells what stops an alert. What is the same on all routes is told with the
// first of them.
func (n narrator) stops(r *client.ExplainedRoute) []string {
	var texts []string
	if r == &n.of.Routes[0] {
		texts = append(n.silences(r), n.inhibitions(r)...)
	}
	here := ""
	if len(n.of.Routes) > 1 {
		here = fmt.Sprintf(" for receiver %q", r.Receiver)
	}
	if r.MutedUntil != nil {
		here += " until " + n.when(*r.MutedUntil)
	}
	switch {
	case len(r.MutedBy) == 1:
		texts = append(texts, fmt.Sprintf("time interval %q mutes it%s", r.MutedBy[0], here))
	case len(r.MutedBy) > 1:
		texts = append(texts, fmt.Sprintf("time intervals %s mute it%s", quotedList(r.MutedBy), here))
	}
	if len(r.OutsideOf) > 0 {
		texts = append(texts, fmt.Sprintf("it is outside of active time interval %s%s", quotedList(r.OutsideOf), here))
	}
	return texts
}

func (n narrator) silences(r *client.ExplainedRoute) []string {
	var texts []string
	for _, s := range r.SilencedBy {
		texts = append(texts, fmt.Sprintf("silence %s by %s (%q) silences it until %s", s.ID, s.CreatedBy, oneLine(s.Comment), n.when(s.EndsAt)))
	}
	return few(texts)
}

func (n narrator) inhibitions(r *client.ExplainedRoute) []string {
	var texts []string
	for _, i := range r.InhibitedBy {
		texts = append(texts, fmt.Sprintf("%s inhibits it (inhibition rule: %s)", n.name(i.Labels), i.Rule))
	}
	return few(texts)
}

// few is one clause of some texts, or none.
func few(texts []string) []string {
	if len(texts) == 0 {
		return nil
	}
	return []string{list(texts)}
}

// afterwards tells what happens when an alert is not stopped any more.
func (n narrator) afterwards(r *client.ExplainedRoute) string {
	switch {
	case len(dueAt(r)) == 0:
		return fmt.Sprintf("nothing is repeated to receiver %q meanwhile", r.Receiver)
	case r.Resumes != nil:
		return fmt.Sprintf("if it still fires, receiver %q gets it at %s", r.Receiver, n.when(*r.Resumes))
	}
	return fmt.Sprintf("if it still fires after that, receiver %q gets it within %s", r.Receiver, r.GroupInterval)
}

// resolvedRoute tells of a route of an alert that has ended.
func (n narrator) resolvedRoute(r *client.ExplainedRoute) string {
	if len(r.Integrations) == 0 {
		return fmt.Sprintf("receiver %q has no integrations", r.Receiver)
	}
	facts := append(n.successes(r, "resolved", "was told of its end"), n.failures(r)...)
	for _, i := range r.Integrations {
		if i.Deduplicated != "" && i.NotifiedAs != "resolved" {
			facts = append(facts, fmt.Sprintf("is not told of its end through %s: %s", i.Integration, i.Deduplicated))
		}
	}
	switch due := dueAt(r); {
	case len(due) > 0 && stopped(r):
		facts = append(facts, strings.Join(append([]string{"is not told of its end"}, n.stops(r)...), ": "))
	case len(due) > 0:
		facts = append(facts, fmt.Sprintf("is told of its end through %s %s", list(due), n.soon(r)))
	}
	return fmt.Sprintf("receiver %q %s", r.Receiver, strings.Join(facts, ", and "))
}

// coming tells of a route of an alert that is about to fire.
func (n narrator) coming(r *client.ExplainedRoute) string { return n.future(r, "gets", "is not") }

// wouldCome tells of a route of an alert that might fire.
func (n narrator) wouldCome(r *client.ExplainedRoute) string {
	return n.future(r, "would get", "would not be")
}

func (n narrator) future(r *client.ExplainedRoute, gets, isNot string) string {
	switch {
	case len(r.Integrations) == 0:
		return fmt.Sprintf("nobody %s it: receiver %q has no integrations", gets, r.Receiver)
	case stopped(r):
		return strings.Join(append([]string{fmt.Sprintf("receiver %q %s notified", r.Receiver, isNot)}, n.stops(r)...), ": ")
	}
	var facts []string
	if due := dueAt(r); len(due) > 0 {
		facts = append(facts, fmt.Sprintf("%s it through %s %s", gets, list(due), n.delay(r)))
	}
	if facts = append(facts, aside(r)...); len(facts) == 0 { // it has ended unnoticed
		facts = append(facts, fmt.Sprintf("%s nothing new: %s", gets, r.Integrations[0].Deduplicated))
	}
	return fmt.Sprintf("receiver %q %s", r.Receiver, strings.Join(facts, ", and "))
}

// delay is when the group is looked at first.
func (n narrator) delay(r *client.ExplainedRoute) string {
	switch {
	case r.Next == nil:
		return "when its group is looked at next, within " + r.GroupInterval
	case r.LastFlush == nil:
		return "after group_wait of " + r.GroupWait
	}
	return fmt.Sprintf("at %s, when its group is looked at next", n.when(*r.Next))
}
