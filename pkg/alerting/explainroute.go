package alerting

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// subject is one alert, and what is the same for it on all its routes.
type subject struct {
	*alert.Alert
	hash         uint64 // in the notification log
	firing       bool
	hypothetical bool // it is not in the provider
	silenced     []client.ExplainedSilence
	inhibited    []client.ExplainedInhibition
}

// routes explains what happens to an alert on each route that it takes.
func (x *Explainer) routes(a *alert.Alert, hypothetical bool) ([]client.ExplainedRoute, error) {
	s := subject{
		Alert: a, hash: hashAlert(a), hypothetical: hypothetical,
		firing:    hypothetical || !a.ResolvedAt(x.now),
		inhibited: x.inhibitedBy(a.Labels), silenced: x.silencedBy(a.Labels),
	}
	var explained []client.ExplainedRoute
	for _, r := range x.live.routes.Match(a.Labels) {
		e, err := x.route(s, r)
		if err != nil {
			return nil, err
		}
		explained = append(explained, e)
	}
	return explained, nil
}

func (x *Explainer) route(s subject, r *dispatch.Route) (client.ExplainedRoute, error) {
	opts, group := r.RouteOpts, groupOf(s.Labels, r)
	muted, err := x.muted(opts)
	if err != nil {
		return client.ExplainedRoute{}, err
	}
	e := client.ExplainedRoute{
		Route:          group.route,
		Receiver:       opts.Receiver,
		GroupKey:       group.key,
		GroupLabels:    plainLabels(group.labels),
		GroupWait:      model.Duration(opts.GroupWait).String(),
		GroupInterval:  model.Duration(opts.GroupInterval).String(),
		RepeatInterval: model.Duration(opts.RepeatInterval).String(),
		SilencedBy:     s.silenced,
		InhibitedBy:    s.inhibited,
		MutedBy:        muted.by,
		OutsideOf:      muted.outsideOf,
		MutedUntil:     muted.until,
		Integrations:   []client.ExplainedIntegration{},
	}
	t := x.timer(s, r, group)
	e.LastFlush, e.Next = t.last, t.next
	e.Resumes = resumes(e, t)
	e.Last = x.decided[station{receiver: opts.Receiver, group: group.key, alert: s.Fingerprint()}]
	integrations := x.live.receivers[opts.Receiver].integrations
	for i := range integrations {
		e.Integrations = append(e.Integrations, x.integration(s, &integrations[i], group, opts, t))
	}
	e.NextReason = nextReason(s, e)
	return e, nil
}

// group is the group that an alert belongs to on a route. See getGroupLabels and
// aggrGroup.GroupKey of Alertmanager's dispatch/dispatch.go.
type group struct {
	groupID
	receiver string
	labels   model.LabelSet
}

// groupID names a group among those of all routes.
type groupID struct{ route, key string }

func groupOf(lset model.LabelSet, r *dispatch.Route) group {
	labels := model.LabelSet{}
	for name, value := range lset {
		if _, ok := r.RouteOpts.GroupBy[name]; ok || r.RouteOpts.GroupByAll {
			labels[name] = value
		}
	}
	return group{
		groupID:  groupID{route: r.ID(), key: fmt.Sprintf("%s:%s", r.Key(), labels)},
		receiver: r.RouteOpts.Receiver,
		labels:   labels,
	}
}

// timer is that of a group.
type timer struct {
	interval   time.Duration
	base       time.Time  // of its ticks, which are an interval apart; zero when not known
	last, next *time.Time // nil when not known
	member     bool       // the alert is in the group
}

func (x *Explainer) timer(s subject, r *dispatch.Route, g group) timer {
	live, exists := x.groups[g.groupID]
	t := timer{interval: r.RouteOpts.GroupInterval, member: live.members[s.Fingerprint()]}
	known, ok := x.engine.stage.timers.get(flush{group: g.key, receiver: g.receiver})
	switch {
	case !exists && s.hypothetical:
		t.base = x.at.Add(r.RouteOpts.GroupWait)
		t.next = new(t.base)
		return t
	case !exists, !t.member && !s.hypothetical:
		return t
	case ok && !known.ended:
		t.base = known.next
		if !known.fired.IsZero() {
			t.last = &known.fired
		}
	default: // it is in its group_wait
		t.base = live.first.Add(r.RouteOpts.GroupWait)
		if t.base.Before(x.now) {
			t.base = time.Time{} // it is old enough to be looked at now
			return t
		}
	}
	t.next = new(t.after(x.at))
	return t
}

// after is the first look at the group after the given time. Only one whose timer
// is known can tell.
func (t timer) after(at time.Time) time.Time {
	if at.Before(t.base) {
		return t.base
	}
	return t.base.Add((at.Sub(t.base)/t.interval + 1) * t.interval)
}

// resumes is when an alert comes through again that is stopped now.
func resumes(e client.ExplainedRoute, t timer) *time.Time {
	var end time.Time
	muted := len(e.MutedBy) > 0 || len(e.OutsideOf) > 0
	if t.base.IsZero() || !t.member || len(e.InhibitedBy) > 0 || muted && e.MutedUntil == nil {
		return nil
	}
	if muted {
		end = *e.MutedUntil
	}
	if len(e.SilencedBy) > 0 && e.SilencedBy[0].EndsAt.After(end) {
		end = e.SilencedBy[0].EndsAt
	}
	if end.IsZero() {
		return nil
	}
	return new(t.after(end))
}

// nextReason says what happens when the group is looked at next.
func nextReason(s subject, e client.ExplainedRoute) string {
	var because []string
	if len(e.SilencedBy) > 0 {
		because = append(because, "silenced")
	}
	if len(e.InhibitedBy) > 0 {
		because = append(because, "inhibited")
	}
	if len(e.MutedBy) > 0 || len(e.OutsideOf) > 0 {
		because = append(because, "muted by time intervals")
	}
	var due []string
	for _, i := range e.Integrations {
		if i.Deduplicated == "" {
			due = append(due, i.Integration)
		}
	}
	switch {
	case len(e.Integrations) == 0:
		return "nothing is sent: the receiver has no integrations"
	case len(because) > 0 && (s.firing || len(due) > 0):
		return "nothing is sent: it is " + strings.Join(because, " and ")
	case len(due) == 0:
		return "nothing is sent: " + e.Integrations[0].Deduplicated
	case s.firing:
		return "it is sent to " + strings.Join(due, ", ")
	}
	return "its end is told to " + strings.Join(due, ", ")
}

func (x *Explainer) integration(s subject, i *notify.Integration, g group, opts dispatch.RouteOpts, t timer) client.ExplainedIntegration {
	e := client.ExplainedIntegration{
		Integration:  i.String(),
		SendResolved: i.SendResolved(),
		SetAside:     x.setAside(g.receiver, i),
		Last:         x.decided[station{receiver: g.receiver, integration: i.String(), group: g.key, alert: s.Fingerprint()}],
	}
	if entry := x.notified(g, i); entry != nil {
		e.LastNotified = new(entry.Timestamp.AsTime())
		switch {
		case slices.Contains(entry.FiringAlerts, s.hash):
			e.Notified, e.NotifiedAs = true, stateFiring
		case slices.Contains(entry.ResolvedAlerts, s.hash):
			e.Notified, e.NotifiedAs = true, stateResolved
		}
	}
	if s.firing {
		repeat(&e, opts, t)
	} else {
		e.Deduplicated = nothingToTell(e, t)
	}
	return e
}

// notified is the last entry of the notification log for a group and an
// integration; nil when there is none.
func (x *Explainer) notified(g group, i *notify.Integration) *nflogpb.Entry {
	return entryOf(x.engine.notified, integrationID{g.receiver, i.String()}.inLog(), g.key)
}

// repeat says when an alert that fires is sent once more. It follows
// DedupStage.needsUpdate of Alertmanager's notify/dedup_stage.go: a look at the
// group just when the repeat interval is over comes too early.
func repeat(e *client.ExplainedIntegration, opts dispatch.RouteOpts, t timer) {
	if e.NotifiedAs != stateFiring {
		return
	}
	at := e.LastNotified.Add(opts.RepeatInterval)
	if t.next != nil {
		at = latest(t.after(at), *t.next)
	}
	e.RepeatsAt = &at
	if t.next == nil || at.After(*t.next) {
		e.Deduplicated = fmt.Sprintf("it has been notified, and the repeat_interval of %s is not over", model.Duration(opts.RepeatInterval))
	}
}

// nothingToTell says why the end of an alert is not told; empty when it is.
func nothingToTell(e client.ExplainedIntegration, t timer) string {
	switch {
	case e.NotifiedAs == stateResolved:
		return "its end has been told"
	case e.NotifiedAs == "":
		return "it was not notified while it fired"
	case !e.SendResolved:
		return "it does not tell of resolved alerts"
	case !t.member:
		return "it ended while it was silenced, inhibited or muted"
	}
	return ""
}

func (x *Explainer) setAside(receiver string, i *notify.Integration) string {
	for _, l := range x.live.lost {
		if l.Receiver == receiver && l.Type == i.Name() && l.Index == i.Index() {
			return l.Reason
		}
	}
	return ""
}
