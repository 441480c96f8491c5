package alerting

import (
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
)

// source says who hands an alert over.
type source string

// The sources.
const (
	sourceRule   source = "rule"
	sourceClient source = "client"
	sourceHealth source = "health"
)

// origin is where an alert comes from.
type origin struct {
	Source source // empty: nothing is known of the alert
	// Value of the rule's expression; 0 for other sources.
	Value float64
	// ReceivedAt is when it was last handed over.
	ReceivedAt time.Time
	// RuleLabels are the labels as the rule made them, before external labels and
	// relabelling; empty for other sources.
	RuleLabels labels.Labels
	// Samples are those that made it what it is; zero for other sources, and for what
	// it was before the start.
	Samples samples
}

// origin tells where an alert in the provider comes from.
func (e *engine) origin(fp model.Fingerprint) origin { return e.alertJournal.origin(fp) }

// madeBy tells the history where an alert comes from, and what its rule had last
// evaluated to.
func (e *engine) madeBy(fp model.Fingerprint) (by string, value *float64) {
	o := e.origin(fp)
	if o.Source == sourceRule {
		value = &o.Value
	}
	return string(o.Source), value
}

// RuleAlert is an alert that a rule of this server makes.
type RuleAlert struct {
	*notifier.Alert
	// Value of the rule's expression when it was last evaluated.
	Value float64
	// Sampled is the timestamp of the newest sample that this evaluation saw. Zero
	// means that it is not known.
	Sampled time.Time
}

// handed is an alert on its way into the engine.
type handed struct {
	*notifier.Alert
	source   source
	value    float64
	sampled  time.Time // zero: not known
	resolved bool      // when it was handed over
}

func (h handed) origin(now time.Time) origin {
	o := origin{Source: h.source, ReceivedAt: now}
	if h.source == sourceRule {
		o.Value, o.RuleLabels = h.value, h.Labels
		s := sample{newest: h.sampled, handed: now}
		o.Samples = samples{firing: s, resolved: s} // it is used for the one that it is
	}
	return o
}

// inPlaceOf is the alert with the sample of what it was before, which nobody has
// taken yet, where it says the same.
func (h handed) inPlaceOf(before handed) handed {
	if h.resolved == before.resolved && h.StartsAt.Equal(before.StartsAt) && (!h.resolved || h.EndsAt.Equal(before.EndsAt)) {
		h.sampled = before.sampled
	}
	return h
}

func handedBy(by source, alerts []*notifier.Alert) []handed {
	all := make([]handed, len(alerts))
	for i, a := range alerts {
		all[i] = handed{Alert: a, source: by}
	}
	return all
}

// Send hands alerts over to the built-in Alertmanager and to the external ones. It
// never blocks. What is sent after the end of Run is dropped and counted. The
// built-in one treats them as alerts that clients post; those of rules belong to
// [Manager.SendRuleAlerts].
func (m *Manager) Send(alerts ...*notifier.Alert) { m.hand(handedBy(sourceClient, alerts)) }

// SendHealth hands over alerts about this server itself, as Send does. After a
// restart they stay for as long as they were valid, so that who sends them has that
// time to say whether they still hold.
func (m *Manager) SendHealth(alerts ...*notifier.Alert) { m.hand(handedBy(sourceHealth, alerts)) }

// SendRuleAlerts hands over alerts of rules, as Send does. After a restart they
// stay until Deps.Standing says that they no longer hold.
func (m *Manager) SendRuleAlerts(alerts ...RuleAlert) {
	all := make([]handed, len(alerts))
	for i, a := range alerts {
		all[i] = handed{Alert: a.Alert, source: sourceRule, value: a.Value, sampled: a.Sampled}
	}
	m.hand(all)
}

func bare(alerts []handed) []*notifier.Alert {
	all := make([]*notifier.Alert, len(alerts))
	for i, a := range alerts {
		all[i] = a.Alert
	}
	return all
}

func (m *Manager) hand(alerts []handed) {
	if !m.external.send(alerts) {
		m.drop(externalTarget, len(alerts))
	}
	if m.engine != nil && !m.engine.queue.put(alerts) {
		m.drop(m.engine.intake.target, len(alerts))
	}
}
