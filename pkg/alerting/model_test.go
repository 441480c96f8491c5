package alerting

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

// SRCPROM_SEED=7 replays one seed, SRCPROM_SEEDS=5000 tries that many.
const (
	seedVariable  = "SRCPROM_SEED"
	seedsVariable = "SRCPROM_SEEDS"
)

// Alerts, resolves, applies and receivers that are slow, hang or refuse, in virtual
// time, against a model that knows nothing of dispatchers: of three seeds one takes
// some hours with waits of seconds and minutes, two take three to seven days with
// waits of minutes and hours.
func TestManager_TellsWhatTheModelSays(t *testing.T) {
	if seed, err := strconv.Atoi(os.Getenv(seedVariable)); err == nil {
		runSeed(t, seed)
		return
	}
	seeds, err := strconv.Atoi(os.Getenv(seedsVariable))
	if err != nil {
		seeds = 30 // the race detector has only so much room for bubbles
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			runSeed(t, seed)
		})
	}
}

func runSeed(t *testing.T, seed int) {
	virtual.Test(t, func(t *testing.T) {
		s := newScenario(t, uint64(seed))
		if s.pace.days == 0 {
			for range 40 {
				s.step()
			}
		}
		for s.ref.now < time.Duration(s.pace.days)*day {
			for range 8 {
				s.step()
			}
			s.night()
		}
		s.until(s.ref.now + s.pace.repeat + 4*s.pace.longest)
		s.compare()
	})
}

// scenario does the same to a Manager and to the model.
type scenario struct {
	t     *testing.T
	rand  *rand.Rand
	seed  uint64
	pace  pace
	h     *harness
	net   *memoryNet
	ref   *reference
	start time.Time
	post  int
	steps []scenarioStep
}

// pace is how fast a scenario goes.
type pace struct {
	days      int             // that it takes at least; 0: forty steps
	pauses    []time.Duration // between two steps, one of these on average
	waits     []string        // group_wait
	intervals []string        // group_interval
	longest   time.Duration   // of intervals
	repeat    time.Duration   // repeat_interval
	slow      int             // times slower than others is a receiver that is slow
}

const day = 24 * time.Hour

func paceOf(seed uint64) pace {
	if seed%3 == 0 {
		return pace{
			pauses: []time.Duration{2 * time.Second, time.Minute, 20 * time.Minute},
			waits:  []string{"0s", "10s", "30s", "1m"}, intervals: []string{"1m", "5m", "7m"}, longest: 7 * time.Minute,
			repeat: []time.Duration{62 * time.Minute, 2 * time.Hour}[seed/3%2],
			slow:   10,
		}
	}
	return pace{
		days:   3 + int(seed/3%5),
		pauses: []time.Duration{2 * time.Second, 10 * time.Minute, 3 * time.Hour},
		waits:  []string{"0s", "30s", "5m", "40m"}, intervals: []string{"20m", "90m", "4h"}, longest: 4 * time.Hour,
		repeat: []time.Duration{5 * time.Hour, 26 * time.Hour, 3 * day}[seed%3+seed/3%2-1],
		slow:   400,
	}
}

type scenarioStep struct {
	at   time.Duration
	text string
}

func newScenario(t *testing.T, seed uint64) *scenario {
	s := &scenario{t: t, seed: seed, pace: paceOf(seed), rand: rand.New(rand.NewPCG(seed, 1)), net: newMemoryNet(t), start: time.Now()}
	s.h = virtualHarness(t, s.net, func(o *Options, _ *Deps) {
		o.MaintenanceInterval = 4 * o.AlertGCInterval // it writes files
		o.DispatchMaintenanceInterval = 10 * time.Minute
	})
	s.net.answer = s.answer
	s.ref = newReference(s.answer)
	s.h.start()
	s.apply()
	return s
}

// compare shows the first notification that is not as it should be, and what came
// before it.
func (s *scenario) compare() {
	want, have := s.ref.told, s.net.notifications()
	inOrder(want)
	inOrder(have)
	for i := range max(len(want), len(have)) {
		if i < len(want) && i < len(have) && want[i] == have[i] {
			continue
		}
		lines := func(all []told) string {
			return strings.Join(texts(all[max(0, min(i-3, len(all))):min(i+3, len(all))]), "\n\t")
		}
		require.FailNow(s.t, "another notification", "replay it with %s=%d\nwant\n\t%s\nhave\n\t%s\nafter\n\t%s",
			seedVariable, s.seed, lines(want), lines(have), strings.Join(s.before(want, have, i), "\n\t"))
	}
}

// before are the last steps before the i-th notification.
func (s *scenario) before(want, have []told, i int) []string {
	at := s.ref.now
	for _, all := range [][]told{want, have} {
		if i < len(all) {
			at = min(at, all[i].At)
		}
	}
	n := 0
	for n < len(s.steps) && s.steps[n].at <= at {
		n++
	}
	var lines []string
	for _, step := range s.steps[max(0, n-20):n] {
		lines = append(lines, fmt.Sprintf("%s %s", step.at, step.text))
	}
	return lines
}

func inOrder(all []told) {
	slices.SortFunc(all, func(a, b told) int {
		return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.String(), b.String()))
	})
}

// answer is how a receiver behaves.
func (s *scenario) answer(at time.Duration, receiver, group string) (status int, after time.Duration) {
	hash := fnv.New64a()
	fmt.Fprint(hash, s.seed, at, receiver, group)
	r := rand.New(rand.NewPCG(hash.Sum64(), 2))
	after = time.Duration(r.IntN(3000))*time.Millisecond + 17*time.Microsecond
	switch n := r.IntN(20); {
	case n == 0:
		return http.StatusBadRequest, after
	case n == 1:
		return http.StatusOK, 10*time.Hour + after // hangs until its deadline
	case n < 5:
		return http.StatusOK, after * time.Duration(s.pace.slow)
	default:
		return http.StatusOK, after
	}
}

func (s *scenario) step() {
	s.pause(time.Duration(s.rand.ExpFloat64() * float64(s.pace.pauses[s.rand.IntN(3)])))
	switch n := s.rand.IntN(10); {
	case n < 5:
		s.fire()
	case n < 8:
		s.resolve()
	default:
		s.apply()
	}
}

// pause ends when nothing else happens: no event is at the time of another one.
func (s *scenario) pause(d time.Duration) {
	s.until((s.ref.now + d).Truncate(time.Millisecond) + time.Millisecond + 311*time.Microsecond)
}

// night lets nobody do anything until eight o'clock of a next day. Before every other
// one all ends that fires; the others have what fires repeated.
func (s *scenario) night() {
	if s.rand.IntN(2) == 0 {
		for s.pause(0); s.resolve(); {
			s.pause(0)
		}
	}
	morning := s.ref.now.Truncate(day) + day + 8*time.Hour
	if s.rand.IntN(4) == 0 {
		morning += day
	}
	s.pause(morning - s.ref.now + time.Duration(s.rand.IntN(int(time.Hour))))
}

func (s *scenario) until(d time.Duration) {
	s.ref.advance(d)
	s.net.at(d)
}

func (s *scenario) note(format string, args ...any) {
	s.steps = append(s.steps, scenarioStep{s.ref.now, fmt.Sprintf(format, args...)})
}

func (s *scenario) fire() {
	name := strconv.Itoa(s.rand.IntN(8))
	start := s.ref.now
	if s.rand.IntN(2) == 0 { // comes late
		start = max(0, start-time.Duration(s.rand.IntN(60000))*time.Millisecond)
	}
	if old := s.ref.alerts[name]; old != nil {
		start = max(start, old.end+time.Microsecond)
		if old.end == 0 { // posted again
			start = old.start
		}
	}
	s.send(name, start, 0)
}

// resolve ends an alert that fires, if there is one.
func (s *scenario) resolve() bool {
	var firing []string
	for name, a := range s.ref.alerts {
		if a.end == 0 {
			firing = append(firing, name)
		}
	}
	if len(firing) == 0 {
		return false
	}
	slices.Sort(firing)
	name := firing[s.rand.IntN(len(firing))]
	s.send(name, s.ref.alerts[name].start, s.ref.now)
	return true
}

// send posts an alert; what it is named decides its labels.
func (s *scenario) send(name string, start, end time.Duration) {
	s.note("alert %s: %s - %s", name, start, end)
	s.post++
	n, _ := strconv.Atoi(name)
	set := labels.FromStrings("alertname", "AB"[n%2:n%2+1], "n", name, "team", []string{"", "x", "y", "z"}[n/2%4])
	ends := s.start.Add(10000 * time.Hour)
	if end > 0 {
		ends = s.start.Add(end)
	}
	s.h.Send(&notifier.Alert{Labels: set, StartsAt: s.start.Add(start), EndsAt: ends})
	lset := model.LabelSet{}
	set.Range(func(l labels.Label) { lset[model.LabelName(l.Name)] = model.LabelValue(l.Value) })
	s.ref.post(&refAlert{name: name, labels: lset, start: start, end: end, version: s.post})
	synctest.Wait()
}

// apply applies routes, now and then others.
func (s *scenario) apply() {
	text := s.configuration()
	s.note("apply %s", strings.Join(strings.Fields(text[:strings.Index(text, "receivers:")]), " "))
	next := effective(s.t, text)
	changed := slices.Contains(s.h.apply(next), "routes")
	if changed {
		s.ref.apply(dispatch.NewRoute(next.Alertmanager.Route, nil))
	}
	synctest.Wait()
}

func (s *scenario) configuration() string {
	one := func(of []string) string { return of[s.rand.IntN(len(of))] }
	wait, interval := func() string { return one(s.pace.waits) }, func() string { return one(s.pace.intervals) }
	lines := []string{
		"route:",
		"  receiver: team", "  group_by: [alertname]",
		"  group_wait: " + wait(), "  group_interval: " + interval(), "  repeat_interval: " + model.Duration(s.pace.repeat).String(),
		"  routes:", fmt.Sprintf(`  - {matchers: [never="%d"]}`, s.rand.IntN(3)),
	}
	for _, child := range []string{
		`  - {matchers: [team="x"], receiver: x, group_wait: ` + s.pace.waits[1] + `, group_interval: ` + interval() + `}`,
		`  - {matchers: [team="y"], receiver: y, continue: true, group_by: []}`,
		`  - {matchers: [team=~"x|y"], receiver: z, group_wait: ` + wait() + `}`,
	} {
		if s.rand.IntN(4) > 0 {
			lines = append(lines, child)
		}
	}
	lines = append(lines, "receivers:")
	for _, name := range []string{"team", "x", "y", "z"} {
		lines = append(lines, strings.TrimSuffix(webhookReceiver(name, "http://"+name), "\n"))
	}
	return strings.Join(lines, "\n") + "\n" + fmt.Sprintf("# %d\n", s.rand.Int())
}
