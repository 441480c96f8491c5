package rules

import (
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/rules"
)

// Standing is what the rules say of an alert that one of them made before the
// start.
type Standing int

// The standings.
const (
	// StandingUnknown: it is too early to tell. A rule that may have made it fails, or
	// has not been evaluated twice yet on fresh data; what it returns before comes from
	// samples of before the start, and ends with them.
	StandingUnknown Standing = iota
	// StandingActive: it is pending, firing, or kept firing.
	StandingActive
	// StandingInactive: its rule was evaluated and does not return it.
	StandingInactive
	// StandingGone: there is no rule that could have made it.
	StandingGone
)

// Freshness tells since when data is in the storage that was scraped after the
// start: the given number of samples at least, from all targets of a job, or of
// one instance of it; empty means all. ok is false as long as some is missing.
type Freshness func(job, instance string, samples int) (since time.Time, ok bool)

// evaluationsOnFreshData is how often a rule must have been evaluated on fresh
// data before it is believed that it does not return an alert: rules that need
// what others record find it at the second evaluation.
const evaluationsOnFreshData = 2

// answersKept is for how long what takes a while to find out is not asked again.
const answersKept = time.Second

// Standing tells how an alert stands that has these labels, which must be as its
// rule made them. Before the first commit it is StandingUnknown.
//
// A rule over what other rules record must have been evaluated twice after those
// have been, each twice on its own fresh data; of those above it in its own group
// only the data has to be fresh. ALERTS counts as recorded by the alerting rules.
func (m *Manager) Standing(alert labels.Labels, fresh Freshness) Standing {
	t := m.evaluations
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.indexLocked()
	if x == nil {
		return StandingUnknown
	}
	result, hash := StandingGone, alert.Hash()
	for _, n := range x.alerts[alert.Get(labels.AlertName)] {
		if !n.couldProduce(alert) {
			continue
		}
		switch t.standingLocked(x, n, alert, hash, fresh) {
		case StandingActive:
			return StandingActive
		case StandingUnknown:
			result = StandingUnknown
		case StandingInactive:
			if result == StandingGone {
				result = StandingInactive
			}
		}
	}
	return result
}

// standingLocked is what one rule says of an alert.
func (t *evaluations) standingLocked(x *index, n *node, alert labels.Labels, hash uint64, fresh Freshness) Standing {
	seen := t.seenLocked(x, n)
	if seen == nil {
		return StandingUnknown
	}
	rule := seen.rules[n.place]
	since, ok := t.freshLocked(x, n, alert, fresh)
	if !ok || rule.bad || !seen.evaluatedSince(since) {
		return StandingUnknown
	}
	if _, active := rule.active[hash]; active {
		return StandingActive
	}
	return StandingInactive
}

// freshLocked tells since when all is fresh that a rule reads, for one alert or,
// with empty labels, for all that it makes.
func (t *evaluations) freshLocked(x *index, n *node, alert labels.Labels, fresh Freshness) (since time.Time, ok bool) {
	if n.asking {
		return time.Time{}, true // a rule over itself
	}
	n.asking = true
	defer func() { n.asking = false }()
	for _, in := range n.inputs {
		at, ok := n.freshInput(in, alert, fresh)
		if !ok {
			return time.Time{}, false
		}
		since = later(since, at)
	}
	for _, d := range n.records {
		at, ok := t.recordedLocked(x, n, d, fresh)
		if !ok {
			return time.Time{}, false
		}
		since = later(since, at)
	}
	return since, true
}

// freshInput narrows what a selector reads to what matters for one alert.
func (n *node) freshInput(in input, alert labels.Labels, fresh Freshness) (since time.Time, ok bool) {
	jobs, instance := in.jobs, in.instance
	if job := alert.Get(jobLabel); n.keepsJob && job != "" {
		jobs = []string{job}
	}
	if n.keepsInstance && instance == "" {
		instance = alert.Get(instanceLabel)
	}
	if len(jobs) == 0 {
		jobs = []string{""}
	}
	for _, job := range jobs {
		at, ok := fresh(job, instance, in.samples)
		if !ok {
			return time.Time{}, false
		}
		since = later(since, at)
	}
	return since.Add(in.delay), true
}

// recordedLocked tells since when what d records for n is fresh.
func (t *evaluations) recordedLocked(x *index, n, d *node, fresh Freshness) (since time.Time, ok bool) {
	if d.asking || !d.settled.IsZero() {
		return d.settled, true
	}
	above := d.key == n.key && d.place < n.place
	answer := &d.settledAnswer
	if above {
		answer = &d.freshAnswer
	}
	now := time.Now()
	if now.Sub(answer.at) < answersKept {
		return answer.since, answer.ok
	}
	defer func() { *answer = freshAnswer{now, since, ok} }()
	since, ok = t.freshLocked(x, d, labels.EmptyLabels(), fresh)
	if !ok || above {
		return since, ok
	}
	seen := t.seenLocked(x, d)
	if seen == nil || seen.rules[d.place].bad || !seen.evaluatedSince(since) {
		return time.Time{}, false
	}
	d.settled = seen.ended
	return d.settled, true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// index is what the rules of a set read and make.
type index struct {
	set *ruleSet
	makers[*node]
}

// node is one rule.
type node struct {
	key   string // of its group
	place int    // in it

	labels                  labels.Labels // static, or templates
	inputs                  []input       // but for what other rules record
	records                 []*node       // rules whose results it reads
	keepsJob, keepsInstance bool          // see keeps

	asking                     bool        // guards against cycles
	settled                    time.Time   // since when what it records is fresh; zero until it is
	settledAnswer, freshAnswer freshAnswer // to others that ask
}

type freshAnswer struct {
	at    time.Time // when it was found out
	since time.Time
	ok    bool
}

// newIndex analyses all rules.
func newIndex(set *ruleSet) *index {
	x := &index{set: set, makers: newMakers[*node]()}
	var all []*node
	for _, key := range set.keys {
		g := set.groups[key]
		for place, rule := range g.Rules {
			n := &node{key: key, place: place, labels: rules.FromMaps(g.Labels, rule.Labels)}
			all = append(all, n)
			x.add(rule, n)
		}
	}
	for _, n := range all {
		x.analyse(n, set.groups[n.key].Rules[n.place])
	}
	return x
}

func (x *index) analyse(n *node, rule rulefmt.Rule) {
	expr := x.set.exprs[rule.Expr]
	n.keepsJob = n.labels.Get(jobLabel) == "" && keeps(expr, jobLabel)
	n.keepsInstance = n.labels.Get(instanceLabel) == "" && keeps(expr, instanceLabel)
	for _, in := range x.set.inputs[rule.Expr] {
		records, alone := x.of(in)
		n.records = append(n.records, records...)
		if !alone {
			n.inputs = append(n.inputs, in)
		}
	}
}

// couldProduce tells whether a rule's own labels allow an alert with these.
func (n *node) couldProduce(alert labels.Labels) bool {
	could := true
	n.labels.Range(func(l labels.Label) {
		if !strings.Contains(l.Value, "{{") && alert.Get(l.Name) != l.Value {
			could = false
		}
	})
	return could
}
