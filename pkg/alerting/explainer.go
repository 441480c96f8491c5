package alerting

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	amlabels "github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// Explainer is what alerting was at one moment, and answers questions about it. It
// is not safe for concurrent use.
type Explainer struct {
	selector Selector
	engine   *engine // nil when there is no built-in Alertmanager; then is the rest of it, too
	live     *delivery
	settings *intakeSettings
	now      time.Time
	at       time.Time // that was asked for; now when none was
	asked    bool

	alerts     []*alert.Alert // all of the provider
	firing     []*alert.Alert // those of them that fire now
	silences   []knownSilence
	inhibitors []inhibitor
	groups     map[groupID]liveGroup
	decided    map[station]*client.HistoryEntry // without the routes: those of today may have other ids
	mutes      map[string]mute                  // by the names of time intervals
}

// Explainer explains alerts that are selected: silences, inhibitions and time
// intervals as they are at the given time, by what is known now. Zero means now.
func (m *Manager) Explainer(ctx context.Context, selector Selector, at time.Time) (*Explainer, error) {
	current := m.current.Load()
	if current == nil {
		return nil, errNotConfigured
	}
	x := &Explainer{
		selector: selector,
		engine:   m.engine,
		settings: newIntakeSettings(current.prom, 0),
		now:      time.Now(),
		at:       at,
		asked:    !at.IsZero(),
		mutes:    map[string]mute{},
	}
	if !x.asked {
		x.at = x.now
	}
	if m.engine == nil {
		return x, nil
	}
	return x, x.look(ctx)
}

// HandOver are the labels that an alert of a rule has once it was handed over:
// external labels where it lacks them, then alert_relabel_configs. keep is false when
// these drop it.
func (x *Explainer) HandOver(lset labels.Labels) (_ labels.Labels, keep bool) {
	return x.settings.relabelled(lset)
}

// Later is the later of the given time and that of the Explainer.
func (x *Explainer) Later(at time.Time) time.Time {
	if at.Before(x.at) {
		return x.at
	}
	return at
}

// then is the same at another time.
func (x *Explainer) then(at time.Time) *Explainer {
	other := *x
	other.at, other.asked, other.mutes = at, true, map[string]mute{}
	return &other
}

// look finds out about all that may matter.
func (x *Explainer) look(ctx context.Context) error {
	if x.live = x.engine.stage.live.Load(); x.live == nil {
		return errNotConfigured
	}
	x.alerts = x.engine.knownAlerts()
	for _, a := range x.alerts {
		if !a.ResolvedAt(x.now) {
			x.firing = append(x.firing, a)
		}
	}
	for _, rule := range x.live.conf.InhibitRules {
		x.inhibitors = append(x.inhibitors, inhibitor{InhibitRule: inhibit.NewInhibitRule(rule)})
	}
	if err := x.lookAtSilences(ctx); err != nil {
		return fmt.Errorf("list silences: %w", err)
	}
	if err := x.lookAtGroups(ctx); err != nil {
		return fmt.Errorf("list groups of alerts: %w", err)
	}
	if err := x.lookAtHistory(ctx); err != nil {
		return fmt.Errorf("read the history of alerts: %w", err)
	}
	return nil
}

// knownAlerts are all alerts of the provider: those that fire, and those that have
// ended since it last cleaned up.
func (e *engine) knownAlerts() []*alert.Alert {
	pending := e.alerts.GetPending()
	defer pending.Close()
	var all []*alert.Alert
	for a := range pending.Next() {
		all = append(all, a.Data)
	}
	return all
}

// liveGroup is a group that the dispatcher has.
type liveGroup struct {
	first   time.Time // when the oldest of its alerts started
	members map[model.Fingerprint]bool
}

func (x *Explainer) lookAtGroups(ctx context.Context) error {
	groups, _, err := x.engine.alertGroups(ctx, everyRoute, everyAlert)
	if err != nil {
		return err
	}
	x.groups = make(map[groupID]liveGroup, len(groups))
	for _, g := range groups {
		known := liveGroup{members: make(map[model.Fingerprint]bool, len(g.Alerts))}
		for _, a := range g.Alerts {
			known.members[a.Fingerprint()] = true
			if known.first.IsZero() || a.StartsAt.Before(known.first) {
				known.first = a.StartsAt
			}
		}
		x.groups[groupID{route: g.RouteID, key: g.GroupKey}] = known
	}
	return nil
}

func everyRoute(*dispatch.Route) bool { return true }

func everyAlert(*alert.Alert, time.Time) bool { return true }

// maxDecisions is how many entries of the history are looked at.
const maxDecisions = 5000

// lookAtHistory finds the last attempt for each alert and integration, and the last
// time that each was stopped before it got so far. It reads about as much of the
// history as one page takes: what lies further back only the notification log tells.
func (x *Explainer) lookAtHistory(ctx context.Context) error {
	search, err := newHistorySearch(client.HistoryQuery{Limit: maxHistoryLimit})
	if err != nil {
		return err
	}
	search.state, search.log = x.engine.state, x.engine.log
	search.matchers, search.query.Limit = []amlabels.Matchers{x.selector.matchers}, maxDecisions
	if err := search.run(ctx); err != nil {
		return err
	}
	x.decided = map[station]*client.HistoryEntry{}
	for i := range search.found.Entries {
		entry := &search.found.Entries[i]
		if entry.Outcome == client.OutcomeDeduplicated {
			continue
		}
		fp, err := model.ParseFingerprint(entry.Fingerprint)
		if err != nil {
			return err
		}
		at := station{receiver: entry.Receiver, integration: entry.Integration, group: entry.GroupKey, alert: fp}
		if x.decided[at] == nil { // the newest comes first
			x.decided[at] = entry
		}
	}
	return nil
}
