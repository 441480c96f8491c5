package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// maybe is what the model knows of one thing: the states that it can be in. What
// was acknowledged is in one state. A request that was sent and not answered adds a
// state, and looking after the restart tells which it is.
type maybe[S comparable] struct{ states []S }

func is[S comparable](state S) maybe[S] { return maybe[S]{states: []S{state}} }

// become is a change that was acknowledged.
func (m *maybe[S]) become(state S) { m.states = []S{state} }

// mayBecome is a change of which nobody knows whether it took effect.
func (m *maybe[S]) mayBecome(state S) {
	if !slices.Contains(m.states, state) {
		m.states = append(m.states, state)
	}
}

// surely is the state, if there is only one.
func (m *maybe[S]) surely() (state S, ok bool) {
	if len(m.states) == 1 {
		return m.states[0], true
	}
	return state, false
}

// see is a look at the thing itself.
func (m *maybe[S]) see(what string, state S) error {
	if !slices.Contains(m.states, state) {
		return fmt.Errorf("%s is %+v, and should be one of %+v", what, state, m.states)
	}
	m.become(state)
	return nil
}

// silenceState is what a silence was acknowledged to be. The zero value is one that
// is not there.
type silenceState struct {
	endsAt  string // RFC 3339; empty when expired, since expiring sets it
	comment string
	expired bool
}

// alertState is what is known of an alert without regard to notifications.
type alertState struct {
	active bool
	endsAt string // RFC 3339; empty when the client has not said
}

// configState is a configuration that was accepted.
type configState struct {
	version uint64
	hash    string // of the document that is pushed
}

// span is a time with two ends, of which the second may not have come.
type span struct{ from, until time.Time }

// covers tells whether t is in the span.
func (s span) covers(t time.Time) bool {
	return !s.from.IsZero() && s.from.Before(t) && (s.until.IsZero() || t.Before(s.until))
}

// told is what a receiver knows of an alert: the statuses are ordered, since every
// alert of the load fires once and resolves once.
type told int

const (
	nothing told = iota
	firing
	resolved
)

func (w told) String() string { return [...]string{"nothing", "firing", "resolved"}[w] }

func toldBy(status string) told {
	if status == "resolved" {
		return resolved
	}
	return firing
}

// recordedWithin is how long it takes at most from the receiver's answer until the
// delivery is recorded. Deliveries whose answer was younger when the process died
// are in doubt.
const recordedWithin = 500 * time.Millisecond

// deliveryModel says which deliveries there may be, and which there must have been.
type deliveryModel struct {
	ends []lifeEnd
	// conditions are the times in which the condition of an alert was true, for
	// alerts that only end when it does.
	conditions map[string]span
	// silenced are the times in which an alert was surely silenced.
	silenced map[string][]span
}

// violations are deliveries that must not be.
func (m deliveryModel) violations(all []delivery) []string {
	var found []string
	report := func(d delivery, what string) {
		found = append(found, what+": "+d.At.Format("15:04:05.000 ")+d.line())
	}
	for i, d := range all {
		before := sameGroup(all[:i], d)
		if m.cutOff(d) {
			report(d, "cancelled although nothing stopped")
		}
		for _, a := range d.Alerts {
			name := a.Labels["alertname"]
			if a.Status == "firing" && slices.ContainsFunc(m.silenced[name], func(s span) bool { return s.covers(d.At) }) {
				report(d, name+" is silenced")
			}
			if a.Status == "resolved" && m.conditions[name].covers(d.At) {
				report(d, name+" is resolved although it fires")
			}
		}
		if slices.ContainsFunc(before, func(b delivery) bool {
			return b.life == d.life && (b.ended.IsZero() || b.ended.After(d.At))
		}) {
			report(d, "two at once to one group and receiver")
		}
		if !slices.ContainsFunc(d.Alerts, func(a srcpromtest.Alert) bool { return m.isNews(before, d.life, a) }) {
			report(d, "repeated, or tells nothing")
		} else if again := m.resolvedAgain(before, d); again != "" {
			report(d, again+" is resolved again")
		}
	}
	return found
}

// sameGroup are the deliveries to the group and receiver of another.
func sameGroup(all []delivery, as delivery) []delivery {
	var same []delivery
	for _, d := range all {
		if d.GroupKey == as.GroupKey && d.receiver() == as.receiver() {
			same = append(same, d)
		}
	}
	return same
}

// isNews tells whether the receiver may not have known what a delivery says of an
// alert: because it is new, or because what said it before was in doubt at a crash.
func (m deliveryModel) isNews(before []delivery, life int, a srcpromtest.Alert) bool {
	surely, perhaps := m.toldBefore(before, life, a.Labels["alertname"])
	if a.Status == "resolved" {
		return (perhaps >= firing || m.crashedBefore(life)) && surely < resolved
	}
	return surely < firing
}

// crashedBefore tells whether a life before did not end cleanly. It may have been
// about to tell a receiver that an alert fires: the next one knows that, but not
// how far it came, so it tells the end of that alert.
func (m deliveryModel) crashedBefore(life int) bool {
	return slices.ContainsFunc(m.ends[:life], func(e lifeEnd) bool { return !e.clean })
}

// resolvedAgain is an alert of which a life must know that it has been told to be
// resolved, and tells it again beside what is new.
func (m deliveryModel) resolvedAgain(before []delivery, d delivery) string {
	for _, name := range d.names("resolved") {
		if surely, _ := m.toldBefore(before, d.life, name); surely == resolved {
			return name
		}
	}
	return ""
}

// toldBefore is what a life must know, and may know, that the receiver was told.
func (m deliveryModel) toldBefore(before []delivery, life int, alertname string) (surely, perhaps told) {
	for _, d := range before {
		for _, a := range d.Alerts {
			if a.Labels["alertname"] != alertname {
				continue
			}
			perhaps = max(perhaps, toldBy(a.Status))
			if m.recorded(d, life) {
				surely = max(surely, toldBy(a.Status))
			}
		}
	}
	return surely, perhaps
}

// recorded tells whether a life must know that a delivery was made.
func (m deliveryModel) recorded(d delivery, life int) bool {
	if d.ending != answered {
		return false
	}
	return d.life == life || m.ends[d.life].clean || d.ended.Add(recordedWithin).Before(m.ends[d.life].began)
}

// cutOff tells whether the sender broke off a delivery before it was told to stop.
func (m deliveryModel) cutOff(d delivery) bool {
	return d.ending == cancelled && (d.life >= len(m.ends) || d.ended.Before(m.ends[d.life].began))
}

// answeredOf is the last status that a receiver took of an alert.
func answeredOf(all []delivery, alertname string) told {
	last := nothing
	for _, d := range all {
		for _, a := range d.Alerts {
			if a.Labels["alertname"] == alertname && d.ending == answered {
				last = max(last, toldBy(a.Status))
			}
		}
	}
	return last
}

func TestDeliveryModel_FindsWhatMustNotBe(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	// send is a delivery in a life, from one time to another; the alerts are
	// name=status.
	send := func(life, from, to int, end ending, alerts ...string) delivery {
		d := delivery{life: life, ending: end}
		d.At, d.GroupKey, d.Path = at(from), "g", "/fast/r0"
		if to > 0 {
			d.ended = at(to)
		}
		for _, a := range alerts {
			name, status, _ := strings.Cut(a, "=")
			d.Alerts = append(d.Alerts, srcpromtest.Alert{Labels: map[string]string{"alertname": name}, Status: status})
		}
		return d
	}
	crash := []lifeEnd{{began: at(1000), dead: at(1001)}}
	stop := []lifeEnd{{began: at(1000), dead: at(1100), clean: true}}
	for name, c := range map[string]struct {
		model deliveryModel
		all   []delivery
		want  string // of the only violation; empty for none
	}{
		"fires and resolves": {all: []delivery{send(0, 1, 2, answered, "A=firing"), send(0, 3, 4, answered, "A=resolved")}},
		"one more joins":     {all: []delivery{send(0, 1, 2, answered, "A=firing"), send(0, 3, 4, answered, "A=firing", "B=firing")}},
		"retried":            {all: []delivery{send(0, 1, 2, refused, "A=firing"), send(0, 3, 4, answered, "A=firing")}},
		"repeated in one life": {
			all:  []delivery{send(0, 1, 2, answered, "A=firing"), send(0, 3, 4, answered, "A=firing")},
			want: "repeated",
		},
		"repeated after a crash": {
			model: deliveryModel{ends: crash},
			all:   []delivery{send(0, 1, 2, answered, "A=firing"), send(1, 1200, 1201, answered, "A=firing")},
			want:  "repeated",
		},
		"in doubt at a crash": {
			model: deliveryModel{ends: crash},
			all:   []delivery{send(0, 990, 999, answered, "A=firing"), send(1, 1200, 1201, answered, "A=firing")},
		},
		"held at a crash": {
			model: deliveryModel{ends: crash},
			all:   []delivery{send(0, 1, 1001, cancelled, "A=firing"), send(1, 1200, 1201, answered, "A=firing")},
		},
		"in doubt and repeated twice": {
			model: deliveryModel{ends: crash},
			all:   []delivery{send(0, 990, 999, answered, "A=firing"), send(1, 1200, 1201, answered, "A=firing"), send(1, 1300, 1301, answered, "A=firing")},
			want:  "repeated",
		},
		"recorded late in a clean stop": {
			model: deliveryModel{ends: stop},
			all:   []delivery{send(0, 990, 1050, answered, "A=firing"), send(1, 1200, 1201, answered, "A=firing")},
			want:  "repeated",
		},
		"resolved twice": {
			all: []delivery{
				send(0, 1, 2, answered, "A=firing"), send(0, 3, 4, answered, "A=resolved"), send(0, 5, 6, answered, "A=resolved"),
			},
			want: "repeated",
		},
		"resolved again beside a new one": {
			all: []delivery{
				send(0, 1, 2, answered, "A=firing"), send(0, 3, 4, answered, "A=resolved"), send(0, 5, 6, answered, "A=resolved", "B=firing"),
			},
			want: "A is resolved again",
		},
		"resolved before it was told": {
			all:  []delivery{send(0, 1, 2, answered, "A=resolved")},
			want: "repeated",
		},
		"resolved after a crash in which it may have been told": {
			model: deliveryModel{ends: crash},
			all:   []delivery{send(1, 1200, 1201, answered, "A=resolved")},
		},
		"resolved after a clean stop before it was told": {
			model: deliveryModel{ends: stop},
			all:   []delivery{send(1, 1200, 1201, answered, "A=resolved")},
			want:  "repeated",
		},
		"cancelled by an apply": {
			all:  []delivery{send(0, 1, 2, cancelled, "A=firing")},
			want: "cancelled although nothing stopped",
		},
		"two at once": {
			all:  []delivery{send(0, 1, 5, answered, "A=firing"), send(0, 2, 6, answered, "A=firing", "B=firing")},
			want: "two at once",
		},
		"silenced": {
			model: deliveryModel{silenced: map[string][]span{"A": {{from: at(0), until: at(5)}}}},
			all:   []delivery{send(0, 1, 2, answered, "A=firing")},
			want:  "A is silenced",
		},
		"no longer silenced": {
			model: deliveryModel{silenced: map[string][]span{"A": {{from: at(0), until: at(5)}}}},
			all:   []delivery{send(0, 6, 7, answered, "A=firing")},
		},
		"false resolve": {
			model: deliveryModel{conditions: map[string]span{"A": {from: at(0)}}},
			all:   []delivery{send(0, 1, 2, answered, "A=firing"), send(0, 3, 4, answered, "A=resolved")},
			want:  "A is resolved although it fires",
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := c.model.violations(c.all)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Contains(t, found[0], c.want)
		})
	}
}

func TestMaybe_TellsWhatCannotBe(t *testing.T) {
	m := is("before")
	m.mayBecome("after")
	require.EqualError(t, m.see("it", "lost"), "it is lost, and should be one of [before after]")
	require.NoError(t, m.see("it", "after"))
	require.Error(t, m.see("it", "before"), "what was seen once is sure")
}
