package scrape

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

const (
	// samplesCounted is how many samples of a target are told apart.
	samplesCounted = 2
	// freshnessInterval is how often it is looked at what is fresh by now, unless a
	// look takes long: freshnessShare is how much of the time goes into looking.
	freshnessInterval = 100 * time.Millisecond
	freshnessShare    = 50 // one in so many
	// discoverySettle is how long the engine's discovery may keep back what it has
	// found, see discovery.Manager.
	discoverySettle = 5 * time.Second
)

// freshness finds out since when data is in the storage that was scraped after
// the start: after a long time down, queries find nothing before.
//
// A target counts when so many of its scrapes have been committed; or, as there
// is then nothing to come, when the lookback delta is over since the start and it
// fails still. It does not wait for targets that are no longer discovered. A
// job that finds its targets in a file or in the configuration has found them
// all when it has found any; others have a while to find more, and the
// lookback delta to find the first: that an empty answer has come is more than the
// engine tells.
type freshness struct {
	opts  Options
	begin sync.Once
	begun chan struct{} // closed by the first commit of a configuration
	start time.Time     // read after begun
	done  atomic.Bool   // everything is fresh; nothing changes any more
	sight atomic.Pointer[sight]

	mu      sync.Mutex // guards what follows
	jobs    map[string]*promconfig.ScrapeConfig
	targets map[*scrape.Target]*targetSeen // those that are active
}

// targetSeen is what is known of a target.
type targetSeen struct {
	early   bool        // it was there before the lookback delta was over
	commits []time.Time // of its first scrapes
}

// sight is what is fresh at a moment.
type sight struct {
	all  *freshSet
	jobs map[string]*freshSet // by the label of targets
}

// freshSet is the targets of a job or of an instance, or all.
type freshSet struct {
	targets   int
	since     [samplesCounted]time.Time // by the number of samples less one; zero as long as one is missing
	instances map[string]*freshSet      // by the label of targets
}

func newFreshness(opts Options) *freshness {
	return &freshness{opts: opts, begun: make(chan struct{}), targets: map[*scrape.Target]*targetSeen{}}
}

// use says which jobs run now.
func (f *freshness) use(j *jobs) {
	f.mu.Lock()
	f.jobs = j.byName
	f.mu.Unlock()
	f.begin.Do(func() {
		f.start = time.Now()
		close(f.begun)
	})
}

func (f *freshness) hasBegun() bool {
	select {
	case <-f.begun:
		return true
	default:
		return false
	}
}

// FreshSince tells since when the storage has the given number of samples, one or
// two, of all targets of a job that were scraped after the start: of one instance,
// of all where the instance is empty or unknown, and of all jobs where the job is
// empty. ok is false as long as some are missing.
//
// Of a job that nothing is known of, others send the samples. They have the
// lookback delta for it, and, where Options.Pushed, also for those of a job without
// targets and of all jobs. FreshSince never blocks.
func (m *Manager) FreshSince(job, instance string, samples int) (since time.Time, ok bool) {
	f := m.fresh
	s := f.sight.Load()
	if s == nil {
		return time.Time{}, false
	}
	samples = min(max(samples, 1), samplesCounted)
	set := s.all
	if job != "" {
		set = s.jobs[job]
	}
	if set == nil {
		return f.afterLookback()
	}
	since = set.since[samples-1]
	if narrow := set.instances[instance]; narrow != nil {
		since = narrow.since[samples-1]
	}
	if since.IsZero() {
		return time.Time{}, false
	}
	if f.opts.Pushed && (job == "" || set.targets == 0) {
		pushed, ok := f.afterLookback()
		return latest(since, pushed), ok
	}
	return since, true
}

// afterLookback is when series are gone of which nothing has come since the start.
func (f *freshness) afterLookback() (since time.Time, ok bool) {
	since = f.hopeless()
	return since, !time.Now().Before(since)
}

func (f *freshness) hopeless() time.Time { return f.start.Add(f.opts.lookbackDelta()) }

// watch looks until everything is fresh, or ctx is done.
func (f *freshness) watch(ctx context.Context, up *scrape.Manager) {
	select {
	case <-f.begun:
	case <-ctx.Done():
		return
	}
	for begin := time.Now(); !f.look(up, begin); begin = time.Now() {
		select {
		case <-time.After(max(freshnessInterval, freshnessShare*time.Since(begin))):
		case <-ctx.Done():
			return
		}
	}
	f.done.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets = nil
}

// look tells whether everything is fresh.
func (f *freshness) look(up *scrape.Manager, now time.Time) (all bool) {
	return f.see(up.TargetsActive(), up.TargetsDroppedCounts(), now) // waits for pools that are being stopped, so it is not asked under mu
}

// see takes note of what was found at or after the given time.
func (f *freshness) see(active map[string][]*scrape.Target, dropped map[string]int, now time.Time) (all bool) {
	before := f.sight.Load()
	if before == nil {
		before = &sight{all: &freshSet{}}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	next := &sight{all: newFreshSet(), jobs: map[string]*freshSet{}}
	found := map[*scrape.Target]bool{}
	for pool, targets := range active {
		conf := f.jobs[pool]
		for _, t := range targets {
			found[t] = true
			next.add(t, f.targetLocked(t, conf, now))
		}
	}
	maps.DeleteFunc(f.targets, func(t *scrape.Target, seen *targetSeen) bool {
		after := len(seen.commits) > 0 && seen.commits[len(seen.commits)-1].After(now) // it may have come meanwhile
		return !found[t] && !after
	})
	undiscovered := map[string]bool{}
	for name, conf := range f.jobs {
		if next.jobs[name] == nil {
			next.jobs[name] = newFreshSet()
		}
		_, exists := active[name]
		if !f.discovered(conf, exists, len(active[name])+dropped[name] > 0, now) {
			undiscovered[name] = true
		}
	}
	next.all.settle(before.all, f.start, len(undiscovered) > 0)
	for job, set := range next.jobs {
		waits := undiscovered[job]
		if _, named := f.jobs[job]; !named { // relabelling may bring it targets from any
			waits = len(undiscovered) > 0
		}
		set.settle(before.jobs[job], f.start, waits)
	}
	f.sight.Store(next)
	return !next.all.since[samplesCounted-1].IsZero()
}

// discovered tells whether all targets of a job can be expected to be known.
func (f *freshness) discovered(conf *promconfig.ScrapeConfig, exists, found bool, now time.Time) bool {
	up := now.Sub(f.start)
	settled := up >= f.opts.reloadInterval()+discoverySettle+time.Duration(conf.ScrapeInterval)
	atOnce := true
	for _, sd := range conf.ServiceDiscoveryConfigs {
		atOnce = atOnce && (sd.Name() == "static" || sd.Name() == "file")
	}
	switch {
	case len(conf.ServiceDiscoveryConfigs) == 0 || up >= f.opts.lookbackDelta():
		return true
	case atOnce && len(conf.ServiceDiscoveryConfigs) == 1:
		return exists && found || settled
	case atOnce:
		return settled
	default:
		return settled && found
	}
}

// targetLocked tells since when so many samples of a target are there.
func (f *freshness) targetLocked(t *scrape.Target, conf *promconfig.ScrapeConfig, now time.Time) (since [samplesCounted]time.Time) {
	seen, hopeless := f.seenLocked(t), f.hopeless()
	seen.early = seen.early || now.Before(hopeless)
	copy(since[:], seen.commits)
	switch t.Health() {
	case scrape.HealthGood:
		if seen.early || len(seen.commits) == 0 {
			return since
		}
	case scrape.HealthUnknown:
		if seen.early && conf != nil {
			hopeless = hopeless.Add(time.Duration(conf.ScrapeInterval))
		}
	}
	if now.Before(hopeless) {
		return since
	}
	for i := range since {
		if since[i].IsZero() {
			since[i] = hopeless
		}
	}
	return since
}

func newFreshSet() *freshSet { return &freshSet{instances: map[string]*freshSet{}} }

func (s *sight) add(t *scrape.Target, since [samplesCounted]time.Time) {
	var job, instance string
	t.LabelsRange(func(l labels.Label) {
		switch l.Name {
		case "job":
			job = l.Value
		case "instance":
			instance = l.Value
		}
	})
	if s.jobs[job] == nil {
		s.jobs[job] = newFreshSet()
	}
	for _, set := range []*freshSet{s.all, s.jobs[job]} {
		if set.instances[instance] == nil {
			set.instances[instance] = &freshSet{}
		}
		set.add(since)
		set.instances[instance].add(since)
	}
}

// add takes the latest of all, and none as soon as one has none.
func (s *freshSet) add(since [samplesCounted]time.Time) {
	for i, at := range since {
		switch {
		case s.targets == 0 || at.IsZero():
			s.since[i] = at
		case !s.since[i].IsZero():
			s.since[i] = latest(s.since[i], at)
		}
	}
	s.targets++
}

// settle keeps what was fresh before: targets that come later had no samples
// before the start.
func (s *freshSet) settle(before *freshSet, start time.Time, waits bool) {
	for i := range s.since {
		switch {
		case before != nil && !before.since[i].IsZero():
			s.since[i] = before.since[i]
		case waits:
			s.since[i] = time.Time{}
		case s.targets == 0:
			s.since[i] = start
		}
	}
	for instance, set := range s.instances {
		var old *freshSet
		if before != nil {
			old = before.instances[instance]
		}
		set.settle(old, start, waits)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// watched takes note of scrapes that are committed.
type watched struct {
	storage.AppendableV2
	fresh *freshness
}

// AppenderV2 implements storage.AppendableV2.
func (w watched) AppenderV2(ctx context.Context) storage.AppenderV2 {
	app := w.AppendableV2.AppenderV2(ctx)
	if w.fresh.done.Load() {
		return app
	}
	target, ok := scrape.TargetFromContext(ctx)
	if !ok {
		return app
	}
	return &watchedAppender{app, w.fresh, target}
}

type watchedAppender struct {
	storage.AppenderV2
	fresh  *freshness
	target *scrape.Target
}

// Commit implements storage.AppenderV2. The engine has reported by then how the
// scrape went.
func (a *watchedAppender) Commit() error {
	err := a.AppenderV2.Commit()
	if err == nil && a.target.Health() == scrape.HealthGood {
		a.fresh.committed(a.target, time.Now())
	}
	return err
}

func (f *freshness) committed(t *scrape.Target, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.targets == nil {
		return
	}
	if seen := f.seenLocked(t); len(seen.commits) < samplesCounted {
		seen.commits = append(seen.commits, at)
	}
}

func (f *freshness) seenLocked(t *scrape.Target) *targetSeen {
	if f.targets[t] == nil {
		f.targets[t] = &targetSeen{}
	}
	return f.targets[t]
}
