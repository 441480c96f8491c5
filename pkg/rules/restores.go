package rules

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/rules"
)

// restoreAfter is the part of its interval, in percent, for which a group has been
// evaluated before the state of its alerts is read back. Upstream does that after
// the second evaluation, an interval after the first: that one may find that not all
// is scraped yet, and rules that need what others record find it at the second.
const restoreAfter = 90

// restores takes up the "for" of alerts again that were pending before: in rules
// that have just come, with the start or with a configuration.
//
// The engine does that for all groups of its first update, and with
// RestoreNewRuleGroups for all of later ones, changed ones included. There it
// reads back states that it has also copied from the old group, and by its rule
// of the grace period moves pending alerts ForGracePeriod away from firing, at
// each change of their group. Here each rule either keeps its state or gets it
// read back.
type restores struct {
	mu      sync.Mutex           // guards what follows
	pending map[string]*newRules // by rules.GroupKey
}

// newRules are those of a group whose state has to be read back.
type newRules struct {
	all   bool
	some  map[string]bool // unless all: by ruleIdentity
	first time.Time       // timestamp of the first evaluation; zero before it
}

func newRestores() *restores {
	return &restores{pending: map[string]*newRules{}}
}

// expect says which rules are new in a set that replaces another. The returned
// func takes that back.
func (r *restores) expect(from, to *ruleSet) (undo func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.pending
	r.pending = make(map[string]*newRules, len(before))
	for key, g := range to.groups {
		old, ok := from.groups[key]
		if !ok {
			r.pending[key] = &newRules{all: true}
			continue
		}
		if p := before[key].and(addedAlerts(old, g)); p != nil {
			r.pending[key] = p
		}
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pending = before
	}
}

// and returns p with some more rules; they start to count anew. It does not
// change p, which may be in use.
func (p *newRules) and(more map[string]bool) *newRules {
	switch {
	case len(more) == 0 || p != nil && p.all:
		return p
	case p != nil:
		maps.Copy(more, p.some)
	}
	return &newRules{some: more}
}

// addedAlerts finds the alerting rules of a group to which the engine copies no
// state, since the group had none by that name and those labels.
func addedAlerts(from, to group) map[string]bool {
	if to.same(from) {
		return nil
	}
	had := map[string]bool{}
	for _, rule := range from.Rules {
		had[identityAsWritten(from, rule)] = true
	}
	added := map[string]bool{}
	for _, rule := range to.Rules {
		if identity := identityAsWritten(to, rule); rule.Alert != "" && !had[identity] {
			added[identity] = true
		}
	}
	return added
}

func identityAsWritten(g group, rule rulefmt.Rule) string {
	return identity(rule.Alert+rule.Record, rules.FromMaps(g.Labels, rule.Labels))
}

func identity(name string, lbls labels.Labels) string { return name + lbls.String() }

// evaluate is one iteration of a group. The engine calls it from the group's own
// goroutine, never twice at once.
func (r *restores) evaluate(ctx context.Context, g *rules.Group, at time.Time) {
	isNew, last := r.begin(g, at)
	if isNew == nil {
		rules.DefaultEvalIterationFunc(ctx, g, at)
		return
	}
	forAlerts(g, func(rule *rules.AlertingRule) {
		if isNew(rule) {
			rule.SetRestored(false) // until then its state is not stored, which would overwrite the one to be read
		}
	})
	rules.DefaultEvalIterationFunc(ctx, g, at)
	if last {
		restore(g, isNew)
	}
}

// begin tells which rules are new, nil if none are, and whether this is the
// evaluation after which their state is read back.
func (r *restores) begin(g *rules.Group, at time.Time) (isNew func(*rules.AlertingRule) bool, last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := rules.GroupKey(g.File(), g.Name())
	p := r.pending[key]
	switch {
	case p == nil:
		return nil, false
	case p.first.IsZero():
		p.first = at
	case at.Sub(p.first) >= g.Interval()*restoreAfter/100:
		delete(r.pending, key)
		last = true
	}
	return func(rule *rules.AlertingRule) bool {
		return p.all || p.some[identity(rule.Name(), rule.Labels())]
	}, last
}

// restore reads the state of new rules back. The engine can only do that for a
// whole group, so the others get theirs back afterwards.
func restore(g *rules.Group, isNew func(*rules.AlertingRule) bool) {
	kept := map[*rules.Alert]time.Time{}
	forAlerts(g, func(rule *rules.AlertingRule) {
		if !isNew(rule) {
			rule.ForEachActiveAlert(func(a *rules.Alert) { kept[a] = a.ActiveAt })
		}
	})
	g.RestoreForState(time.Now())
	forAlerts(g, func(rule *rules.AlertingRule) {
		rule.ForEachActiveAlert(func(a *rules.Alert) {
			if at, ok := kept[a]; ok {
				a.ActiveAt = at
			}
		})
		rule.SetRestored(true) // the engine does not where the storage could not be read
	})
}

func forAlerts(g *rules.Group, f func(*rules.AlertingRule)) {
	for _, rule := range g.Rules() {
		if alerting, ok := rule.(*rules.AlertingRule); ok {
			f(alerting)
		}
	}
}
