package siteconfig

import (
	"sync"
	"time"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// grace is how long nothing is said of a source that is silent, after the start or the
// last success.
const grace = 30 * time.Second

// What a source can be like.
const (
	stateIdle        = "idle" // there is none, or it was not asked yet
	stateNeverSynced = "never synced"
	stateFresh       = "fresh"
	stateStale       = "stale"
	stateFailed      = "failed" // what it says does not run
)

// status is how the source is, and what runs of it. Its methods are safe for
// concurrent use.
type status struct {
	grace time.Duration

	mu  sync.Mutex // guards what follows
	now view
}

// view is a status at one moment.
type view struct {
	started time.Time // zero before the source is asked
	success time.Time // when what the source said was last what runs
	trouble string    // why that is not so now, in words; empty when it is, or nobody knows
	refused bool      // the trouble is that the server does not run it
	invalid string    // why the text that the source brought cannot be read
	running bool      // the server runs a site configuration
	// problems are those of the configuration that runs.
	problems []string
	// version of the configuration with which it was applied.
	version uint64
}

func newStatus(poll time.Duration) *status { return &status{grace: max(grace, 3*poll)} }

func (s *status) view() view {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *status) set(change func(*view)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.now)
}

// start notes that the source is asked from now on.
func (s *status) start(now time.Time) { s.set(func(v *view) { v.started = now }) }

// succeed notes that what the source says runs.
func (s *status) succeed(now time.Time) {
	s.set(func(v *view) { v.success, v.trouble, v.refused, v.invalid = now, "", false, "" })
}

// noNews notes that the source has nothing to tell: what it said before is as true as
// it was.
func (s *status) noNews(now time.Time) {
	s.set(func(v *view) {
		if !v.refused {
			v.success, v.trouble = now, ""
		}
	})
}

// fail notes that the source says nothing.
func (s *status) fail(reason string) {
	s.set(func(v *view) { v.trouble, v.refused = reason, false })
}

// refuse notes that the server does not run what the source says.
func (s *status) refuse(reason string) {
	s.set(func(v *view) { v.trouble, v.refused, v.invalid = reason, true, "" })
}

// misread notes that what the source says cannot be read.
func (s *status) misread(reason string) {
	s.set(func(v *view) { v.trouble, v.refused, v.invalid = reason, true, reason })
}

// runs notes what runs of the site configuration.
func (s *status) runs(e *config.Effective) {
	_, running := e.Documents[config.SiteConfigDocument]
	s.set(func(v *view) { v.running, v.problems = running, e.Problems })
}

// applied notes the version of the configuration that has it.
func (s *status) applied(version uint64) { s.set(func(v *view) { v.version = version }) }

// state is the state at that time.
func (s *status) state(v view, now time.Time) string {
	switch {
	case v.started.IsZero():
		return stateIdle
	case v.refused:
		return stateFailed
	case v.success.IsZero():
		return stateNeverSynced
	case now.Sub(v.success) >= s.grace:
		return stateStale
	default:
		return stateFresh
	}
}

// overdue says whether the state is one to complain of.
func (s *status) overdue(v view, now time.Time) bool {
	return !v.started.IsZero() && now.Sub(v.since()) >= s.grace
}

// since is when what the source says was last known to run, or when it was asked first.
func (v view) since() time.Time {
	if v.success.IsZero() {
		return v.started
	}
	return v.success
}
