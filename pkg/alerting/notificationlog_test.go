package alerting

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What was sent under a short repeat interval is remembered for the longer one of the
// next configuration, by whatever makes the log keep it.
func TestNotificationLog_LongerRepeatIntervalIsKeptAtOnce(t *testing.T) {
	const waits = "group_wait: 1s"
	for name, c := range map[string]struct {
		retention time.Duration
		before    string
	}{
		"by the retention":     {5 * time.Hour, ""},
		"by the longest route": {time.Minute, `routes: [{matchers: [never="1"], repeat_interval: 4h}]`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newMemoryNet(t)
				h := virtualHarness(t, n, func(o *Options, _ *Deps) { o.Retention = c.retention }).start()
				h.apply(effective(t, virtualYML(waits, "group_interval: 1m", "repeat_interval: 1h", c.before)))
				h.Send(fresh("a"))
				n.at(30 * time.Minute)
				h.apply(effective(t, virtualYML(waits, "group_interval: 1m", "repeat_interval: 4h")))
				n.at(4*time.Hour + 2*time.Minute)
				require.Equal(t, []string{toldTeam("1s", "a"), toldTeam("4h1m1s", "a")}, texts(n.notifications()))
			})
		})
	}
}
