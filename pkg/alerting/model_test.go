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
)

// SRCPROM_SEED=7 replays one seed, SRCPROM_SEEDS=5000 tries that many.
const (
	seedVariable  = "SRCPROM_SEED"
	seedsVariable = "SRCPROM_SEEDS"
)

// Hours of alerts, resolves, applies and receivers that are slow, hang or refuse, in
// virtual time, against a model that knows nothing of dispatchers.
func TestManager_TellsWhatTheModelSays(t *testing.T) {
	if seed, err := strconv.Atoi(os.Getenv(seedVariable)); err == nil {
		runSeed(t, seed)
		return
	}
	seeds, err := strconv.Atoi(os.Getenv(seedsVariable))
	if err != nil {
		seeds = 100
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			runSeed(t, seed)
		})
	}
}

func runSeed(t *testing.T, seed int) {
	synctest.Test(t, func(t *testing.T) {
		s := newScenario(t, uint64(seed))
		for range 40 {
			s.step()
		}
		s.until(s.ref.now + 150*time.Minute)
		s.compare()
	})
}

// scenario does the same to a Manager and to the model.
type scenario struct {
	t     *testing.T
	rand  *rand.Rand
	seed  uint64
	h     *harness
	net   *memoryNet
	ref   *reference
	start time.Time
	post  int
	steps []scenarioStep
}

type scenarioStep struct {
	at   time.Duration
	text string
}

func newScenario(t *testing.T, seed uint64) *scenario {
	s := &scenario{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), net: newMemoryNet(t), start: time.Now()}
	s.h = virtualHarness(t, s.net, func(o *Options, _ *Deps) {
		o.MaintenanceInterval = 4 * o.AlertGCInterval // it writes files
		o.DispatchMaintenanceInterval = 10 * time.Minute
		o.Retention = time.Minute // so that the notification log does forget
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
		return http.StatusOK, time.Hour + after // hangs until its deadline
	case n < 5:
		return http.StatusOK, after * 10
	default:
		return http.StatusOK, after
	}
}

func (s *scenario) step() {
	// No event is at the time of another one.
	pause := time.Duration(s.rand.ExpFloat64() * float64([]time.Duration{2 * time.Second, time.Minute, 20 * time.Minute}[s.rand.IntN(3)]))
	s.until((s.ref.now + pause).Truncate(time.Millisecond) + time.Millisecond + 311*time.Microsecond)
	switch n := s.rand.IntN(10); {
	case n < 5:
		s.fire()
	case n < 8:
		s.resolve()
	default:
		s.apply()
	}
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

func (s *scenario) resolve() {
	var firing []string
	for name, a := range s.ref.alerts {
		if a.end == 0 {
			firing = append(firing, name)
		}
	}
	if len(firing) == 0 {
		return
	}
	slices.Sort(firing)
	name := firing[s.rand.IntN(len(firing))]
	s.send(name, s.ref.alerts[name].start, s.ref.now)
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
	wait := func(of ...string) string { return of[s.rand.IntN(len(of))] }
	lines := []string{
		"route:",
		"  receiver: team", "  group_by: [alertname]",
		"  group_wait: " + wait("0s", "30s"), "  group_interval: " + wait("1m", "5m"), "  repeat_interval: " + []string{"62m", "2h"}[s.seed%2],
		"  routes:", fmt.Sprintf(`  - {matchers: [never="%d"]}`, s.rand.IntN(3)),
	}
	for _, child := range []string{
		`  - {matchers: [team="x"], receiver: x, group_wait: 10s, group_interval: ` + wait("1m", "7m") + `}`,
		`  - {matchers: [team="y"], receiver: y, continue: true, group_by: []}`,
		`  - {matchers: [team=~"x|y"], receiver: z, group_wait: ` + wait("10s", "1m") + `}`,
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
