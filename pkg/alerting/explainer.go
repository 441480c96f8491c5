package alerting

import (
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/inhibit"
)

// explainer is what the engine was at one moment, and answers questions about it.
// It serves one request.
type explainer struct {
	engine *engine
	live   *delivery
	now    time.Time
	at     time.Time // that was asked for; now when none was
	asked  bool

	alerts     []*alert.Alert // all of the provider
	firing     []*alert.Alert // those of them that fire now
	inhibitors []inhibitor
	groups     map[groupID]liveGroup
	mutes      map[string]mute // by the names of time intervals

}

func (m *Manager) explainer(at time.Time) (*explainer, error) {
	live := m.engine.stage.live.Load()
	if live == nil {
		return nil, errNotConfigured
	}
	x := &explainer{
		engine: m.engine,
		live:   live,
		now:    time.Now(),
		at:     at,
		asked:  !at.IsZero(),
		alerts: m.engine.knownAlerts(),
		mutes:  map[string]mute{},
	}
	if !x.asked {
		x.at = x.now
	}
	for _, a := range x.alerts {
		if !a.ResolvedAt(x.now) {
			x.firing = append(x.firing, a)
		}
	}
	for _, rule := range live.conf.InhibitRules {
		x.inhibitors = append(x.inhibitors, inhibitor{InhibitRule: inhibit.NewInhibitRule(rule)})
	}
	return x, nil
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
