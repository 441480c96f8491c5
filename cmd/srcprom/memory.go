package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// limits are the settings of the Go runtime, which are the whole process's.
type limits struct {
	procs   bool          // follow the CPU quota of the container
	memory  bool          // derive GOMEMLIMIT from the container or the machine
	ratio   float64       // share of the detected memory that the limit takes
	refresh time.Duration // how often it is detected again; 0 means once
}

func (l limits) validate() error {
	if l.ratio <= 0 || l.ratio > 1 {
		return fmt.Errorf("--auto-gomemlimit.ratio=%v: must be greater than 0 and at most 1", l.ratio)
	}
	return nil
}

// apply sets the limits. Not being able to find one stops nothing.
func (l limits) apply(log *slog.Logger) {
	// The Go runtime follows the quota by itself, also when it changes.
	if !l.procs && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU())
	}
	if !l.memory {
		return
	}
	_, err := memlimit.SetGoMemLimitWithOpts(
		memlimit.WithRatio(l.ratio),
		memlimit.WithRefreshInterval(l.refresh),
		memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)),
		memlimit.WithLogger(log.With("component", "automemlimit")),
	)
	if err != nil {
		log.Warn("memory limit not set: neither the container's nor the machine's is known", "err", err)
	}
}

// setGOGC makes the garbage collector follow runtime.gogc, and tells so to
// /api/v1/status/runtimeinfo, which reads the environment. It follows updateGoGC
// in Prometheus's cmd/prometheus/main.go.
func setGOGC(percent int, log *slog.Logger) {
	if old := debug.SetGCPercent(percent); old != percent {
		log.Info("garbage collection target changed", "old", old, "new", percent)
	}
	text := "off"
	if percent >= 0 {
		text = strconv.Itoa(percent)
	}
	_ = os.Setenv("GOGC", text) // fails only for names that are no names
}
