// Command bench measures srcprom side by side with what people would run
// instead: Prometheus and Alertmanager as two processes, on the same
// configuration, target and receiver, in one run. It prints a Markdown table.
//
// Everything happens on the loopback interface, on free ports, in temporary
// directories, and is bounded; what was started is stopped. `make bench` builds
// all that it needs.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sourcegraph/srcprom/bench/internal/contender"
)

// settings are the flags.
type settings struct {
	bin, peers string
	starts     int           // of each contender, for the time to ready
	fires      int           // alerts of each contender, for the latency
	rounds     int           // of the idle measurement
	settle     time.Duration // before memory is read
	watch      time.Duration // over which CPU time is taken
}

func main() {
	var s settings
	flag.StringVar(&s.bin, "bin", "../bin", "directory of srcprom and srcprom-lean")
	flag.StringVar(&s.peers, "peers", "../.tools/peers", "directory of prometheus and alertmanager")
	flag.IntVar(&s.starts, "starts", 11, "how often each is started for the time to ready")
	flag.IntVar(&s.fires, "fires", 30, "how many alerts each sends for the latency")
	flag.IntVar(&s.rounds, "rounds", 3, "how often memory and CPU are measured")
	flag.DurationVar(&s.settle, "settle", time.Minute, "how long each idles before its memory is read")
	flag.DurationVar(&s.watch, "watch", time.Minute, "how long its CPU time is watched after that")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		log.Fatalf("bench: %v", err)
	}
}

// run takes one measurement after another, so that none disturbs the next.
func run(ctx context.Context, s settings) error {
	lab := newLab()
	defer lab.close()
	contenders, err := contenders(s)
	if err != nil {
		return err
	}
	results := newResults(contenders)
	for _, step := range []struct {
		what    string
		measure func() error
	}{
		{"binary size", func() error { return measureSize(contenders, results) }},
		{"time to ready", func() error { return measureReady(ctx, lab, contenders, s.starts, results) }},
		{"evaluation to webhook", func() error { return measureLatency(ctx, lab, contenders, s.fires, results) }},
		{"memory and CPU when idle", func() error { return measureIdle(ctx, lab, contenders, s, results) }},
	} {
		log.Printf("measuring %s", step.what)
		if err := step.measure(); err != nil {
			return fmt.Errorf("measure %s: %w", step.what, err)
		}
	}
	return results.write(os.Stdout)
}

// contenders lists the baseline first: ratios are to it.
func contenders(s settings) ([]contender.Contender, error) {
	pair, err := contender.Pair(s.peers)
	if err != nil {
		return nil, err
	}
	full, err := contender.Single("srcprom", filepath.Join(s.bin, "srcprom"))
	if err != nil {
		return nil, err
	}
	lean, err := contender.Single("srcprom-lean", filepath.Join(s.bin, "srcprom-lean"))
	return []contender.Contender{pair, full, lean}, err
}
