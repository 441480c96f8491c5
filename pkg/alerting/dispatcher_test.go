package alerting

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

// sixSeconds is the pattern of a notification at 0.5 s and the next at 6.5 s.
var sixSeconds = []string{"group_wait: 500ms", "group_interval: 6s", "repeat_interval: 4h"}

// toldTeam is what the receiver of virtualYML is told of its one group.
func toldTeam(at, alerts string) string {
	return at + ` team {}:{alertname="A"}: ` + alerts + " (200)"
}

func TestDispatcher_ChangedTreeKeepsGroupInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)))
		h.Send(fresh("a"))
		for i, at := range []time.Duration{1000, 1200, 2000, 4500, 5000, 6000, 6200} {
			n.at(at * time.Millisecond)
			h.apply(effective(t, otherTree(i, sixSeconds...)))
			switch i {
			case 1:
				h.Send(fresh("b"))
			case 3:
				h.Send(fresh("c"))
			}
		}
		n.at(13 * time.Second)
		h.Send(fresh("d"))
		n.at(30 * time.Second)
		require.Equal(t, []string{toldTeam("500ms", "a"), toldTeam("6.5s", "a b c"), toldTeam("18.5s", "a b c d")}, texts(n.notifications()))
	})
}

func TestDispatcher_NewIntervalCountsFromTheOldTimer(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)))
		h.Send(fresh("a"))
		n.at(time.Second)
		h.apply(effective(t, virtualYML("group_wait: 500ms", "group_interval: 1s")))
		h.Send(fresh("b"))
		n.at(7 * time.Second)
		h.Send(fresh("c"))
		n.at(20 * time.Second)
		require.Equal(t, []string{toldTeam("500ms", "a"), toldTeam("6.5s", "a b"), toldTeam("7.5s", "a b c")}, texts(n.notifications()))
	})
}

// Undone, as after a configuration that was applied by mistake.
func TestDispatcher_TreeThatIsPutBackKeepsTheTimersOfItsGroups(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.disk.slow(time.Millisecond) // so that it is sent later than its timer fires
		waits := []string{"group_wait: 30s", "group_interval: 5m"}
		h.apply(effective(t, virtualYML(waits...)))
		h.Send(fresh("a"))
		n.at(40 * time.Second)
		h.apply(effective(t, strings.ReplaceAll(virtualYML("group_wait: 1h"), "[alertname]", "[n]")))
		n.at(50 * time.Second)
		h.apply(effective(t, virtualYML(waits...)))
		h.Send(fresh("b"))
		n.at(10 * time.Minute)
		all := n.notifications()
		for i := range all {
			all[i].At = all[i].At.Truncate(time.Second)
		}
		require.Equal(t, []string{toldTeam("30s", "a"), toldTeam("5m30s", "a b")}, texts(all))
	})
}

func TestDispatcher_GroupInGroupWaitKeepsItsTimer(t *testing.T) {
	for name, started := range map[string]time.Duration{"upstream would flush at once": 29 * time.Second, "upstream would wait again": 0} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
				h.apply(effective(t, virtualYML("group_wait: 30s", "group_interval: 5m")))
				n.at(time.Minute)
				late := fresh("a")
				late.StartsAt = time.Now().Add(-started)
				h.Send(late)
				for i := range 5 {
					n.at(time.Duration(62+5*i) * time.Second)
					h.apply(effective(t, otherTree(i, fmt.Sprintf("group_wait: %ds", 40-10*i), "group_interval: 5m")))
				}
				h.Send(fresh("b"))
				n.at(2 * time.Minute)
				require.Equal(t, []string{toldTeam("1m30s", "a b")}, texts(n.notifications()))
			})
		})
	}
}

func TestDispatcher_ResolvedThatIsOwedIsCarriedOver(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		n := newMemoryNet(t)
		h := virtualHarness(t, n, func(o *Options, _ *Deps) { o.AlertGCInterval = time.Second }).start()
		h.apply(effective(t, virtualYML(sixSeconds...)))
		h.Send(fresh("a"), fresh("b"))
		n.at(1500 * time.Millisecond)
		h.Send(ended("a"))
		n.at(3500 * time.Millisecond) // the provider has forgotten it
		require.Len(t, h.engine.knownAlerts(), 1)
		h.apply(effective(t, otherTree(1, sixSeconds...)))
		n.at(4 * time.Second)
		h.apply(effective(t, otherTree(2, sixSeconds...)))
		n.at(time.Minute)
		require.Equal(t, []string{toldTeam("500ms", "a b"), toldTeam("6.5s", "(a) b")}, texts(n.notifications()))
	})
}

// The entry of the log is rewritten without b when c fires; upstream then sends the
// end of b again at each reload.
func TestDispatcher_ResolvedThatWasToldIsSettled(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)))
		h.Send(fresh("a"), fresh("b"))
		n.at(time.Second)
		h.Send(ended("b"))
		n.at(7 * time.Second)
		h.Send(fresh("c"))
		n.at(14 * time.Second)
		want := []string{toldTeam("500ms", "a b"), toldTeam("6.5s", "(b) a"), toldTeam("12.5s", "a c")}
		require.Equal(t, want, texts(n.notifications()))
		for i := range 3 {
			n.at(time.Duration(15+10*i) * time.Second)
			h.apply(effective(t, otherTree(i, sixSeconds...)))
		}
		n.at(time.Minute)
		require.Equal(t, want, texts(n.notifications()))
	})
}

// The group had gone with its route; it comes back while the end of its alerts is
// still being told.
func TestDispatcher_GroupThatComesBackAmidItsEndKeepsItsTimer(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		n := newMemoryNet(t)
		n.answer = func(at time.Duration, _, _ string) (int, time.Duration) {
			if at == 6500*time.Millisecond {
				return http.StatusOK, 4 * time.Second
			}
			return http.StatusOK, 0
		}
		h := virtualHarness(t, n, func(o *Options, _ *Deps) { o.AlertGCInterval = time.Second }).start()
		with := virtualYML(sixSeconds...)
		h.apply(effective(t, with))
		h.Send(fresh("a"))
		n.at(1500 * time.Millisecond)
		h.Send(ended("a"))
		n.at(7500 * time.Millisecond)
		h.apply(effective(t, strings.Replace(with, "[alertname]", "[n]", 1)))
		h.Send(fresh("b"))
		n.at(9500 * time.Millisecond)
		h.apply(effective(t, with))
		n.at(time.Minute)
		require.Equal(t, []string{
			toldTeam("500ms", "a"), toldTeam("6.5s", "(a)"), `8s team {}:{n="b"}: b (200)`, toldTeam("12.5s", "b"),
		}, texts(n.notifications()))
	})
}

func TestManager_RestartKeepsGroupIntervalAndSettles(t *testing.T) {
	inBubble(t, func(t *testing.T, first *harness, n *memoryNet) {
		first.apply(effective(t, virtualYML(sixSeconds...)))
		first.Send(fresh("a"), fresh("b"))
		n.at(time.Second)
		first.Send(ended("b"))
		n.at(7 * time.Second)
		first.Send(fresh("c"))
		n.at(13 * time.Second)
		first.stop()

		second := first.again(nil)
		second.engine.conns.connect = n.dial
		second.start().apply(effective(t, virtualYML(sixSeconds...)))
		n.at(14 * time.Second)
		second.Send(fresh("d"))
		n.at(time.Minute)
		require.Equal(t, []string{
			toldTeam("500ms", "a b"), toldTeam("6.5s", "(b) a"), toldTeam("12.5s", "a c"), toldTeam("18.5s", "a c d"),
		}, texts(n.notifications()))
	})
}

func TestManager_RestartWithStartDelaySettlesAlthoughTheFirstFlushFails(t *testing.T) {
	inBubble(t, func(t *testing.T, first *harness, n *memoryNet) {
		n.answer = func(at time.Duration, _, _ string) (int, time.Duration) {
			if at > 13*time.Second && at < 20*time.Second {
				return http.StatusNotFound, 0
			}
			return http.StatusOK, 0
		}
		first.apply(effective(t, virtualYML(sixSeconds...)))
		first.Send(fresh("a"), fresh("b"))
		n.at(time.Second)
		first.Send(ended("b"))
		n.at(7 * time.Second)
		first.Send(fresh("c"))
		n.at(13 * time.Second)
		first.stop()
		told := len(n.notifications())

		second := first.again(func(o *Options, _ *Deps) { o.DispatchStartDelay = time.Second })
		second.engine.conns.connect = n.dial
		second.start().apply(effective(t, virtualYML(sixSeconds...)))
		second.Send(fresh("d"))
		n.at(time.Minute)
		for _, one := range n.notifications()[told:] {
			require.Equal(t, "a c d", one.Alerts, "the end of b has been told")
		}
		require.Len(t, n.notifications(), told+2)
	})
}

func TestManager_UnchangedTreeDisturbsNoTimer(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)))
		dispatcher, inhibitor := h.engine.dispatcher.Load(), h.engine.stage.live.Load().inhibitor
		h.Send(fresh("a"))
		for i := range 20 {
			n.at(time.Duration(700*i) * time.Millisecond)
			next := virtualYML(sixSeconds...)
			if i%2 == 0 {
				next += webhookReceiver(fmt.Sprint("other", i), "http://other")
			}
			h.apply(effective(t, next))
		}
		h.Send(fresh("b"))
		n.at(time.Minute)
		require.Same(t, dispatcher, h.engine.dispatcher.Load())
		require.Same(t, inhibitor, h.engine.stage.live.Load().inhibitor)
		require.Equal(t, []string{toldTeam("500ms", "a"), toldTeam("18.5s", "a b")}, texts(n.notifications()))
	})
}

func TestManager_HangingReceiverDelaysNeitherApplyNorOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		n.answer = func(_ time.Duration, receiver, _ string) (int, time.Duration) {
			if receiver == "hangs" {
				return http.StatusOK, 100 * time.Hour
			}
			return http.StatusOK, 0
		}
		conf := func(i int) *config.Effective {
			return effective(t, virtualYML(append(sixSeconds, "routes:", "- {matchers: [hang=yes], receiver: hangs}",
				fmt.Sprintf(`- {matchers: [never="%d"]}`, i))...)+webhookReceiver("hangs", "http://hangs"))
		}
		h.apply(conf(0))
		h.Send(fresh("a"), fresh("b", "hang", "yes"))
		for i := range 50 {
			n.at(time.Duration(i+1) * time.Second)
			begin := time.Now()
			h.apply(conf(i + 1))
			require.Equal(t, begin, time.Now(), "the apply has waited")
			h.Send(fresh("a"), fresh(fmt.Sprint("c", i)), fresh("b", "hang", "yes"))
		}
		times := map[string][]time.Duration{}
		for _, one := range n.notifications() {
			times[one.Receiver] = append(times[one.Receiver], one.At)
		}
		const half = 500 * time.Millisecond
		var team []time.Duration
		for at := half; at < 50*time.Second; at += 6 * time.Second {
			team = append(team, at)
		}
		require.Equal(t, team, times["team"])
		require.Equal(t, []time.Duration{half, half + 10*time.Second, half + 20*time.Second, half + 30*time.Second, half + 40*time.Second}, times["hangs"],
			"each ends at its deadline, and the next one begins")
	})
}

// Waves of alerts that their client posts again and again, receivers that take
// their time, and applies of which some change the tree of routes.
func TestManager_AppliesAmidWavesOfAlertsBeginEachNotificationOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		n.answer = func(_ time.Duration, receiver, _ string) (int, time.Duration) {
			if receiver == "slow" {
				return http.StatusOK, 4 * time.Second
			}
			return http.StatusOK, 300 * time.Millisecond
		}
		tree := 0
		conf := func(i int) *config.Effective {
			if i%6 == 5 {
				tree = i
			}
			return effective(t, strings.Join([]string{
				"route:", "  receiver: quick", "  group_by: [n]", "  group_wait: 500ms", "  group_interval: 6s", "  repeat_interval: 4h",
				"  routes:", `  - {matchers: [speed=slow], receiver: slow}`, fmt.Sprintf(`  - {matchers: [never="%d"]}`, tree),
				"receivers:", webhookReceiver("quick", "http://quick") + webhookReceiver("slow", "http://slow") +
					webhookReceiver(fmt.Sprint("other", i), "http://other"),
			}, "\n"))
		}
		h.apply(conf(0))
		alerts := 0
		for i := range 60 {
			n.at(time.Duration(i) * 200 * time.Millisecond)
			if i%3 == 0 {
				alerts = min(200, alerts+20)
			}
			if i%2 == 0 {
				for a := range alerts {
					h.Send(fresh(fmt.Sprint(a), "speed", []string{"slow", "quick"}[a%2]))
				}
			}
			require.NotEmpty(t, h.apply(conf(i+1)))
		}
		n.at(time.Minute)
		require.Len(t, n.notifications(), 200)
		seen := map[string]bool{}
		for _, one := range n.notifications() {
			require.False(t, seen[one.Alerts], "%s is told twice", one.Alerts)
			seen[one.Alerts] = true
		}
		require.Zero(t, n.cancelled())
	})
}
