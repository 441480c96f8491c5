package health

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

// harness is a monitor whose parts are as the test says.
type harness struct {
	*Monitor
	t        *testing.T
	registry *prometheus.Registry
	log      *strings.Builder

	mu     sync.Mutex // guards what follows
	wrong  map[string][]client.HealthProblem
	sick   bool // the check of the part "sick" panics
	broken bool // Send panics
	sent   []*notifier.Alert
}

func newHarness(t *testing.T, edit func(*Options)) *harness {
	t.Helper()
	h := &harness{t: t, registry: prometheus.NewRegistry(), log: &strings.Builder{}, wrong: map[string][]client.HealthProblem{}}
	opts := DefaultOptions()
	if edit != nil {
		edit(&opts)
	}
	check := func(part string) Check {
		return Check{Part: part, Look: func() []client.HealthProblem {
			h.mu.Lock()
			defer h.mu.Unlock()
			if part == "sick" && h.sick {
				panic("no pulse")
			}
			return h.wrong[part]
		}}
	}
	var err error
	h.Monitor, err = New(opts, Deps{
		Checks: []Check{check("rules"), check("sick"), check("state"), check("rules")},
		Send:   h.send, Link: "http://here/health", Registerer: h.registry,
		Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	})
	require.NoError(t, err)
	return h
}

func (h *harness) send(alerts ...*notifier.Alert) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		panic("hand-off is broken")
	}
	h.sent = append(h.sent, alerts...)
}

func (h *harness) set(part string, problems ...client.HealthProblem) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong[part] = problems
}

// take returns what has been sent since it was asked last.
func (h *harness) take() []*notifier.Alert {
	h.mu.Lock()
	defer h.mu.Unlock()
	sent := h.sent
	h.sent = nil
	return sent
}

// start runs the monitor until stop is called.
func (h *harness) start() (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(h.t, <-done)
	}
}

// pass lets time pass, and everything happen that is due until then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func problem(alert, subject, level string) client.HealthProblem {
	return client.HealthProblem{Alert: alert, Subject: subject, Level: level, Summary: alert + " happened.", Remedy: "Repair it."}
}

func TestMonitor_AlertIsRaisedOncePendingIsOverAndResentAndResolvedOnce(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		begin := time.Now()
		h.set("state", problem("SrcpromStateNotWritable", "", "critical"))
		defer h.start()()
		pass(29 * time.Second)
		require.Empty(t, h.take(), "it does not stand for long enough yet")

		pass(2 * time.Second)
		sent := h.take()
		require.Len(t, sent, 1)
		require.Equal(t, map[string]string{
			"alertname": "SrcpromStateNotWritable", "level": "critical", "severity": "critical",
			"service_name": "prometheus", "name": "state_not_writable", "owner": "platform",
			"description": "prometheus: state not writable",
		}, sent[0].Labels.Map())
		require.Equal(t, map[string]string{
			"summary": "SrcpromStateNotWritable happened.", "remedy": "Repair it.",
			"description": "SrcpromStateNotWritable happened. Repair it.",
		}, sent[0].Annotations.Map())
		require.Equal(t, begin, sent[0].StartsAt)
		require.Equal(t, begin.Add(30*time.Second+4*time.Minute), sent[0].EndsAt)
		require.Equal(t, "http://here/health", sent[0].GeneratorURL)

		pass(10 * time.Minute)
		resent := h.take()
		require.Len(t, resent, 10)
		require.Equal(t, sent[0].Labels, resent[9].Labels)

		h.set("state")
		pass(10 * time.Minute)
		resolved := h.take()
		require.Len(t, resolved, 1)
		require.Equal(t, sent[0].Labels, resolved[0].Labels)
		require.False(t, resolved[0].EndsAt.After(time.Now()))
	})
}

func TestMonitor_WordsThatChangeAreNoOtherAlert(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		p := problem("SrcpromRulesFailing", "disk", "warning")
		defer h.start()()
		for _, p.Summary = range []string{"One rule fails.", "Two rules fail.", "Three rules fail."} {
			h.set("rules", p)
			pass(time.Minute)
		}
		sent := h.take()
		require.Len(t, sent, 3)
		require.Equal(t, "prometheus: rules failing (disk)", sent[0].Labels.Get("description"))
		require.Equal(t, "disk", sent[0].Labels.Get("subject"))
		require.Equal(t, sent[0].Labels, sent[2].Labels)
		require.Equal(t, "Three rules fail.", sent[2].Annotations.Get("summary"))
	})
}

func TestMonitor_FlappingIsDampedInBothDirections(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		p := problem("SrcpromRulesFailing", "disk", "warning")
		defer h.start()()
		flap := func(times int) (sent int) {
			for range times {
				h.set("rules", p)
				pass(20 * time.Second)
				h.set("rules")
				pass(20 * time.Second)
				for _, a := range h.take() {
					sent++
					require.True(t, a.EndsAt.After(time.Now()), "never gone for long enough to be resolved")
				}
			}
			return sent
		}
		require.Zero(t, flap(10), "it never stood for long enough")
		h.set("rules", p)
		pass(40 * time.Second)
		require.Len(t, h.take(), 1)
		require.NotZero(t, flap(10), "sent again as long as it is not resolved")
	})
}

func TestMonitor_StopResolvesNothing(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		h.set("rules", problem("SrcpromRulesFailing", "disk", "critical"))
		stop := h.start()
		pass(time.Minute)
		require.NotEmpty(t, h.take())
		stop()
		require.Empty(t, h.take())
		require.EqualError(t, h.Run(t.Context()), "health: Run has been called before")
	})
}

func TestMonitor_SurvivesChecksAndHandOffThatPanic(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		h.sick, h.broken = true, true
		stop := h.start()
		pass(40 * time.Second)
		h.mu.Lock()
		h.broken = false
		h.mu.Unlock()
		pass(2 * time.Minute)
		sent := h.take()
		require.NotEmpty(t, sent)
		require.Equal(t, AlertCheckBroken, sent[0].Labels.Get("alertname"))
		require.Equal(t, "sick", sent[0].Labels.Get("subject"))
		stop()
		require.Contains(t, h.log.String(), "no pulse")
		require.Contains(t, h.log.String(), "hand-off is broken")
		require.Equal(t, client.HealthDegraded, h.Health().Parts[1].State)
	})
}

func TestMonitor_DeadMansSwitchFiresWithinItsIntervalAndEndsWithTheMonitor(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		h := newHarness(t, func(o *Options) { o.DeadMansSwitch = 2 * time.Minute })
		stop := h.start()
		pass(10 * time.Minute)
		stop()
		sent := h.take()
		require.Len(t, sent, 21)
		last := sent[len(sent)-1]
		require.Equal(t, map[string]string{
			"alertname": "SrcpromDeadMansSwitch", "severity": "none", "service_name": "prometheus",
			"name": "dead_mans_switch", "owner": "platform",
		}, last.Labels.Map())
		require.Equal(t, sent[0].StartsAt, last.StartsAt)
		require.False(t, last.EndsAt.After(time.Now().Add(2*time.Minute)))
		require.True(t, last.EndsAt.After(time.Now().Add(time.Minute)), "it outlives a look that comes late")
	})
}

func TestMonitor_HealthShowsProblemsAtOnceAndSinceWhen(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		ok := h.Health()
		require.Equal(t, client.HealthOK, ok.State)
		require.Len(t, ok.Parts, 3)
		require.Equal(t, "rules", ok.Parts[0].Name)
		require.NotNil(t, ok.Parts[0].Problems, "an empty list, not null, in JSON")

		pass(time.Hour)
		begin := time.Now()
		old := problem("SrcpromRulesFailing", "net", "critical")
		old.Since = begin.Add(-time.Minute)
		note := client.HealthProblem{Level: "warning", Summary: "Still opening."}
		h.set("rules", problem("SrcpromRulesFailing", "disk", "warning"), old, note)
		bad := h.Health()
		require.Equal(t, client.HealthFailing, bad.State)
		require.Equal(t, client.HealthFailing, bad.Parts[0].State)
		require.Equal(t, begin, bad.Parts[0].Since)
		require.Len(t, bad.Parts[0].Problems, 3, "two checks told the same")
		require.Equal(t, "net", bad.Parts[0].Problems[0].Subject, "the worst first")
		require.Equal(t, old.Since, bad.Parts[0].Problems[0].Since, "what the check knows better")
		require.Equal(t, begin, bad.Parts[0].Problems[1].Since)

		pass(time.Hour)
		h.set("rules", note)
		later := h.Health()
		require.Equal(t, client.HealthDegraded, later.State)
		require.Equal(t, begin.Add(time.Hour), later.Parts[0].Since)
		require.Equal(t, begin, later.Parts[0].Problems[0].Since)
		require.NoError(t, testutil.GatherAndCompare(h.registry, strings.NewReader(`
# HELP srcprom_health_problems Number of problems that a part of the server has, by their level.
# TYPE srcprom_health_problems gauge
srcprom_health_problems{level="critical",part="rules"} 0
srcprom_health_problems{level="critical",part="sick"} 0
srcprom_health_problems{level="critical",part="state"} 0
srcprom_health_problems{level="warning",part="rules"} 1
srcprom_health_problems{level="warning",part="sick"} 0
srcprom_health_problems{level="warning",part="state"} 0
# HELP srcprom_health_state State of a part of the server: 0 is ok, 1 is degraded, 2 is failing.
# TYPE srcprom_health_state gauge
srcprom_health_state{part="rules"} 1
srcprom_health_state{part="sick"} 0
srcprom_health_state{part="state"} 0
`)))
	})
}

func TestMonitor_LabelsAreValidWhateverAProblemSays(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		h := newHarness(t, func(o *Options) { o.Pending, o.Owner = 0, "" })
		h.set("rules", client.HealthProblem{Alert: "SrcpromOdd", Subject: "a\xff\"\n", Level: "terrible", Summary: "\xfe"})
		defer h.start()()
		pass(time.Second)
		sent := h.take()
		require.Len(t, sent, 1)
		require.Equal(t, "critical", sent[0].Labels.Get("level"), "a level that is not known is taken seriously")
		for name, value := range sent[0].Labels.Map() {
			require.True(t, model.LegacyValidation.IsValidLabelName(name) && model.LabelValue(value).IsValid() && value != "", "%s=%q", name, value)
		}
		require.NotContains(t, slices.Collect(maps.Keys(sent[0].Labels.Map())), "owner")
		require.True(t, model.LabelValue(sent[0].Annotations.Get("summary")).IsValid())
	})
}

func TestNew_ReportsEveryProblem(t *testing.T) {
	_, err := New(Options{Pending: -1, DeadMansSwitch: -1}, Deps{Checks: []Check{{Part: "rules"}}})
	for _, part := range []string{"Interval", "Resend", "Pending", "DeadMansSwitch", "Deps.Send", `Deps.Checks[0] (part "rules")`} {
		require.ErrorContains(t, err, part)
	}
}
