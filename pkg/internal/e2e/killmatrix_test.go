package e2e

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

const (
	killsPerSeed = 10
	killRules    = 12
	// killSeedEnv replays one seed; killsEnv says how many kills there shall be, and
	// killFirstEnv which seed is the first.
	killSeedEnv  = "SRCPROM_KILL_SEED"
	killsEnv     = "SRCPROM_KILLS"
	killFirstEnv = "SRCPROM_KILL_FIRST"
)

// The server is killed with SIGKILL under load, at points chosen by a seed, and
// started again on what it has left. What must be true then is what the model
// says. A seed that fails is printed, and SRCPROM_KILL_SEED replays its choices.
func TestKillMatrix_NothingAcknowledgedIsLostAndNothingRecordedRepeated(t *testing.T) {
	for _, seed := range killSeeds(t) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			newKillRun(t, seed).do()
		})
	}
}

// killSeeds are 20 by default, which is 200 kills.
func killSeeds(t *testing.T) []uint64 {
	number := func(variable string, otherwise uint64) uint64 {
		text := os.Getenv(variable)
		if text == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, variable)
		return n
	}
	if os.Getenv(killSeedEnv) != "" {
		return []uint64{number(killSeedEnv, 0)}
	}
	first, seeds := number(killFirstEnv, 0), make([]uint64, (number(killsEnv, 200)+killsPerSeed-1)/killsPerSeed)
	for i := range seeds {
		seeds[i] = first + uint64(i)
	}
	return seeds
}

// killRun is one seed.
type killRun struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	sink   *sink
	target *srcpromtest.Target
	server *server
	load   *load
	model  deliveryModel
	flaky  map[string]int // attempts that the flaky receiver has seen, by group
	mu     sync.Mutex     // guards flaky
	// overdue is what finish waits for.
	overdue string
}

func newKillRun(t *testing.T, seed uint64) *killRun {
	r := &killRun{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), sink: newSink(t), target: srcpromtest.NewTarget(t),
		model: deliveryModel{conditions: map[string]span{}, silenced: map[string][]span{}},
		flaky: map[string]int{},
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay: %s=%d go test ./pkg/internal/e2e -run TestKillMatrix", killSeedEnv, seed)
			t.Logf("still owed: %s; deliveries:\n%s", r.overdue, transcript(r.sink.all()))
		}
	})
	r.load = newLoad(r, r.rng)
	r.sink.behave("slow", after(time.Duration(100+r.rng.IntN(400))*time.Millisecond))
	r.sink.behave("hang", after(1500*time.Millisecond))
	r.sink.behave("flaky", r.refuseFirst)
	for _, rule := range r.load.rules {
		r.target.Set("burning", 0, "rule", rule.name)
	}
	r.server = quickServer(t, r.sink, killFiles(r.target))
	r.apply(request{
		what: "apply the first configuration", method: http.MethodPost, path: configPath,
		body: documentsOf(r, quickConfig(r.sink, 0)), acknowledged: func(string) {},
	})
	config := r.server.config()
	r.load.config = is(r.load.accepted(config.Version, quickConfig(r.sink, 0)))
	return r
}

// killFiles scrape the target, and have rules of which every other one has a "for".
func killFiles(target *srcpromtest.Target) map[string]string {
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: g\n    rules:\n")
	for i := range killRules {
		fmt.Fprintf(&rules, "      - { alert: Rule%[1]d, expr: 'burning{rule=\"Rule%[1]d\"} == 1', for: %[2]dms, labels: { to: fast } }\n", i, i%2*600)
	}
	return map[string]string{
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
rule_files: [ rules.yml ]
scrape_configs: [ { job_name: t, static_configs: [ { targets: [ %q ] } ] } ]
`, target.Addr()),
		"rules.yml": rules.String(),
	}
}

// refuseFirst refuses the first attempt of each notification.
func (r *killRun) refuseFirst(n srcpromtest.Notification, _ <-chan struct{}) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flaky[n.GroupKey]++
	if r.flaky[n.GroupKey]%2 == 1 {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

func (r *killRun) logf(format string, args ...any) {
	r.t.Logf(time.Now().Format("15:04:05.000 ")+format, args...)
}

// killPoint is where a life ends. It ends it.
type killPoint struct {
	name string
	end  func(r *killRun)
}

// killPoints are visited in turn, so that every two seeds have all.
var killPoints = []killPoint{
	{"at rest", func(r *killRun) {
		r.sink.awaitAll("the receivers to be at rest", func(all []delivery) bool { return count(all, "fast", held)+count(all, "slow", held) == 0 })
		r.kill()
	}},
	{"after an acknowledged change of a silence", func(r *killRun) { r.apply(r.silenceChange()); r.kill() }},
	{"after an acknowledged alert", func(r *killRun) { r.apply(*r.load.postAlert("fast")); r.kill() }},
	{"after an acknowledged end of an alert", func(r *killRun) {
		r.apply(*r.load.postAlert("fast"))
		r.apply(*r.load.resolveAlert())
		r.kill()
	}},
	{"after an acknowledged apply", func(r *killRun) { r.apply(r.change()); r.kill() }},
	{"while requests are answered", func(r *killRun) { r.killDuring(4, 4*time.Millisecond) }},
	{"while requests are answered, a little later", func(r *killRun) { r.killDuring(6, 20*time.Millisecond) }},
	{"while a configuration is applied", func(r *killRun) {
		r.hold("slow")
		r.killWhile([]request{r.change()}, time.Duration(r.rng.IntN(40))*time.Millisecond)
	}},
	{"while a receiver holds a notification", func(r *killRun) { r.hold("slow"); r.kill() }},
	{"while a receiver hangs", func(r *killRun) { r.hold("hang"); r.kill() }},
	{"when a receiver has answered", func(r *killRun) {
		held := r.hold("slow")
		r.sink.await("the answer", func(d delivery) bool { return d.ending == answered && of(held)(d) })
		<-time.After(time.Duration(r.rng.IntN(10)) * time.Millisecond) // the moment is the point
		r.kill()
	}},
	{"between two attempts", func(r *killRun) { r.hold("flaky"); r.kill() }},
	{"while it stops", func(r *killRun) {
		r.hold("slow")
		began := time.Now()
		r.server.signal(syscall.SIGTERM)
		<-time.After(time.Duration(r.rng.IntN(300)) * time.Millisecond) // the moment is the point
		r.server.signalIfAlive(syscall.SIGKILL)
		r.server.ended(began)
	}},
	{"by a clean stop", func(r *killRun) { r.server.endWith(syscall.SIGTERM) }},
	{"while it starts", func(r *killRun) {
		r.kill()
		for range 2 {
			began := time.Now()
			r.server.begin(strings.TrimPrefix(r.server.URL, "http://"))
			<-time.After(time.Duration(r.rng.IntN(200)) * time.Millisecond) // the moment is the point
			r.server.signal(syscall.SIGKILL)
			r.server.ended(began)
		}
	}},
}

func (p *process) signalIfAlive(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) {
		require.NoError(p.t, err)
	}
}

// do lives and dies as often as asked, and then looks at the whole.
func (r *killRun) do() {
	for i := range killsPerSeed {
		for range 3 + r.rng.IntN(8) {
			r.apply(r.load.next())
		}
		point := killPoints[(int(r.seed)*killsPerSeed+i)%len(killPoints)]
		r.logf("kill %s", point.name)
		point.end(r)
		r.server.again()
		r.logf("ready again")
		r.look()
	}
	r.finish()
}

func (r *killRun) kill() { r.server.kill() }

// apply sends a request to a server that lives, and notes what it makes of it.
func (r *killRun) apply(q request) {
	r.t.Helper()
	r.logf("%s", q.what)
	status, answer, err := call(q.method, r.server.URL+q.path, q.body)
	require.NoError(r.t, err, q.what)
	r.note(q, status, answer, nil)
}

func (r *killRun) note(q request, status int, answer string, err error) {
	r.t.Helper()
	if err != nil {
		r.logf("in doubt: %s", q.what)
		q.inDoubt()
		return
	}
	if q.want == 0 {
		q.want = http.StatusOK
	}
	require.Equal(r.t, q.want, status, "%s: %s", q.what, answer)
	q.acknowledged(answer)
}

// silenceChange is any change of a silence.
func (r *killRun) silenceChange() request {
	for _, i := range r.rng.Perm(3) {
		change := []func() *request{r.load.editSilence, r.load.moveSilence, r.load.expireSilence}[i]
		if q := change(); q != nil {
			return *q
		}
	}
	return *r.load.createSilence()
}

// change is any apply.
func (r *killRun) change() request {
	q := r.load.apply()
	require.NotNil(r.t, q, "no other apply is on its way")
	return *q
}

// hold posts an alert of its own to a receiver and waits until it has arrived
// there. It returns its name.
func (r *killRun) hold(receiver string) string {
	r.t.Helper()
	q := r.load.postAlert(receiver)
	posted := r.load.alerts[len(r.load.alerts)-1].name()
	r.apply(*q)
	r.sink.await(posted+" to arrive at "+receiver, of(posted))
	return posted
}

// killDuring sends requests at once and kills within a time.
func (r *killRun) killDuring(n int, within time.Duration) {
	r.t.Helper()
	requests := make([]request, n)
	for i := range requests {
		requests[i] = r.load.next()
	}
	r.killWhile(requests, time.Duration(r.rng.Int64N(int64(within))))
}

func (r *killRun) killWhile(requests []request, delay time.Duration) {
	r.t.Helper()
	type result struct {
		status int
		answer string
		err    error
	}
	results := make([]result, len(requests))
	var wg sync.WaitGroup
	for i, q := range requests {
		r.logf("at once: %s", q.what)
		wg.Go(func() {
			results[i].status, results[i].answer, results[i].err = call(q.method, r.server.URL+q.path, q.body)
		})
	}
	<-time.After(delay) // the moment is the point
	r.kill()
	wg.Wait()
	for i, q := range requests {
		r.note(q, results[i].status, results[i].answer, results[i].err)
	}
}

// turn makes the condition of a rule true or ends it.
func (r *killRun) turn(rule string, on bool) {
	r.logf("%s: %t", rule, on)
	s := r.model.conditions[rule]
	value := 0.0
	if on {
		s.from, value = time.Now(), 1
	} else {
		s.until = time.Now()
	}
	r.model.conditions[rule] = s
	r.target.Set("burning", value, "rule", rule)
}

// silence notes that an alert is silenced from now on, unsilence that it may not be
// any more.
func (r *killRun) silence(alertname string) {
	if r.silencedNow(alertname) {
		return
	}
	r.model.silenced[alertname] = append(r.model.silenced[alertname], span{from: time.Now()})
}

func (r *killRun) unsilence(alertname string) {
	if spans := r.model.silenced[alertname]; len(spans) > 0 {
		spans[len(spans)-1].until = time.Now()
	}
}

// look compares what a new life knows with the model.
func (r *killRun) look() {
	r.t.Helper()
	r.lookAtSilences()
	r.lookAtAlerts()
	config := r.server.config()
	require.NoError(r.t, r.load.config.see("the configuration", configState{version: config.Version, hash: config.Documents["alertmanager"].Hash}))
	r.lookAtDeliveries()
}

func (r *killRun) lookAtSilences() {
	r.t.Helper()
	var shown []silence
	r.server.getJSON(silencesPath, &shown)
	found := map[string]silence{}
	for _, s := range shown {
		require.NotContains(r.t, found, s.Matchers[0].Value, "two silences of one alert")
		found[s.Matchers[0].Value] = s
	}
	for _, m := range r.load.silences {
		state := silenceState{}
		if s, there := found[m.alertname]; there {
			state = stateOf(s)
			if m.id != "" {
				require.Equal(r.t, m.id, s.ID, "id of the silence of %s", m.alertname)
			}
			m.id = s.ID
		}
		require.NoError(r.t, m.state.see("the silence of "+m.alertname, state))
		if m.alerted && !state.expired {
			r.silence(m.alertname) // also when an end was in doubt
		}
	}
	for _, m := range r.load.silences {
		if state, _ := m.state.surely(); m.moved != nil && state.expired {
			moved, _ := m.moved.state.surely()
			expiredItself := m.moved.id == "" && moved == silenceState{}
			require.False(r.t, expiredItself, "an edit of %s was cut in two: it is expired, and nothing has taken its place", m.alertname)
		}
		m.moved = nil
	}
}

func (r *killRun) lookAtAlerts() {
	r.t.Helper()
	shown := r.server.alertsByName()
	for _, a := range r.load.alerts {
		found, there := shown[a.name()]
		state := alertState{active: there}
		if there && a.posted.EndsAt != nil {
			state.endsAt = found.EndsAt.UTC().Format(endsAtLayout)
		}
		require.NoError(r.t, a.state.see("the alert "+a.name(), state))
	}
	all := r.sink.all()
	for _, rule := range r.load.rules {
		surely, _ := r.deliveries().toldBefore(all, len(r.server.ends), rule.name)
		if rule.on && !rule.off && surely == firing {
			require.Contains(r.t, shown, rule.name, "an alert whose condition has not ended")
		}
	}
}

func (r *killRun) deliveries() deliveryModel {
	r.model.ends = r.server.ends
	return r.model
}

func (r *killRun) lookAtDeliveries() {
	r.t.Helper()
	all := r.sink.all()
	require.Empty(r.t, r.deliveries().violations(all))
}

// finish waits until everything that is owed has been delivered, and shows that
// nothing comes after it, in this life and the next.
func (r *killRun) finish() {
	r.t.Helper()
	r.logf("finish")
	r.server.await("everything that is owed to be delivered", func() bool {
		owed := r.owed(r.sink.all())
		r.overdue = fmt.Sprint(owed)
		return len(owed) == 0
	})
	r.server.tick(r.sink, "slow")
	r.lookAtDeliveries()
	r.server.restart(syscall.SIGTERM)
	r.server.tick(r.sink, "fast")
	require.Empty(r.t, r.owed(r.sink.all()))
	r.look()
	r.server.stop()
}

// owed is what receivers have not been told and must be.
func (r *killRun) owed(all []delivery) map[string]told {
	owed := map[string]told{}
	for _, a := range r.load.alerts {
		switch state, _ := a.state.surely(); {
		case !state.active:
			owed[a.name()] = resolved
		case !r.silencedNow(a.name()):
			owed[a.name()] = firing
		}
	}
	for _, rule := range r.load.rules {
		switch {
		case rule.off:
			owed[rule.name] = resolved
		case rule.on:
			owed[rule.name] = firing
		}
	}
	maps.DeleteFunc(owed, func(name string, what told) bool {
		knows := answeredOf(all, name)
		return knows >= what || what == resolved && knows == nothing
	})
	return owed
}

func (r *killRun) silencedNow(alertname string) bool {
	spans := r.model.silenced[alertname]
	return len(spans) > 0 && spans[len(spans)-1].until.IsZero()
}
