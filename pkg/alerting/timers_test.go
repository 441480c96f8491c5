package alerting

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

func TestGroupTimers_ForgetGroupsThatAreGone(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		var timers groupTimers
		lasting := flush{group: "lasting", interval: time.Minute, timeout: time.Minute}
		for i := range 10000 {
			if i%60 == 0 {
				timers.fire(lasting, time.Now())
			}
			timers.fire(flush{group: fmt.Sprint(i), interval: time.Minute, timeout: time.Minute}, time.Now())
			time.Sleep(time.Second)
		}
		require.Less(t, len(timers.timers), 1000)
		_, known := timers.get(lasting)
		require.True(t, known)
	})
}

func TestGroupTimers_EndOfAnOldFlushLeavesWhatWasInherited(t *testing.T) {
	var timers groupTimers
	now := time.Now()
	old := flush{group: "g", interval: time.Minute, serial: 1}
	timers.fire(old, now)
	young := old
	young.serial = 2
	timers.hold(young, now.Add(time.Minute))
	timers.succeed(old, now, false)
	timer, _ := timers.get(young)
	require.True(t, timer.inherited)
	timers.succeed(young, now, false)
	timer, _ = timers.get(young)
	require.False(t, timer.inherited)
}
