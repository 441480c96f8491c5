package alerting

import (
	"errors"
	"strings"
	"time"

	promconfig "github.com/prometheus/prometheus/config"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/lifecycle"
)

// sections are the fingerprints of what a configuration says to this part.
type sections struct {
	engine                                     engineSections // zero when there is no built-in Alertmanager
	alertmanagers, relabelling, externalLabels fingerprint
}

// engineSections are those of alertmanager.yml.
type engineSections struct {
	global, routes, receivers, inhibitRules, templates, timeIntervals fingerprint
	tracing, eventRecorder                                            fingerprint
}

// design is a configuration of this part, ready to run.
type design struct {
	sections  sections
	blueprint *blueprint // nil when there is no built-in Alertmanager
	prom      *promconfig.Config
}

// Prepare builds everything that next needs: templates, clients of receivers and
// of external Alertmanagers. It compares with what runs in this Manager, whatever
// the first argument says. The step's Changes name the sections that differ.
func (m *Manager) Prepare(_, next *config.Effective) (*lifecycle.Step, error) {
	if next.Prometheus == nil || next.Alertmanager == nil && m.engine != nil {
		return nil, errors.New("alerting: a configuration without its Prometheus or Alertmanager part")
	}
	before := m.current.Load()
	after := &design{sections: m.sectionsOf(next), prom: next.Prometheus}
	changes := after.changesSince(before)
	if len(changes) == 0 {
		return &lifecycle.Step{}, nil
	}
	if err := m.build(after, before, next); err != nil {
		return nil, err
	}
	return &lifecycle.Step{
		Changes: changes,
		Commit:  func() error { return m.run(after) },
		Undo:    func() error { return m.run(before) },
	}, nil
}

// build does what can fail. What the design before has already is taken from it.
func (m *Manager) build(after, before *design, next *config.Effective) (err error) {
	if before == nil || before.sections.alertmanagers != after.sections.alertmanagers {
		if err := m.external.check(next.Prometheus); err != nil {
			return err
		}
	}
	var old *blueprint
	if before != nil {
		old = before.blueprint
	}
	switch {
	case m.engine == nil:
	case old != nil && old.sections == after.sections.engine:
		after.blueprint = old
	default:
		after.blueprint, err = m.engine.draw(old, next, after.sections.engine)
	}
	return err
}

func (m *Manager) sectionsOf(next *config.Effective) sections {
	s := sections{
		alertmanagers:  fingerprintOf(next.Prometheus.AlertingConfig.AlertmanagerConfigs),
		relabelling:    fingerprintOf(next.Prometheus.AlertingConfig.AlertRelabelConfigs),
		externalLabels: fingerprintOf(next.Prometheus.GlobalConfig.ExternalLabels),
	}
	if m.engine == nil {
		return s
	}
	am := next.Alertmanager
	s.engine = engineSections{
		global:        fingerprintOf(am.Global),
		routes:        fingerprintOf(am.Route),
		receivers:     fingerprintOf(am.Receivers, next.Lost),
		inhibitRules:  fingerprintOf(am.InhibitRules),
		templates:     fingerprintOf(next.Templates),
		timeIntervals: fingerprintOf(am.MuteTimeIntervals, am.TimeIntervals),
		tracing:       fingerprintOf(am.TracingConfig),
		eventRecorder: fingerprintOf(am.EventRecorder),
	}
	return s
}

// changesSince says in words what differs; without anything before, all there is.
// Tracing belongs to another part, but the API shows it.
func (d *design) changesSince(before *design) []string {
	var old sections
	if before != nil {
		old = before.sections
	}
	am, oldAM := d.sections.engine, old.engine
	var changes []string
	for _, section := range []struct {
		name     string
		old, new fingerprint
	}{
		{"global", oldAM.global, am.global},
		{"routes", oldAM.routes, am.routes},
		{"receivers", oldAM.receivers, am.receivers},
		{"inhibit_rules", oldAM.inhibitRules, am.inhibitRules},
		{"templates", oldAM.templates, am.templates},
		{"time_intervals", oldAM.timeIntervals, am.timeIntervals},
		{"event_recorder", oldAM.eventRecorder, am.eventRecorder},
		{"alertmanager tracing", oldAM.tracing, am.tracing},
		{"external alertmanagers", old.alertmanagers, d.sections.alertmanagers},
		{"alert relabelling", old.relabelling, d.sections.relabelling},
		{"external labels of alerts", old.externalLabels, d.sections.externalLabels},
	} {
		if section.old != section.new {
			changes = append(changes, section.name)
		}
	}
	return changes
}

// run makes a design the one that runs; nil means none, as before the first.
func (m *Manager) run(next *design) error {
	m.applying.Lock()
	defer m.applying.Unlock()
	var b *blueprint
	if next != nil {
		b = next.blueprint
	}
	if m.engine != nil {
		defer m.engine.counts.nudge()
		if err := m.engine.run(b); err != nil {
			return err
		}
		m.engine.countFirst()
	}
	m.current.Store(next)
	if next == nil {
		return nil
	}
	if m.engine != nil {
		resolveTimeout := time.Duration(next.blueprint.conf.Global.ResolveTimeout)
		m.engine.intake.settings.Store(newIntakeSettings(next.prom, resolveTimeout))
		m.engine.reconciler.nudge()
	}
	m.external.apply(next.prom)
	return nil
}

// ConfigAccepted sets alertmanager_config_hash to the configuration that runs
// after an apply. Whether that succeeded is for the caller to tell.
func (m *Manager) ConfigAccepted(next *config.Effective) {
	if m.engine == nil {
		return
	}
	m.engine.metrics.configHash.Set(hashValue(next.Documents[config.AlertmanagerDocument].Content))
}

// NotReady says in words why alerts are not handled yet, or not any more; empty
// means ready.
func (m *Manager) NotReady() string {
	switch {
	case m.stopped.Load():
		return "alerting is stopped"
	case m.engine != nil && m.current.Load() == nil:
		return errNotConfigured.Error()
	}
	return ""
}

// Impaired says in words what of the configuration cannot be delivered to.
func (m *Manager) Impaired() []string {
	current := m.current.Load()
	if current == nil || current.blueprint == nil {
		return nil
	}
	var texts []string
	for _, l := range current.blueprint.lost {
		texts = append(texts, strings.TrimSpace(lostError(l).Error()))
	}
	return texts
}
