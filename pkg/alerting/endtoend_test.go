package alerting

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

const endToEndMetric = "srcprom_sample_to_notification_seconds"

// evaluated hands alerts over like an evaluation that saw samples up to that age.
func (h *harness) evaluated(age time.Duration, alerts ...*notifier.Alert) {
	for _, a := range alerts {
		h.SendRuleAlerts(RuleAlert{Alert: a, Sampled: time.Now().Add(-age)})
	}
}

// again is an alert that its rule says again goes on, or has ended.
func again(a *notifier.Alert) *notifier.Alert {
	next := *a
	if next.EndsAt.After(time.Now()) {
		next.EndsAt = time.Now().Add(time.Hour)
	}
	return &next
}

// over is an alert that has resolved now.
func over(a *notifier.Alert) *notifier.Alert {
	next := *a
	next.EndsAt = time.Now()
	return &next
}

// requireMeasured compares how many notifications of changes were measured, and how
// long they took together.
func (h *harness) requireMeasured(count int, total time.Duration) {
	h.t.Helper()
	families, err := h.promReg.Gather()
	require.NoError(h.t, err)
	for _, family := range families {
		if family.GetName() != endToEndMetric {
			continue
		}
		require.Len(h.t, family.GetMetric(), 1, "of one kind of integration")
		measured := family.GetMetric()[0].GetHistogram()
		require.EqualValues(h.t, count, measured.GetSampleCount())
		require.InDelta(h.t, total.Seconds(), measured.GetSampleSum(), 1e-3)
		return
	}
	require.FailNow(h.t, "not measured at all")
}

var slowGroup = []string{"group_wait: 30s", "group_interval: 5m", "repeat_interval: 1h"}

func TestEndToEnd_BothChangesAreMeasuredOnceFromTheirFirstSample(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(slowGroup...)))
		h.requireMeasured(0, 0)
		a := fresh("a")
		h.evaluated(2*time.Second, a)
		for i := range 5 { // in group_wait
			n.at(time.Duration(5+5*i) * time.Second)
			h.evaluated(time.Second, again(a))
		}
		n.at(31 * time.Second)
		h.requireMeasured(1, 32*time.Second)
		for i := range 119 { // past a repeat
			n.at(time.Duration(1+i) * time.Minute)
			h.evaluated(time.Second, again(a))
		}
		require.Equal(t, []string{toldTeam("30s", "a"), toldTeam("1h5m30s", "a")}, texts(n.notifications()))
		h.requireMeasured(1, 32*time.Second)

		n.at(120*time.Minute + 40*time.Second)
		ended := over(a)
		h.evaluated(3*time.Second, ended)
		for i := range 10 { // in group_interval, and past it
			n.at(121*time.Minute + time.Duration(i)*time.Minute)
			h.evaluated(time.Second, again(ended))
		}
		require.Equal(t, toldTeam("2h5m30s", "(a)"), texts(n.notifications())[2])
		h.requireMeasured(2, 32*time.Second+4*time.Minute+53*time.Second)
	})
}

func TestEndToEnd_SecondFiringIsMeasuredAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML("group_wait: 0s", "group_interval: 10s")))
		a := fresh("a")
		h.evaluated(time.Second, a)
		n.at(5 * time.Second)
		h.evaluated(time.Second, over(a))
		n.at(25 * time.Second)
		h.requireMeasured(2, 7*time.Second)
		h.evaluated(2*time.Second, fresh("a"))
		n.at(time.Minute)
		require.Equal(t, []string{toldTeam("0s", "a"), toldTeam("10s", "(a)"), toldTeam("25s", "a")}, texts(n.notifications()))
		h.requireMeasured(3, 9*time.Second)
	})
}

func TestEndToEnd_OnlyWhatJoinsAGroupIsMeasured(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)))
		h.evaluated(0, fresh("a"), fresh("b"))
		n.at(time.Second)
		h.requireMeasured(2, time.Second)
		h.evaluated(0, fresh("c"))
		n.at(7 * time.Second)
		require.Equal(t, []string{toldTeam("500ms", "a b"), toldTeam("6.5s", "a b c")}, texts(n.notifications()))
		h.requireMeasured(3, 6500*time.Millisecond)
	})
}

func TestEndToEnd_FailuresAreInTheTimeOfTheSuccess(t *testing.T) {
	for name, status := range map[string]int{"retried": http.StatusServiceUnavailable, "given up": http.StatusNotFound} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
				n.answer = func(at time.Duration, _, _ string) (int, time.Duration) {
					if at < 20*time.Minute {
						return status, 0
					}
					return http.StatusOK, 2 * time.Second
				}
				h.apply(effective(t, virtualYML(slowGroup...)))
				a := fresh("a")
				h.evaluated(time.Second, a)
				for i := range 19 {
					n.at(time.Duration(i+1) * time.Minute)
					h.evaluated(0, again(a))
				}
				h.requireMeasured(0, 0)
				n.at(30 * time.Minute)
				all := n.notifications()
				last := all[len(all)-1]
				require.Equal(t, http.StatusOK, last.Status)
				h.requireMeasured(1, last.At+3*time.Second)
			})
		})
	}
}

func TestEndToEnd_EachIntegrationIsMeasured(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, `
route:
  receiver: team
  group_by: [alertname]
  routes:
  - {receiver: team, group_wait: 1s, matchers: ['alertname="A"'], continue: true}
  - {receiver: late, group_wait: 10s, matchers: ['alertname="A"'], continue: true}
  - {receiver: team, group_wait: 20s, matchers: ['n="a"']}
receivers:
- name: team
  webhook_configs: [{url: http://team}, {url: http://team}]
- name: late
  webhook_configs: [{url: http://late}]
`))
		h.evaluated(time.Second, fresh("a"))
		n.at(time.Minute)
		require.Len(t, n.notifications(), 5)
		h.requireMeasured(3, 15*time.Second)
	})
}

func TestEndToEnd_OnlyRulesAreMeasured(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)))
		h.Send(fresh("client"))
		h.SendHealth(fresh("health"))
		h.SendRuleAlerts(RuleAlert{Alert: fresh("unknown sample")})
		n.at(10 * time.Second)
		require.Contains(t, texts(n.notifications()), toldTeam("500ms", "client health unknown sample"))
		h.requireMeasured(0, 0)
	})
}

func TestEndToEnd_EndThatNobodyTellsIsNotMeasured(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)))
		a := fresh("a")
		a.EndsAt = time.Now().Add(4 * time.Minute)
		h.evaluated(0, a)
		n.at(10 * time.Minute)
		require.Equal(t, []string{toldTeam("500ms", "a"), toldTeam("4m0.5s", "(a)")}, texts(n.notifications()))
		h.requireMeasured(1, 500*time.Millisecond)
	})
}

func TestEndToEnd_EndThatIsToldAfterItsTimeIsMeasured(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(slowGroup...)))
		a := fresh("a")
		a.EndsAt = time.Now().Add(4 * time.Minute)
		h.evaluated(0, a)
		n.at(5 * time.Minute)
		h.evaluated(time.Second, over(a))
		n.at(10 * time.Minute)
		require.Equal(t, []string{toldTeam("30s", "a"), toldTeam("5m30s", "(a)")}, texts(n.notifications()))
		h.requireMeasured(2, 30*time.Second+31*time.Second)
	})
}

func TestEndToEnd_RepeatsAreKnownFromTheNotificationLogToo(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.engine.pipelines.endToEnd.done = newMemory(1)
		h.apply(effective(t, virtualYML(sixSeconds...)))
		all := []*notifier.Alert{fresh("a"), fresh("b"), fresh("c"), fresh("d")}
		h.evaluated(0, all...)
		n.at(time.Second)
		h.evaluated(0, over(all[0]), over(all[1]))
		n.at(5 * time.Hour)
		require.Equal(t, []string{
			toldTeam("500ms", "a b c d"), toldTeam("6.5s", "(a) (b) c d"), toldTeam("4h0m12.5s", "c d"),
		}, texts(n.notifications()))
		h.requireMeasured(6, 2*time.Second+11*time.Second)
	})
}

func TestEndToEnd_UnwantedEndIsNotMeasured(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)+"    send_resolved: false\n"))
		a := fresh("a")
		h.evaluated(0, a)
		n.at(time.Second)
		h.evaluated(0, over(a))
		n.at(time.Minute)
		require.Equal(t, []string{toldTeam("500ms", "a")}, texts(n.notifications()))
		h.requireMeasured(1, 500*time.Millisecond)
	})
}

// The provider drops what has resolved, long before it is told of.
func TestEndToEnd_EndThatTheProviderHasDroppedIsMeasuredFromItsFirstSample(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		n := newMemoryNet(t)
		h := virtualHarness(t, n, func(o *Options, _ *Deps) { o.AlertGCInterval = time.Second }).start()
		h.apply(effective(t, virtualYML(slowGroup...)))
		a := fresh("a")
		h.evaluated(0, a)
		n.at(40 * time.Second)
		ended := over(a)
		h.evaluated(0, ended)
		n.at(45 * time.Second)
		require.Empty(t, h.engine.knownAlerts())
		h.evaluated(0, again(ended))
		n.at(50 * time.Second)
		n.at(6 * time.Minute)
		require.Equal(t, []string{toldTeam("30s", "a"), toldTeam("5m30s", "(a)")}, texts(n.notifications()))
		h.requireMeasured(2, 30*time.Second+290*time.Second)
	})
}

func TestEndToEnd_WhatWasHeldBackOnPurposeIsNotMeasured(t *testing.T) {
	silence := func(h *harness, until time.Duration, n *memoryNet) {
		s := silenced("", "A").Silence
		s.MatcherSets[0].Matchers[0].Name, s.MatcherSets[0].Matchers[0].Pattern = "n", "a"
		s.EndsAt = timestamppb.New(n.start.Add(until))
		require.NoError(h.t, h.engine.silences.Set(h.t.Context(), s))
	}
	for name, hold := range map[string]func(*harness, *memoryNet) (routes string){
		"silenced": func(h *harness, n *memoryNet) string {
			silence(h, time.Hour, n)
			return "routes: []"
		},
		"muted": func(*harness, *memoryNet) string {
			return "routes: [{matchers: [n=a], mute_time_intervals: [first hour]}]"
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
				h.apply(effective(t, virtualYML(append(slowGroup, hold(h, n))...)+`
time_intervals:
- {name: first hour, time_intervals: [{times: [{start_time: "00:00", end_time: "01:00"}]}]}
`))
				a := fresh("a")
				h.evaluated(0, a)
				n.at(2 * time.Hour)
				require.NotEmpty(t, n.notifications())
				require.Greater(t, n.notifications()[0].At, time.Hour-time.Minute)
				h.requireMeasured(0, 0)
				h.evaluated(0, over(a))
				n.at(3 * time.Hour)
				all := n.notifications()
				require.Equal(t, "(a)", all[len(all)-1].Alerts)
				h.requireMeasured(1, all[len(all)-1].At-2*time.Hour)
			})
		})
	}
	t.Run("told before", func(t *testing.T) {
		inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
			h.apply(effective(t, virtualYML(sixSeconds...)))
			h.evaluated(0, fresh("a"))
			n.at(time.Second)
			silence(h, time.Minute, n)
			h.evaluated(0, fresh("b")) // the log has no a any more
			n.at(2 * time.Minute)
			require.Equal(t, []string{toldTeam("500ms", "a"), toldTeam("6.5s", "b"), toldTeam("1m0.5s", "a b")}, texts(n.notifications()))
			h.requireMeasured(2, 6*time.Second)
		})
	})
}

func TestEndToEnd_NewDispatchersDoNotMeasureTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)))
		h.evaluated(0, fresh("a"))
		for i := range 20 {
			h.apply(effective(t, otherTree(i, sixSeconds...)))
			n.at(time.Duration(i+1) * 450 * time.Millisecond)
			if i == 3 {
				h.evaluated(0, fresh("b"))
			}
		}
		n.at(time.Minute)
		require.Equal(t, []string{toldTeam("500ms", "a"), toldTeam("6.5s", "a b")}, texts(n.notifications()))
		h.requireMeasured(2, 500*time.Millisecond+4700*time.Millisecond)
	})
}

// What is told because of them is no news.
func TestEndToEnd_NewReceiversAndRoutesAreNotMeasured(t *testing.T) {
	const tree = `
route:
  receiver: team
  group_by: [alertname]
  group_wait: 500ms
  group_interval: 6s
  routes: [%s]
receivers:
- {name: team, webhook_configs: [{url: http://team}%s]}
- {name: other, webhook_configs: [{url: http://other}]}
`
	for name, next := range map[string]struct{ routes, integrations string }{
		"integration":     {"{receiver: other, matchers: ['n=\"b\"']}", ", {url: http://team}"},
		"route":           {"{receiver: other, matchers: ['n=~\"a|b\"']}", ""},
		"route to others": {"{receiver: other, matchers: ['n=\"a\"']}", ""},
		"no route":        {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
				h.apply(effective(t, fmt.Sprintf(tree, "{receiver: other, matchers: ['n=\"b\"']}", "")))
				a := fresh("a")
				h.evaluated(0, a, fresh("b"))
				n.at(time.Hour)
				require.Len(t, n.notifications(), 2)
				h.requireMeasured(2, time.Second)
				h.apply(effective(t, fmt.Sprintf(tree, next.routes, next.integrations)))
				n.at(time.Hour + 100*time.Millisecond) // before anybody is told
				more := strings.TrimPrefix(next.routes+", {receiver: team, matchers: ['n=\"c\"']}", ", ")
				h.apply(effective(t, fmt.Sprintf(tree, more, next.integrations)))
				n.at(2 * time.Hour)
				require.Greater(t, len(n.notifications()), 2, "somebody is told anew")
				h.requireMeasured(2, time.Second)
				before := len(n.notifications())
				h.evaluated(0, over(a))
				n.at(3 * time.Hour)
				after := n.notifications()[before:]
				require.NotEmpty(t, after)
				requireEnded(t, after)
				var total time.Duration
				for _, one := range after {
					total += one.At - 2*time.Hour
				}
				h.requireMeasured(2+len(after), time.Second+total)
			})
		})
	}
}

func requireEnded(t *testing.T, all []told) {
	t.Helper()
	for _, one := range all {
		require.Contains(t, one.Alerts, "(a)")
	}
}

func TestEndToEnd_WhatWasRestoredIsNotMeasured(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		n := newMemoryNet(t)
		n.answer = func(at time.Duration, _, _ string) (int, time.Duration) {
			if at < time.Minute {
				return http.StatusNotFound, 0
			}
			return http.StatusOK, 0
		}
		var r rules
		r.set("A", StandingActive)
		first := virtualHarness(t, n, r.deps).start()
		first.apply(effective(t, virtualYML(slowGroup...)))
		a := fresh("a")
		first.evaluated(0, a)
		n.at(time.Minute)
		require.Len(t, n.notifications(), 1)

		second := first.again(r.deps)
		second.engine.conns.connect = n.dial
		first.stop()
		second.start().apply(effective(t, virtualYML(slowGroup...)))
		anew := again(a) // its rule has lost when it began
		anew.StartsAt = time.Now()
		second.evaluated(0, anew)
		n.at(10 * time.Minute)
		require.Len(t, n.notifications(), 2, "it was not told of before")
		second.requireMeasured(0, 0)
		second.evaluated(0, over(anew))
		n.at(20 * time.Minute)
		all := n.notifications()
		require.Equal(t, "(a)", all[len(all)-1].Alerts)
		second.requireMeasured(1, all[len(all)-1].At-10*time.Minute)
	})
}

func TestHandoff_WhatIsSaidAgainKeepsItsFirstSample(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		start := time.Now()
		var got []handed
		h := newHandoff(func(batch []handed) { got = append(got, batch...) }, nil)
		put := func(a *notifier.Alert) {
			require.True(t, h.put([]handed{{Alert: a, source: sourceRule, sampled: time.Now()}}))
			time.Sleep(time.Minute)
		}
		goesOn, ends, comesBack := fresh("goes on"), fresh("ends"), fresh("comes back")
		for _, a := range []*notifier.Alert{goesOn, ends, comesBack, again(goesOn)} {
			put(a)
		}
		ended := over(ends)
		put(ended)
		put(again(ended))
		put(over(comesBack))
		put(fresh("comes back"))
		h.deliverAll(h.take(false))
		sampled := map[string]time.Duration{}
		for _, a := range got {
			sampled[a.Labels.Get("n")] = a.sampled.Sub(start)
		}
		require.Equal(t, map[string]time.Duration{
			"goes on": 0, "ends": 4 * time.Minute, "comes back": 7 * time.Minute,
		}, sampled)
	})
}

func TestEndToEnd_HistogramIsByIntegrationAndNative(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	h.evaluated(time.Minute, fresh("a"))
	requireMetric(t, h.promReg, 1, endToEndMetric)
	families, err := h.promReg.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), endToEndMetric) {
			continue
		}
		m := family.GetMetric()[0]
		require.Len(t, m.GetLabel(), 1)
		require.Equal(t, "integration", m.GetLabel()[0].GetName())
		require.Equal(t, "webhook", m.GetLabel()[0].GetValue())
		require.NotEmpty(t, m.GetHistogram().GetPositiveSpan())
		require.NotEmpty(t, m.GetHistogram().GetBucket())
		require.InDelta(t, 60, m.GetHistogram().GetSampleSum(), patience.Seconds())
	}
}
