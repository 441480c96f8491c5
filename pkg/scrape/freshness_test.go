package scrape

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
)

// startFresh is a manager with the given lookback delta.
func startFresh(t *testing.T, lookback time.Duration, edit func(*Options), text string) *testManager {
	t.Helper()
	options := DefaultOptions()
	options.DiscoveryReloadInterval, options.LookbackDelta = 50*time.Millisecond, lookback
	if edit != nil {
		edit(&options)
	}
	m := newManagerWith(t, options)
	m.start(t)
	step, err := m.Prepare(nil, effective(t, text))
	require.NoError(t, err)
	require.NoError(t, step.Commit())
	return m
}

func (m *testManager) isFresh(job, instance string, samples int) bool {
	_, ok := m.FreshSince(job, instance, samples)
	return ok
}

// becomesFresh waits until it is, and returns since when.
func (m *testManager) becomesFresh(t *testing.T, job, instance string, samples int) time.Time {
	t.Helper()
	require.Eventually(t, func() bool { return m.isFresh(job, instance, samples) }, patience, 5*time.Millisecond,
		"%d samples of %q %q", samples, job, instance)
	since, _ := m.FreshSince(job, instance, samples)
	return since
}

// looked waits until the manager has looked at what is fresh, now.
func (m *testManager) looked(t *testing.T) {
	t.Helper()
	for range 2 {
		before := m.fresh.sight.Load()
		require.Eventually(t, func() bool { return m.fresh.sight.Load() != before || m.fresh.done.Load() }, patience, time.Millisecond, "a look")
	}
}

// gated is a target that fails until it is opened.
func gated(t *testing.T) (*target, func()) {
	var open atomic.Bool
	return newTarget(t, func(w http.ResponseWriter, r *http.Request) {
		if !open.Load() {
			http.Error(w, "not yet", http.StatusInternalServerError)
			return
		}
		page("m 1\n")(w, r)
	}), func() { open.Store(true) }
}

func TestFreshness_WaitsForTheFirstCommittedScrapeOfEachTarget(t *testing.T) {
	quick := newTarget(t, page("m 1\n"))
	slow, open := gated(t)
	m := startFresh(t, time.Hour, nil, scraping(job("quick", quick, ""), job("slow", slow, "")))
	m.becomesFresh(t, "quick", "", 1)
	require.Eventually(t, func() bool { return slow.scrapes.Load() >= 3 }, patience, time.Millisecond, "scrapes that fail")
	m.looked(t)
	require.False(t, m.isFresh("slow", "", 1))
	require.False(t, m.isFresh("", "", 1), "all jobs")
	require.True(t, m.isFresh("", quick.address(), 1) || m.isFresh("quick", quick.address(), 1))

	opened := time.Now()
	open()
	since := m.becomesFresh(t, "slow", "", 1)
	require.True(t, since.After(opened))
	require.Len(t, m.query(t, `m{job="slow"}`), 1, "it is in the storage")
	require.False(t, m.becomesFresh(t, "slow", "", 2).Before(since), "the second sample came later")
	m.becomesFresh(t, "", "", 2)
	require.Eventually(t, m.fresh.done.Load, patience, time.Millisecond, "nothing to look for any more")
}

func TestFreshness_NarrowsToOneInstance(t *testing.T) {
	quick := newTarget(t, page("m 1\n"))
	slow, open := gated(t)
	text := scraping("- {job_name: app, static_configs: [{targets: [" + quick.address() + ", " + slow.address() + "]}]}\n")
	m := startFresh(t, time.Hour, nil, text)
	m.becomesFresh(t, "app", quick.address(), 2)
	require.False(t, m.isFresh("app", slow.address(), 1))
	require.False(t, m.isFresh("app", "", 1))
	require.False(t, m.isFresh("app", "gone:80", 1), "an instance that is unknown may be a label of any target's own")
	open()
	m.becomesFresh(t, "app", "gone:80", 1)
}

func TestFreshness_FailingTargetIsWaitedForAsLongAsItsSeriesLast(t *testing.T) {
	broken, _ := gated(t)
	m := startFresh(t, 800*time.Millisecond, nil, scraping(job("broken", broken, "")))
	m.looked(t)
	require.False(t, m.isFresh("broken", "", 1))
	since := m.becomesFresh(t, "broken", "", 2)
	require.Equal(t, m.fresh.start.Add(800*time.Millisecond), since)
}

func TestFreshness_ScrapesThatCannotBeCommittedNeverCount(t *testing.T) {
	db, err := tsdb.Open(t.TempDir(), nil, nil, tsdb.DefaultOptions(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	opts := DefaultOptions()
	opts.DiscoveryReloadInterval, opts.LookbackDelta = 50*time.Millisecond, 2*time.Second
	full := &fullDisk{AppendableV2: db}
	up, err := New(opts, Deps{Appendable: full, Registerer: prometheus.NewRegistry()})
	require.NoError(t, err)
	m := &testManager{Manager: up, db: db}
	m.start(t)
	m.apply(t, nil, effective(t, scraping(job("app", newTarget(t, page("m 1\n")), ""))))
	require.Eventually(t, func() bool { return full.refused.Load() >= 5 }, patience, time.Millisecond, "commits that fail")
	m.becomesFresh(t, "unknown", "", 1)
	m.looked(t)
	require.False(t, m.isFresh("app", "", 1), "the lookback delta is over")
}

type fullDisk struct {
	storage.AppendableV2
	refused atomic.Int64
}

func (d *fullDisk) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &fullAppender{d.AppendableV2.AppenderV2(ctx), d}
}

type fullAppender struct {
	storage.AppenderV2
	disk *fullDisk
}

func (a *fullAppender) Commit() error {
	a.disk.refused.Add(1)
	return errors.Join(errors.New("no space left on device"), a.Rollback())
}

func TestFreshness_TargetsThatAreGoneAreNotWaitedFor(t *testing.T) {
	stays := newTarget(t, page("m 1\n"))
	gone, _ := gated(t)
	both := scraping(job("app", stays, ""), job("old", gone, ""))
	m := startFresh(t, time.Hour, nil, both)
	m.becomesFresh(t, "app", "", 1)
	require.False(t, m.isFresh("", "", 1))
	m.apply(t, effective(t, both), effective(t, scraping(job("app", stays, ""))))
	m.becomesFresh(t, "", "", 1)
}

// churning is a freshness whose targets a test makes, with a job "app" that is
// scraped each minute, and moments after its start.
func churning(t *testing.T) (f *freshness, target func(instance string) *scrape.Target, at func(time.Duration) time.Time) {
	jobs, err := jobsOf(effective(t, "scrape_configs: [{job_name: app, static_configs: [{targets: [a]}]}]\n"))
	require.NoError(t, err)
	f = newFreshness(DefaultOptions())
	f.use(jobs)
	f.start = time.Now().Add(-time.Hour) // what is fresh since the lookback delta is so now
	target = func(instance string) *scrape.Target {
		return scrape.NewTarget(labels.FromStrings("job", "app", "instance", instance), jobs.byName["app"], nil, nil)
	}
	return f, target, func(d time.Duration) time.Time { return f.start.Add(d) }
}

func TestFreshness_TargetsThatComeAndGoDoNotHoldItUpForEver(t *testing.T) {
	f, target, at := churning(t)
	m := &Manager{fresh: f}
	isFresh := func(job string) bool {
		_, ok := m.FreshSince(job, "", 2)
		return ok
	}
	see := func(after time.Duration, targets ...*scrape.Target) bool {
		return f.see(map[string][]*scrape.Target{"app": targets}, nil, at(after))
	}
	stays, good := target("stays"), func(t *scrape.Target, after time.Duration) {
		t.Report(at(after), time.Second, nil)
		f.committed(t, at(after))
	}
	for minute := range 4 {
		// One is always between its first and its second scrape.
		passes := target(fmt.Sprint("passes-", minute))
		good(stays, time.Duration(minute)*time.Minute)
		good(passes, time.Duration(minute)*time.Minute)
		require.False(t, see(time.Duration(minute)*time.Minute, stays, passes))
		require.Len(t, f.targets, 2, "what is gone is forgotten")
	}
	require.False(t, isFresh("app"))
	last, late, unscraped := target("last"), target("late"), target("unscraped")
	require.False(t, see(5*time.Minute-time.Second, stays, last))
	good(last, 5*time.Minute)
	good(late, 5*time.Minute+30*time.Second)
	require.False(t, see(5*time.Minute+30*time.Second, stays, last, late, unscraped), "one that was there in time has not been scraped twice")
	require.False(t, isFresh("app"))
	require.False(t, isFresh(""))
	good(last, 6*time.Minute)
	require.True(t, see(6*time.Minute, stays, last, late, unscraped))
	require.True(t, isFresh("app"))
	require.True(t, isFresh(""))
}

func TestFreshness_TargetsThatComeLateCountOnlyIfTheyCanBeStored(t *testing.T) {
	f, target, at := churning(t)
	late := target("late")
	late.Report(at(7*time.Minute), time.Second, nil)
	active := map[string][]*scrape.Target{"app": {late}}
	require.False(t, f.see(active, nil, at(7*time.Minute)), "scraped, but not committed")
	f.committed(late, at(8*time.Minute))
	require.True(t, f.see(active, nil, at(8*time.Minute)))
}

func TestFreshness_CommitsOfTargetsThatAreFoundMeanwhileAreKept(t *testing.T) {
	f, target, at := churning(t)
	found := target("found")
	f.committed(found, at(2*time.Second))
	require.False(t, f.see(nil, nil, at(time.Second)))
	require.Len(t, f.targets, 1)
	f.see(nil, nil, at(3*time.Second))
	require.Empty(t, f.targets)
}

func TestFreshness_JobsThatNothingIsKnownOfHaveTheLookbackDelta(t *testing.T) {
	m := startFresh(t, time.Second, nil, scraping(job("app", newTarget(t, page("m 1\n")), "")))
	m.becomesFresh(t, "", "", 1)
	require.False(t, m.isFresh("pushed", "", 1))
	require.Equal(t, m.fresh.start.Add(time.Second), m.becomesFresh(t, "pushed", "", 1))
}

func TestFreshness_WithoutJobs(t *testing.T) {
	m := startFresh(t, time.Hour, nil, "")
	require.Equal(t, m.fresh.start, m.becomesFresh(t, "", "", 2))

	pushed := startFresh(t, time.Second, func(o *Options) { o.Pushed = true }, "")
	pushed.looked(t)
	require.False(t, pushed.isFresh("", "", 1), "others may still send")
	require.Equal(t, pushed.fresh.start.Add(time.Second), pushed.becomesFresh(t, "", "", 1))
}

func TestFreshness_BeforeTheFirstConfigurationNothingIs(t *testing.T) {
	m := newManager(t)
	m.start(t)
	require.False(t, m.isFresh("", "", 1))
}

func TestFreshness_DiscoveryThatTakesLonger(t *testing.T) {
	e := effective(t, scraping("- {job_name: app}\n"))
	e.Prometheus.ScrapeConfigs[0].ServiceDiscoveryConfigs = discovery.Configs{lateDiscovery{}}
	jobs, err := jobsOf(e)
	require.NoError(t, err)
	opts := DefaultOptions()
	opts.LookbackDelta = time.Minute
	f := newFreshness(opts)
	f.use(jobs)
	conf, at := jobs.byName["app"], func(d time.Duration) time.Time { return f.start.Add(d) }
	require.False(t, f.discovered(conf, true, true, at(time.Second)), "more may come")
	require.False(t, f.discovered(conf, true, false, at(20*time.Second)), "nothing has come yet")
	require.True(t, f.discovered(conf, true, true, at(20*time.Second)))
	require.True(t, f.discovered(conf, true, false, at(time.Minute)), "there is no more to wait for than for a target that fails")
}

// lateDiscovery is a kind of discovery that cannot be made.
type lateDiscovery struct{}

func (lateDiscovery) Name() string { return "late" }

func (lateDiscovery) NewDiscoverer(discovery.DiscovererOptions) (discovery.Discoverer, error) {
	return nil, errors.New("not today")
}

func (lateDiscovery) NewDiscovererMetrics(prometheus.Registerer, discovery.RefreshMetricsInstantiator) discovery.DiscovererMetrics {
	return nil
}

func TestFailures_DiscoveryThatCannotBeMade(t *testing.T) {
	e := effective(t, scraping("- {job_name: app}\n"))
	e.Prometheus.ScrapeConfigs[0].ServiceDiscoveryConfigs = discovery.Configs{lateDiscovery{}}
	m := newManager(t)
	m.start(t)
	require.Zero(t, m.FailedDiscoveries())
	m.apply(t, nil, e)
	require.Equal(t, 1, m.FailedDiscoveries())
}

func TestFailures_TargetsThatCannotBeMade(t *testing.T) {
	a := newTarget(t, page("m 1\n"))
	m := newManager(t)
	m.start(t)
	text := scraping(job("app", a, `, relabel_configs: [{target_label: __scrape_interval__, replacement: never}]`))
	m.apply(t, nil, effective(t, text))
	require.Eventually(t, func() bool {
		for _, f := range m.Failures() {
			if f.What == "making targets of what was discovered" && f.Job == "app" && f.Count > 0 {
				return true
			}
		}
		return false
	}, patience, 5*time.Millisecond, "a target that cannot be made")
}

func TestFailures_KindsOfDiscoveryThatCountForThemselves(t *testing.T) {
	m := newManager(t)
	for name := range failureCounters() {
		if strings.HasPrefix(name, "prometheus_sd_") && name != "prometheus_sd_refresh_failures_total" {
			require.Len(t, m.counters.Values(name), 1, "the engine has no counter %s any more", name)
		}
	}
}

func TestFailures_FileThatCannotBeRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "targets.yml")
	require.NoError(t, os.WriteFile(file, []byte("- targets: oops\n"), 0o600))
	m := startManager(t, scraping(fmt.Sprintf("- {job_name: app, file_sd_configs: [{files: [%q], refresh_interval: 100ms}]}\n", file)))
	failure := func() Failure {
		for _, f := range m.Failures() {
			if f.What == "reading files of targets" {
				return f
			}
		}
		return Failure{}
	}
	require.Eventually(t, func() bool { return failure().Count > 1 }, patience, 5*time.Millisecond, "a file that cannot be read again and again")
	require.True(t, failure().Passing)
}

// Each of the engine's counters has its own: nobody else tells them apart.
func TestFailures_OfSeveralDiscoveriesOfAJobAreOne(t *testing.T) {
	m := startManager(t, scraping("- {job_name: app, http_sd_configs: [{url: 'http://127.0.0.1:1/', refresh_interval: 100ms}],"+
		" dns_sd_configs: [{names: [app.invalid], refresh_interval: 1h}]}\n"))
	require.Eventually(t, func() bool {
		var counts []float64
		for _, f := range m.Failures() {
			if f.What == "refreshing service discovery" && f.Job == "app" {
				counts = append(counts, f.Count)
			}
		}
		return len(counts) == 1 && counts[0] > 0
	}, patience, 5*time.Millisecond, "one failure, of the one that fails")
}

func TestFailures_TellWhenDiscoveryIsTriedAgain(t *testing.T) {
	m := startManager(t, scraping(
		"- {job_name: seldom, http_sd_configs: [{url: 'http://127.0.0.1:1/', refresh_interval: 40m}]}\n",
		"- {job_name: often, http_sd_configs: [{url: 'http://127.0.0.1:1/', refresh_interval: 100ms}]}\n",
		"- {job_name: files, file_sd_configs: [{files: [none.yml]}]}\n",
	))
	again := map[string]time.Duration{}
	require.Eventually(t, func() bool {
		for _, f := range m.Failures() {
			again[f.What+f.Job] = f.Again
		}
		return again["refreshing service discoveryseldom"] == 40*time.Minute
	}, patience, 5*time.Millisecond, "a refresh that fails")
	require.Equal(t, 100*time.Millisecond, again["refreshing service discoveryoften"])
	require.Equal(t, 5*time.Minute, again["reading files of targets"])
}
