// Package virtual runs tests in virtual time.
package virtual

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Test is synctest.Test on one processor. Under the race detector all timers of a
// bubble share one context of the detector, and two processors that run timers of it
// at once crash the process (Go 1.26, runtime.(*timer).unlockAndRun); the detector
// needs no second processor to see that two accesses are not ordered.
func Test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	synctest.Test(t, f)
}
