package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// request is one request of the load, and what it makes of the model.
type request struct {
	what         string
	method, path string
	body         string
	want         int // the status; 200 when zero
	// acknowledged is called with the answer; inDoubt when there was none, because
	// the server died.
	acknowledged func(answer string)
	inDoubt      func()
}

// madeSilence is a silence of the load. It is the only one of its alert.
type madeSilence struct {
	alertname string
	id        string // empty until it is known
	shown     silence
	state     maybe[silenceState]
	moved     *madeSilence // what an edit of the matchers has made of it
	busy      bool         // a request about it is on its way
	alerted   bool         // its alert has been posted
}

// madeAlert is an alert that a client has posted.
type madeAlert struct {
	posted postedAlert
	state  maybe[alertState]
	busy   bool
}

func (a *madeAlert) name() string { return a.posted.Labels["alertname"] }

// madeRule is an alert of a rule, whose condition the target decides.
type madeRule struct {
	name    string
	on, off bool // has been
}

// load makes requests at random, and knows what must be true after them.
type load struct {
	rng    *rand.Rand
	run    *killRun
	serial int

	silences []*madeSilence
	alerts   []*madeAlert
	rules    []*madeRule
	config   maybe[configState]
	text     map[string]string // of configurations, by hash
	revision int
	applying bool
}

func newLoad(run *killRun, rng *rand.Rand) *load {
	l := &load{rng: rng, run: run, text: map[string]string{}}
	for i := range killRules {
		l.rules = append(l.rules, &madeRule{name: fmt.Sprintf("Rule%d", i)})
	}
	return l
}

// next makes one request at random, or changes what the target says.
func (l *load) next() request {
	for {
		var r *request
		switch n := l.rng.IntN(20); {
		case n < 4:
			r = l.createSilence()
		case n < 6:
			r = l.editSilence()
		case n < 7:
			r = l.moveSilence()
		case n < 8:
			r = l.expireSilence()
		case n < 9:
			r = l.postSilencedAlert()
		case n < 14:
			r = l.postAlert(quick[l.rng.IntN(len(quick))])
		case n < 16:
			r = l.resolveAlert()
		case n < 18:
			r = l.apply()
		default:
			l.turnRule()
			continue
		}
		if r != nil {
			return *r
		}
	}
}

func (l *load) name(prefix string) string {
	l.serial++
	return fmt.Sprintf("%s%d", prefix, l.serial)
}

// endsAtLayout is how the API writes times.
const endsAtLayout = "2006-01-02T15:04:05.000Z"

func (l *load) end() time.Time {
	return time.Now().Add(time.Hour + time.Duration(l.rng.IntN(3600))*time.Second).UTC().Truncate(time.Millisecond)
}

func stateOf(s silence) silenceState {
	state := silenceState{endsAt: s.EndsAt.Format(endsAtLayout), comment: s.Comment}
	if s.Status != nil && s.Status.State == "expired" {
		state.endsAt, state.expired = "", true
	}
	return state
}

func (l *load) createSilence() *request {
	wanted := silenceOf(l.name("Silenced"))
	wanted.EndsAt, wanted.Comment = l.end(), l.name("comment")
	m := &madeSilence{alertname: wanted.Matchers[0].Value, shown: wanted}
	return l.putSilence("create "+m.alertname, m, wanted)
}

// putSilence posts a silence that is not there yet.
func (l *load) putSilence(what string, m *madeSilence, wanted silence) *request {
	m.state = is(silenceState{})
	m.busy = true
	l.silences = append(l.silences, m)
	return &request{
		what: what, method: http.MethodPost, path: silencesPath, body: jsonOf(l.run.t, wanted),
		acknowledged: func(answer string) {
			m.id, m.busy = silenceID(l.run.server.process, answer), false
			m.state.become(stateOf(wanted))
		},
		inDoubt: func() { m.busy = false; m.state.mayBecome(stateOf(wanted)) },
	}
}

// pickSilence finds one that is surely active and not being changed.
func (l *load) pickSilence(also func(*madeSilence) bool) *madeSilence {
	var found []*madeSilence
	for _, m := range l.silences {
		state, sure := m.state.surely()
		if sure && m.id != "" && !m.busy && !state.expired && state != (silenceState{}) && (also == nil || also(m)) {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[l.rng.IntN(len(found))]
}

// changed is the silence with another end and comment. It was looked at after it
// was made, since an edit repeats its start.
func (l *load) changed(m *madeSilence) silence {
	l.run.t.Helper()
	m.shown = l.run.server.getSilence(m.id)
	wanted := m.shown
	wanted.Status = nil
	wanted.EndsAt, wanted.Comment = l.end(), l.name("comment")
	return wanted
}

func (l *load) editSilence() *request {
	m := l.pickSilence(nil)
	if m == nil {
		return nil
	}
	wanted := l.changed(m)
	m.busy = true
	return &request{
		what: "edit " + m.alertname, method: http.MethodPost, path: silencesPath, body: jsonOf(l.run.t, wanted),
		acknowledged: func(answer string) {
			require.Equal(l.run.t, m.id, silenceID(l.run.server.process, answer), "edited in place")
			m.busy = false
			m.state.become(stateOf(wanted))
		},
		inDoubt: func() { m.busy = false; m.state.mayBecome(stateOf(wanted)) },
	}
}

// moveSilence edits the matchers, which expires the silence and makes another.
func (l *load) moveSilence() *request {
	m := l.pickSilence(func(m *madeSilence) bool { return !m.alerted })
	if m == nil {
		return nil
	}
	wanted := l.changed(m)
	wanted.Matchers = slices.Clone(wanted.Matchers)
	wanted.Matchers[0].Value = l.name("Silenced")
	other := &madeSilence{alertname: wanted.Matchers[0].Value, shown: wanted}
	m.busy, m.moved = true, other
	r := l.putSilence("move "+m.alertname+" to "+other.alertname, other, wanted)
	made, doubted := r.acknowledged, r.inDoubt
	expired := stateOf(m.shown)
	expired.endsAt, expired.expired = "", true
	r.acknowledged = func(answer string) { made(answer); m.busy = false; m.state.become(expired) }
	r.inDoubt = func() { doubted(); m.busy = false; m.state.mayBecome(expired) }
	return r
}

func (l *load) expireSilence() *request {
	m := l.pickSilence(nil)
	if m == nil {
		return nil
	}
	m.busy = true
	l.run.unsilence(m.alertname)
	expired, _ := m.state.surely()
	expired.endsAt, expired.expired = "", true
	return &request{
		what: "expire " + m.alertname, method: http.MethodDelete, path: silencePath + m.id,
		acknowledged: func(string) { m.busy = false; m.state.become(expired) },
		inDoubt:      func() { m.busy = false; m.state.mayBecome(expired) },
	}
}

// postSilencedAlert posts the alert of a silence.
func (l *load) postSilencedAlert() *request {
	m := l.pickSilence(func(m *madeSilence) bool { return !m.alerted })
	if m == nil {
		return nil
	}
	m.alerted = true
	l.run.silence(m.alertname)
	return l.post(alert(m.alertname, "to", "fast"))
}

// postAlert posts a new alert to a receiver, alone or into a group.
func (l *load) postAlert(to string) *request {
	a := alert(l.name("Alert"), "to", to)
	if l.rng.IntN(3) == 0 {
		a.Labels["group"] = fmt.Sprintf("group%d", l.rng.IntN(3))
	}
	if l.rng.IntN(2) == 0 {
		end := l.end()
		a.EndsAt = &end
	}
	return l.post(a)
}

func (l *load) post(a postedAlert) *request {
	made := &madeAlert{posted: a, state: is(alertState{}), busy: true}
	l.alerts = append(l.alerts, made)
	state := alertState{active: true}
	if a.EndsAt != nil {
		state.endsAt = a.EndsAt.Format(endsAtLayout)
	}
	return l.alertRequest("post", made, a, state)
}

func (l *load) alertRequest(what string, made *madeAlert, posted postedAlert, state alertState) *request {
	return &request{
		what: what + " " + made.name() + " to " + posted.Labels["to"], method: http.MethodPost, path: alertsPath,
		body:         jsonOf(l.run.t, []postedAlert{posted}),
		acknowledged: func(string) { made.busy = false; made.state.become(state) },
		inDoubt:      func() { made.busy = false; made.state.mayBecome(state) },
	}
}

func (l *load) resolveAlert() *request {
	var found []*madeAlert
	for _, a := range l.alerts {
		if state, sure := a.state.surely(); sure && state.active && !a.busy {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil
	}
	a := found[l.rng.IntN(len(found))]
	a.busy = true
	return l.alertRequest("resolve", a, a.posted.resolved(), alertState{})
}

// apply pushes a configuration: another receiver, another tree, the same as before
// or one that is wrong.
func (l *load) apply() *request {
	now, sure := l.config.surely()
	if !sure || l.applying {
		return nil
	}
	what, text := "apply other receivers", l.text[now.hash]
	switch l.rng.IntN(4) {
	case 0:
		l.revision++
		text = quickConfig(l.run.sink, l.revision)
	case 1:
		what = "apply another tree"
		l.revision++
		text = withRoute(quickConfig(l.run.sink, l.revision), l.revision)
	case 2:
		what = "apply nothing new"
	default:
		return &request{
			what: "apply what is wrong", method: http.MethodPost, path: configPath, want: http.StatusUnprocessableEntity,
			body: documentsOf(l.run, "route: { receiver: not-there }\n"), acknowledged: func(string) {}, inDoubt: func() {},
		}
	}
	l.applying = true
	next := l.accepted(now.version+1, text)
	return &request{
		what: what, method: http.MethodPost, path: configPath, body: documentsOf(l.run, text),
		acknowledged: func(answer string) {
			var result client.ConfigResult
			require.NoError(l.run.t, json.Unmarshal([]byte(answer), &result))
			l.applying = false
			l.config.become(configState{version: result.Version, hash: next.hash})
		},
		inDoubt: func() { l.applying = false; l.config.mayBecome(next) },
	}
}

// accepted is the state with a text, which is remembered.
func (l *load) accepted(version uint64, text string) configState {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	l.text[hash] = text
	return configState{version: version, hash: hash}
}

func documentsOf(run *killRun, alertmanager string) string {
	return jsonOf(run.t, map[string]any{"documents": map[string]string{"alertmanager": alertmanager}})
}

// turnRule makes the condition of a rule true that has not been, or ends one.
func (l *load) turnRule() {
	for _, i := range l.rng.Perm(len(l.rules)) {
		r := l.rules[i]
		switch {
		case !r.on:
			r.on = true
			l.run.turn(r.name, true)
			return
		case !r.off && l.rng.IntN(2) == 0:
			r.off = true
			l.run.turn(r.name, false)
			return
		}
	}
}
