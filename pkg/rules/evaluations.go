package rules

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/rules"
)

// evaluations remembers of each group how it was evaluated last. The engine tells
// some of it too, but behind the lock that it holds while it waits for
// evaluations to end, and not how often or on what data.
type evaluations struct {
	mu     sync.Mutex            // guards what follows
	set    *ruleSet              // that runs; nil before the first
	index  *index                // of set; nil until somebody asks
	groups map[string]*evaluated // by rules.GroupKey
}

// evaluated is a group and its last evaluations.
type evaluated struct {
	group *rules.Group // as the engine has made it; another one starts from nothing

	begins [evaluationsOnFreshData]time.Time // what data they could see, the last one first
	at     time.Time                         // of the last one, for which it was due
	failed *GroupFailure                     // nil while all rules work
	missed *MissedEvaluations                // nil while none were

	wanted   bool   // somebody asks for seen
	seen     *seen  // nil until an evaluation has ended while it was wanted
	verified *index // the index that seen belongs to, or does not
	fits     bool   // it does
}

// seen is how the rules of a group were after an evaluation.
type seen struct {
	begins [evaluationsOnFreshData]time.Time
	ended  time.Time
	rules  []seenRule // in the group's order
}

type seenRule struct {
	bad    bool                // its evaluation failed
	active map[uint64]struct{} // hashes of the labels of alerts that are pending or firing
}

// evaluatedSince tells whether enough evaluations have begun since then.
func (s *seen) evaluatedSince(t time.Time) bool {
	oldest := s.begins[len(s.begins)-1]
	return !oldest.IsZero() && !oldest.Before(t)
}

func newEvaluations() *evaluations { return &evaluations{groups: map[string]*evaluated{}} }

// use says which set runs now.
func (t *evaluations) use(set *ruleSet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set, t.index = set, nil
	if set.none {
		t.set = nil
	}
	for key := range t.groups {
		if _, ok := set.groups[key]; !ok {
			delete(t.groups, key)
		}
	}
}

func (t *evaluations) indexLocked() *index {
	if t.index == nil && t.set != nil {
		t.index = newIndex(t.set)
	}
	return t.index
}

// around evaluates a group by f, and takes note of it.
func (t *evaluations) around(f rules.GroupEvalIterationFunc) func(context.Context, iteration) {
	return func(ctx context.Context, it iteration) {
		begin := time.Now()
		f(ctx, it.group, it.at)
		if !complete(it.group, begin) {
			return // the group has been stopped
		}
		t.note(it, begin)
	}
}

// complete tells whether every rule of a group has been evaluated since then.
func complete(g *rules.Group, begin time.Time) bool {
	for _, rule := range g.Rules() {
		if rule.GetEvaluationTimestamp().Before(begin) {
			return false
		}
	}
	return true
}

func (t *evaluations) note(it iteration, begin time.Time) {
	g := it.group
	key := rules.GroupKey(g.File(), g.Name())
	t.mu.Lock()
	e := t.groups[key]
	if e == nil || e.group != g {
		e = &evaluated{group: g, wanted: true}
		t.groups[key] = e
	}
	copy(e.begins[1:], e.begins[:])
	e.begins[0] = it.seen
	e.missed = e.missed.and(g, e.at, it.at, begin)
	e.at = it.at
	e.failed = e.failed.next(g, begin)
	begins, wanted := e.begins, e.wanted
	e.wanted = false
	t.mu.Unlock()
	if !wanted {
		return
	}
	s := look(g, begins) // not behind the lock, since there may be many alerts
	t.mu.Lock()
	defer t.mu.Unlock()
	e.seen, e.verified = s, nil
}

// look is called from the group's own goroutine, so nothing changes meanwhile.
func look(g *rules.Group, begins [evaluationsOnFreshData]time.Time) *seen {
	s := &seen{begins: begins, ended: time.Now(), rules: make([]seenRule, len(g.Rules()))}
	for i, rule := range g.Rules() {
		s.rules[i].bad = rule.Health() == rules.HealthBad
		alerting, ok := rule.(*rules.AlertingRule)
		if !ok {
			continue
		}
		active := map[uint64]struct{}{}
		alerting.ForEachActiveAlert(func(a *rules.Alert) {
			if a.ResolvedAt.IsZero() {
				active[a.Labels.Hash()] = struct{}{}
			}
		})
		s.rules[i].active = active
	}
	return s
}

// seenLocked is how the group of a rule was when it was looked at last, and asks
// for another look after its next evaluation. It is nil where there was none, or
// where the group has been changed since.
func (t *evaluations) seenLocked(x *index, n *node) *seen {
	e := t.groups[n.key]
	if e == nil {
		return nil
	}
	e.wanted = true
	if e.seen == nil {
		return nil
	}
	if e.verified != x {
		e.verified, e.fits = x, x.set.made(n.key, e.group)
	}
	if !e.fits {
		return nil
	}
	return e.seen
}

// made tells whether the engine's group is what it makes of the set's.
func (s *ruleSet) made(key string, g *rules.Group) bool {
	written, made := s.groups[key], g.Rules()
	if len(written.Rules) != len(made) {
		return false
	}
	for i, rule := range written.Rules {
		if !s.madeRule(written, rule, made[i]) {
			return false
		}
	}
	return true
}

// madeRule relies on expressions being parsed once, see build.
func (s *ruleSet) madeRule(g group, written rulefmt.Rule, made rules.Rule) bool {
	return identityAsWritten(g, written) == identity(made.Name(), made.Labels()) && s.exprs[written.Expr] == made.Query()
}
