package rules

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/rules"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// slotsPerCPU is how many evaluations may run at once that samples have triggered.
const slotsPerCPU = 2

// timing decides when groups are evaluated: right after the samples that they read
// have come, or by the clock. A group's own goroutine, which the engine owns, waits
// for its next evaluation, see iterate; this is what it is told by others.
type timing struct {
	evaluate func(context.Context, iteration)
	metrics  *timingMetrics
	slots    chan struct{} // held by evaluations that samples have triggered, so that a commit does not start hundreds at once

	mu      sync.Mutex          // guards what follows, and everything of the groups
	groups  map[string]*timed   // by rules.GroupKey
	jobs    map[string][]*timed // those that read series of a job
	any     []*timed            // those that read series of any
	leaving map[string]bool     // groups that the engine stops or replaces now
	stopped bool                // no group must wait any more
	extras  extras
}

// timed is one group.
type timed struct {
	pace
	slowness
	key, file, name string
	asked           string        // how it is to be evaluated
	reason          string        // why it cannot be evaluated after scrapes; empty if it can
	group           *rules.Group  // that waits or waited here; nil before
	firstTick       time.Time     // when the engine called for it first
	waiting         bool          // it does
	running         bool          // it is being evaluated
	wake            chan struct{} // holds a wake-up call for who waits

	above, below []*timed // all that it reads the results of, directly or not; that read its own
	readers      []*timed // those that do directly

	last   due           // the last evaluation; no trigger before the first
	cost   time.Duration // how long it took
	counts map[Trigger]uint64
}

func newTiming(evaluate func(context.Context, iteration), reg prometheus.Registerer) *timing {
	t := &timing{evaluate: evaluate, metrics: newTimingMetrics(reg), groups: map[string]*timed{}, slots: make(chan struct{}, slotsPerCPU*runtime.GOMAXPROCS(0))}
	if reg != nil {
		reg.MustRegister(timingCollector{t})
	}
	return t
}

// use says which groups there are from now on, before the engine is told, and makes
// those go to it that it is about to stop, since it would wait for them. The
// returned func says that it has done that.
func (t *timing) use(from, to *ruleSet, evaluation string) (done func()) {
	feeds := to.feeds()
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.groups
	t.groups = make(map[string]*timed, len(to.groups))
	t.jobs, t.any, t.leaving = map[string][]*timed{}, nil, map[string]bool{}
	for _, key := range to.keys {
		g := before[key]
		if g == nil {
			g = newTimed(key, to.groups[key])
		}
		t.groups[key] = g
		g.configure(to, to.groups[key], feeds[key], evaluation)
		t.follow(g, feeds[key])
	}
	link(t.groups, feeds)
	for key, g := range before {
		if !from.keeps(to, key) {
			t.leaving[key] = true
		}
		g.call() // its settings may be others
	}
	return t.settled
}

func (t *timing) settled() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leaving = nil
}

// keeps tells whether the engine leaves a group alone when it gets another set.
func (s *ruleSet) keeps(to *ruleSet, key string) bool {
	old, next := s.groups[key], to.groups[key]
	return next.sameToEngine(old) && next.nudged == old.nudged && s.intervalOf(old) == to.intervalOf(next) &&
		(!old.nudged || s.queryOffset == to.queryOffset)
}

func (t *timing) follow(g *timed, f *feed) {
	if f.any {
		t.any = append(t.any, g)
		return
	}
	for _, job := range f.jobs {
		t.jobs[job] = append(t.jobs[job], g)
	}
}

// stop makes all groups go back to the engine, and stay there.
func (t *timing) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	for _, g := range t.groups {
		g.call()
	}
}

// committed tells the groups of samples that they read.
func (t *timing) committed(by Trigger, jobs []string, newest time.Time) {
	now, newest := time.Now(), milli(newest)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.extras.committed(now)
	for _, g := range t.any {
		g.tell(by, newest, now)
	}
	for _, job := range jobs {
		for _, g := range t.jobs[job] {
			g.tell(by, newest, now)
		}
	}
}

func newTimed(key string, g group) *timed {
	return &timed{key: key, file: g.file, name: g.Name, wake: make(chan struct{}, 1), counts: map[Trigger]uint64{}}
}

// configure takes over what a configuration says of a group.
func (g *timed) configure(set *ruleSet, written group, f *feed, evaluation string) {
	if written.evaluation != "" {
		evaluation = written.evaluation
	}
	g.interval, g.offset = set.intervalOf(written), set.offsetOf(written)
	g.asked, g.reason = evaluation, ""
	switch {
	case evaluation == config.EvaluationClock:
	case g.offset > 0:
		g.reason = "it has a query offset: new samples do not matter to it until later"
	case !f.fed():
		g.reason = "it reads no series that come in"
	}
}

// byClock tells whether a group is evaluated at the ticks of the engine alone.
func (g *timed) byClock() bool { return g.clockAnyway() || g.slow }

func (g *timed) clockAnyway() bool { return g.asked == config.EvaluationClock || g.reason != "" }

// tell tells a group of samples that it reads.
func (g *timed) tell(by Trigger, newest, now time.Time) {
	if g.sampled(by, newest, now) {
		g.call()
	}
}

// call wakes whoever waits for the group to become due.
func (g *timed) call() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// othersFirst tells whether a group that this one reads is about to be evaluated.
func (g *timed) othersFirst(now time.Time) bool {
	return slices.ContainsFunc(g.above, func(a *timed) bool {
		return a.running || a.waiting && !a.byClock() && a.before(g, now)
	})
}

// before tells whether a group becomes due no later than another does, as far as the
// samples are concerned if that one has new ones.
func (g *timed) before(other *timed, now time.Time) bool {
	if other.dirty && !g.dirty {
		return false
	}
	return !g.soonest(now).After(later(other.soonest(now), now))
}

// link tells each group of those that read it.
func link(groups map[string]*timed, feeds map[string]*feed) {
	for _, g := range groups {
		g.above, g.below, g.readers = nil, nil, nil
	}
	for key, g := range groups {
		for _, from := range feeds[key].from {
			groups[from].readers = append(groups[from].readers, g)
		}
		seen := map[string]bool{}
		var climb func(key string)
		climb = func(key string) {
			for _, from := range feeds[key].from {
				if !seen[from] {
					seen[from] = true
					g.above = append(g.above, groups[from])
					groups[from].below = append(groups[from].below, g)
					climb(from)
				}
			}
		}
		climb(key)
	}
}
