package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// apply pushes an alertmanager.yml, which has to be accepted.
func (s *server) apply(alertmanager string) {
	s.t.Helper()
	status, body := s.pushConfig("", map[string]any{"alertmanager": alertmanager})
	require.Equal(s.t, http.StatusOK, status, body)
}

// withRoute is a configuration whose tree differs by a route that takes nothing.
func withRoute(config string, n int) string {
	return strings.Replace(config, "  routes:\n",
		fmt.Sprintf("  routes:\n    - { receiver: nobody, matchers: [ to=\"none%d\" ], group_wait: %ds }\n", n, n+1), 1)
}

// Receivers change, the tree changes and nothing changes while notifications are
// on their way: none is cancelled, lost or repeated, now or later.
func TestGuarantee_G4_AppliesCancelLoseAndRepeatNothing(t *testing.T) {
	const each, applies = 30, 30
	sink := newSink(t)
	sink.behave("slow", after(300*time.Millisecond))
	sink.behave("hang", after(3*time.Second))
	s := quickServer(t, sink, nil)
	for i := range applies {
		s.postAlerts(
			alert(fmt.Sprintf("Slow%d", i), "to", "slow"),
			alert(fmt.Sprintf("Hang%d", i), "to", "hang"),
			alert(fmt.Sprintf("Grouped%d", i), "to", "slow", "group", "one"),
		)
		config := quickConfig(sink, i/3)
		if i%3 == 1 {
			config = withRoute(config, i)
		}
		began := time.Now()
		s.apply(config)
		require.Less(t, time.Since(began), 2*time.Second, "an apply waits for no receiver")
		sink.await("a notification of this round to be on its way", of(fmt.Sprintf("Slow%d", i)))
	}
	s.postAlerts(alert("Last", "to", "hang"))
	sink.await("a last one to be on its way", of("Last"))
	s.apply(withRoute(quickConfig(sink, applies), applies))
	sink.awaitAll("all to be answered", func(all []delivery) bool {
		return count(all, "hang", answered) == each+1 && count(all, "slow", held) == 0
	})
	sink.await("the whole group", func(d delivery) bool { return d.ending == answered && len(d.names("firing")) == each })
	s.tick(sink, "slow")
	for i := range each {
		for _, name := range []string{"Slow", "Hang"} {
			require.Len(t, sink.matching(of(fmt.Sprint(name, i))), 1, "%s%d:\n%s", name, i, transcript(sink.all()))
		}
	}
	require.Empty(t, sink.matching(func(d delivery) bool { return d.ending != answered }), "cancelled")
	told := 0
	for _, d := range sink.matching(func(d delivery) bool { return d.GroupLabels["group"] == "one" }) {
		require.Greater(t, len(d.Alerts), told, "a group is notified of only when there is more to tell")
		told = len(d.Alerts)
	}
	before := len(sink.all())
	s.endWith(15)
	s.again()
	s.tick(sink, "slow")
	require.Empty(t, sink.matching(func(d delivery) bool {
		return d.life == 1 && d.receiver() != "slow" || d.life == 1 && !strings.HasPrefix(d.Alerts[0].Labels["alertname"], "Canary")
	}), "nothing is sent again by the next life; %d before", before)
	s.stop()
}

// A group is notified of at its own times, whatever is applied in between. The
// alerts that join it began long ago, so that a dispatcher that forgot the timer
// would send them at once.
func TestGuarantee_G4_GroupIntervalHoldsWhateverIsApplied(t *testing.T) {
	const interval = 4 * time.Second
	for name, variant := range map[string]func(string, int) string{
		"nothing changes":  func(config string, _ int) string { return config },
		"receivers change": func(config string, n int) string { return strings.ReplaceAll(config, "/r0", fmt.Sprintf("/r%d", n)) },
		"the tree changes": withRoute,
		"intervals change": func(config string, n int) string {
			return config + fmt.Sprintf("time_intervals: [ { name: t%d } ]\n", n)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := newSink(t)
			s := quickServer(t, sink, nil)
			config := strings.ReplaceAll(quickConfig(sink, 0), "group_interval: 300ms", "group_interval: "+interval.String())
			s.apply(config)
			old := func(name string) postedAlert {
				long := time.Now().Add(-time.Hour).UTC()
				a := alert(name, "to", "fast", "group", "kept")
				a.StartsAt = &long
				return a
			}
			s.postAlerts(old("First"))
			first := sink.await("the first notification", of("First"))
			for i, name := range []string{"Second", "Third", "Fourth"} {
				s.postAlerts(old(name))
				s.apply(variant(config, i+1))
				// A notification to elsewhere shows that what was applied runs.
				marker := fmt.Sprintf("Marker%d", i)
				s.postAlerts(alert(marker, "to", "slow"))
				sink.await("a marker", of(marker))
			}
			require.Less(t, time.Since(first.At), interval/2, "the machine is too slow for this test")
			second := sink.await("the second notification", func(d delivery) bool { return len(d.names("firing")) > 1 || d.has("Second", "firing") })
			require.Equal(t, []string{"First", "Fourth", "Second", "Third"}, second.names("firing"))
			require.InDelta(t, interval.Seconds(), second.At.Sub(first.At).Seconds(), 1)
			require.Len(t, sink.matching(func(d delivery) bool { return d.GroupLabels["group"] == "kept" }), 2, transcript(sink.all()))
			s.stop()
		})
	}
}
