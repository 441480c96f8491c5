package alerting

import (
	"errors"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	commonconfig "github.com/prometheus/common/config"

	"github.com/sourcegraph/srcprom/pkg/config"
)

var errStopped = errors.New("alerting: the manager is stopped")

// blueprint is a configuration of the engine with everything built that can fail.
// It is never changed, and can be made to run any number of times.
type blueprint struct {
	conf      *amconfig.Config
	tree      *amconfig.Route // that of conf, and what is ours
	sections  engineSections
	template  *template.Template
	receivers map[string]builtReceiver // those that a route uses
	routes    *dispatch.Route
	byID      map[string]*dispatch.Route // routes
	intervals *timeinterval.Intervener
	labelled  bool // some route has labels, which the dispatcher renders
	lost      []config.Integration
}

// delivery is what runs behind the stage: everything that is used between a flush
// and a receiver.
type delivery struct {
	*blueprint
	inhibitor *inhibit.Inhibitor
	pipeline  notify.Stage
}

// draw builds a blueprint. It takes over from the one before what is the same in
// both; nil means that there is none before.
func (e *engine) draw(before *blueprint, next *config.Effective, s engineSections) (*blueprint, error) {
	conf := next.Alertmanager
	b := &blueprint{
		conf:      conf,
		sections:  s,
		byID:      map[string]*dispatch.Route{},
		intervals: intervenerOf(conf),
	}
	tree, err := e.withDeadMansSwitch(conf)
	if err != nil {
		return nil, err
	}
	b.tree = tree
	b.routes = dispatch.NewRoute(tree, nil)
	used := map[string]bool{}
	b.routes.Walk(func(r *dispatch.Route) {
		b.byID[r.ID()] = r
		used[r.RouteOpts.Receiver] = true
		b.labelled = b.labelled || len(r.RouteOpts.Labels) > 0
	})
	builder := receiverBuilder{
		log:  e.base,
		http: []commonconfig.HTTPClientOption{commonconfig.WithDialContextFunc(e.conns.dial)},
		lost: next.Lost,
	}
	if before != nil {
		builder.running = before.receivers
	}
	if before != nil && before.sections.templates == s.templates {
		b.template, builder.before = before.template, before.receivers
	} else {
		fresh, err := newTemplate(next.Templates, e.externalURL)
		if err != nil {
			return nil, alertmanagerFault(err.Error())
		}
		b.template = fresh
	}
	builder.template = b.template
	receivers, err := builder.build(conf.Receivers, used)
	if err != nil {
		return nil, err
	}
	b.receivers, b.lost = receivers, lostUsed(builder.lost, receivers)
	return b, nil
}

func intervenerOf(conf *amconfig.Config) *timeinterval.Intervener {
	intervals := make(map[string][]timeinterval.TimeInterval, len(conf.MuteTimeIntervals)+len(conf.TimeIntervals))
	for _, interval := range conf.MuteTimeIntervals {
		intervals[interval.Name] = interval.TimeIntervals
	}
	for _, interval := range conf.TimeIntervals {
		intervals[interval.Name] = interval.TimeIntervals
	}
	return timeinterval.NewIntervener(intervals)
}

// run makes a blueprint the one that runs; nil means none. The dispatcher is
// replaced only where the routes are others.
//
// Order: the new inhibitor knows all alerts before anything asks it; the old
// dispatcher begins no flush any more when its receivers may be gone; the new one
// finds its receivers there, and they are known before anything fails to be sent.
func (e *engine) run(next *blueprint) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return errStopped
	}
	old := e.stage.live.Load()
	if old != nil && old.blueprint == next {
		return nil
	}
	if next == nil {
		e.stopDispatcherLocked()
		e.dispatcher.Store(nil)
		e.stage.live.Store(nil)
		e.retire(old, nil)
		return nil
	}
	live := &delivery{blueprint: next, inhibitor: e.inhibitorFor(old, next)}
	live.pipeline = e.pipelines.build(next.integrations(), passage{
		wait:      e.wait,
		peer:      e.notifyPeer(),
		inhibitor: live.inhibitor,
		silencer:  e.silencer,
		intervals: next.intervals,
	})
	e.recorder.ApplyConfig(next.conf.EventRecorder)
	rerouted := old == nil || old.sections.routes != next.sections.routes ||
		next.labelled && old.template != next.template
	var before *legacy
	if rerouted {
		e.stopDispatcherLocked()
		before = e.dispatcher.Load().legacy()
	}
	e.pipelines.keepOnly(integrationIDs(next.receivers))
	e.stage.live.Store(live)
	e.api.Update(shown(next.conf), e.mark)
	if rerouted {
		e.startDispatcherLocked(next, before)
		e.warnAboutIntervals(dispatch.NewRoute(next.conf.Route, nil))
	}
	e.retire(old, live)
	e.metrics.receivers.Set(float64(len(next.receivers)))
	e.metrics.integrations.Set(float64(countIntegrations(next.receivers)))
	e.metrics.inhibitionRules.Set(float64(len(next.conf.InhibitRules)))
	return nil
}

// inhibitorFor is the old inhibitor where its rules are the same, else a new one
// that has seen all alerts.
func (e *engine) inhibitorFor(old *delivery, next *blueprint) *inhibit.Inhibitor {
	if old != nil && old.sections.inhibitRules == next.sections.inhibitRules {
		return old.inhibitor
	}
	fresh := inhibit.NewInhibitor(e.alerts, next.conf.InhibitRules, e.base, e.recorder)
	e.running.Go(fresh.Run)
	fresh.WaitForLoading()
	return fresh
}

// retire stops the inhibitor of the old delivery unless the new one uses it. What
// is still being sent goes on asking it.
func (e *engine) retire(old, live *delivery) {
	if old == nil || live != nil && live.inhibitor == old.inhibitor {
		return
	}
	old.inhibitor.Stop()
}

func integrationIDs(receivers map[string]builtReceiver) map[integrationID]bool {
	ids := map[integrationID]bool{}
	for name, rcv := range receivers {
		for i := range rcv.integrations {
			ids[integrationID{name, rcv.integrations[i].String()}] = true
		}
	}
	return ids
}

func (b *blueprint) integrations() map[string][]notify.Integration {
	integrations := make(map[string][]notify.Integration, len(b.receivers))
	for name, rcv := range b.receivers {
		integrations[name] = rcv.integrations
	}
	return integrations
}

func (e *engine) warnAboutIntervals(routes *dispatch.Route) {
	routes.Walk(func(r *dispatch.Route) {
		if r.RouteOpts.RepeatInterval < r.RouteOpts.GroupInterval {
			e.log.Warn("repeat_interval is less than group_interval. Notifications will not repeat until the next group_interval.",
				"repeat_interval", r.RouteOpts.RepeatInterval,
				"group_interval", r.RouteOpts.GroupInterval,
				"route", r.Key(),
			)
		}
	})
}
