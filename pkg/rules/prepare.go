package rules

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/lifecycle"
)

// Prepare parses and compares all rule groups of next. Its step touches only the
// groups that differ, in themselves or by what they take from the global section:
// those stop after the evaluation that they are in, and go on with the state of
// their alerts. It compares with what runs, which is what prev says. The first
// step has a Commit even without groups: from then on it is known which there are.
func (m *Manager) Prepare(_, next *config.Effective) (*lifecycle.Step, error) {
	from := m.running()
	to, err := build(from, next, m.deps.Parser)
	if err != nil {
		return nil, err
	}
	changes := compare(from, to)
	if len(changes) == 0 && !from.none {
		return &lifecycle.Step{}, nil
	}
	return &lifecycle.Step{
		Changes: changes,
		Commit:  func() error { return m.apply(to) },
		Undo:    func() error { return m.apply(from) },
	}, nil
}

func (m *Manager) running() *ruleSet {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

// apply makes the manager run a set. When it fails, the one before still runs.
func (m *Manager) apply(to *ruleSet) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return errStopped
	}
	from := m.current
	m.loader.use(to)
	forget := m.restores.expect(from, to)
	changed := m.timing.use(from, to, m.opts.Evaluation)
	defer changed()
	if err := m.up.Update(to.interval, to.ids, to.externalLabels, m.externalURL, m.timing.iterate); err != nil {
		m.loader.use(from)
		m.timing.use(to, from, m.opts.Evaluation)
		forget()
		return fmt.Errorf("rules: %w", err) // it has logged why
	}
	groups := m.up.RuleGroups()
	m.groups.Store(&groups)
	m.queryOffset.Store(int64(to.queryOffset))
	m.current = to
	m.evaluations.use(to)
	return nil
}

// compare tells in words what differs.
func compare(from, to *ruleSet) []string {
	var added, changed, removed []string
	for _, key := range to.keys {
		g := to.groups[key]
		old, ok := from.groups[key]
		switch {
		case !ok:
			added = append(added, g.Name)
		case !g.same(old):
			changed = append(changed, g.Name)
		}
	}
	for _, key := range from.keys {
		if _, ok := to.groups[key]; !ok {
			removed = append(removed, from.groups[key].Name)
		}
	}
	changes := lifecycle.Changes("rules", "group(s)", added, changed, removed)
	if len(from.groups) == 0 {
		return changes // nothing has run with other settings
	}
	return append(changes, compareSettings(from, to)...)
}

func compareSettings(from, to *ruleSet) []string {
	var changes []string
	if from.interval != to.interval {
		changes = append(changes, fmt.Sprintf("rules: default interval %s (was %s)", to.interval, from.interval))
	}
	if from.queryOffset != to.queryOffset {
		changes = append(changes, fmt.Sprintf("rules: default query offset %s (was %s)", to.queryOffset, from.queryOffset))
	}
	if !labels.Equal(from.externalLabels, to.externalLabels) {
		changes = append(changes, fmt.Sprintf("rules: external labels %s (were %s)", to.externalLabels, from.externalLabels))
	}
	return changes
}
