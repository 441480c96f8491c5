package health

import (
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"

	"github.com/sourcegraph/srcprom/pkg/client"
)

const (
	// AlertDeadMansSwitch always fires, where [Options.DeadMansSwitch] is set.
	AlertDeadMansSwitch = "SrcpromDeadMansSwitch"
	// alertPrefix is what the names of all alerts begin with.
	alertPrefix = "Srcprom"
	// serviceName is what routes know the server by.
	serviceName = "prometheus"
	// validity is how many sendings an alert outlives.
	validity = 4
)

// raised is a problem from when it is first seen until it has been gone for long
// enough.
type raised struct {
	problem client.HealthProblem
	since   time.Time // it has stood without a gap that was long enough
	seen    time.Time // last
	sent    time.Time // last; zero before its alert is raised
}

// stepLocked brings alerts up to date with a health, and returns those to send.
func (m *Monitor) stepLocked(health client.Health, now time.Time) []*notifier.Alert {
	for _, part := range health.Parts {
		for _, p := range part.Problems {
			m.noteLocked(p, now)
		}
	}
	var alerts []*notifier.Alert
	for id, r := range m.raised {
		gone := !r.seen.Equal(now)
		switch {
		case gone && r.sent.IsZero():
			delete(m.raised, id) // it did not stand
		case gone && now.Sub(r.seen) >= m.opts.Pending:
			delete(m.raised, id)
			alerts = append(alerts, m.alert(r, now))
		case r.sent.IsZero() && now.Sub(r.since) < m.opts.Pending:
		case r.sent.IsZero() || now.Sub(r.sent) >= m.opts.Resend:
			r.sent = now
			alerts = append(alerts, m.alert(r, now.Add(validity*m.opts.Resend)))
		}
	}
	if s := m.deadMansSwitchLocked(now); s != nil {
		alerts = append(alerts, s)
	}
	return alerts
}

func (m *Monitor) noteLocked(p client.HealthProblem, now time.Time) {
	if p.Alert == "" {
		return
	}
	id := identify(p)
	r := m.raised[id]
	if r == nil {
		r = &raised{since: now}
		m.raised[id] = r
	}
	r.problem, r.seen = p, now
}

// alert makes the alert of a problem. Its labels are the same as long as the
// problem lasts, so what may change in its words is in annotations. The label
// "description" is for routes and templates that are written for such labels.
func (m *Monitor) alert(r *raised, endsAt time.Time) *notifier.Alert {
	p := r.problem
	description := serviceName + ": " + strings.Join(words(p.Alert), " ")
	if p.Subject != "" {
		description += " (" + p.Subject + ")"
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set(labels.AlertName, p.Alert)
	b.Set("level", p.Level)
	b.Set("severity", p.Level)
	b.Set("service_name", serviceName)
	b.Set("name", strings.Join(words(p.Alert), "_"))
	b.Set("owner", m.opts.Owner)
	b.Set("subject", p.Subject)
	b.Set("description", description)
	return &notifier.Alert{
		Labels:       b.Labels(),
		Annotations:  labels.FromStrings("summary", p.Summary, "description", strings.TrimSpace(p.Summary+" "+p.Remedy), "remedy", p.Remedy).WithoutEmpty(),
		StartsAt:     r.since,
		EndsAt:       endsAt,
		GeneratorURL: m.deps.Link,
	}
}

// deadMansSwitchLocked returns the alert that always fires, when it is due.
func (m *Monitor) deadMansSwitchLocked(now time.Time) *notifier.Alert {
	every := m.opts.DeadMansSwitch
	if every == 0 || !m.switchSent.IsZero() && now.Sub(m.switchSent) < every/validity {
		return nil
	}
	if m.switchSince.IsZero() {
		m.switchSince = now
	}
	m.switchSent = now
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set(labels.AlertName, AlertDeadMansSwitch)
	b.Set("severity", "none")
	b.Set("service_name", serviceName)
	b.Set("name", strings.Join(words(AlertDeadMansSwitch), "_"))
	b.Set("owner", m.opts.Owner)
	return &notifier.Alert{
		Labels: b.Labels(),
		Annotations: labels.FromStrings(
			"summary", "Alerting works.",
			"description", "This alert always fires. When nothing is heard of it any more, alerts are not delivered."),
		StartsAt:     m.switchSince,
		EndsAt:       now.Add(max(every, 2*m.opts.Interval)),
		GeneratorURL: m.deps.Link,
	}
}

// words are those of an alert's name, without the prefix, in lower case.
func words(alert string) []string {
	var all []string
	for i, r := range strings.TrimPrefix(alert, alertPrefix) {
		if unicode.IsUpper(r) || i == 0 {
			all = append(all, "")
		}
		all[len(all)-1] += string(unicode.ToLower(r))
	}
	return all
}
