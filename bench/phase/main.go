// Command phase measures how long it takes from a sample to the notification that it
// causes: from the scrape that first carried a changed value to the webhook that is
// told of the alert. Where rules are evaluated by the clock, most of that is the phase
// between the scrape and the evaluation, which is a hash of names and addresses; so
// both vary. It prints a Markdown table that sets srcprom, evaluating rules after
// scrapes and by the clock, beside Prometheus and Alertmanager as two processes.
//
// Everything happens on the loopback interface, on free ports, in temporary
// directories, and is bounded; what was started is stopped. `make bench-rules` builds
// all that it needs.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sourcegraph/srcprom/bench/internal/contender"
)

// settings are the flags.
type settings struct {
	srcprom, peers        string
	scenarios, contenders string
	trials, slowTrials    int
	watch                 time.Duration
	seed                  uint64
}

func main() {
	var s settings
	flag.StringVar(&s.srcprom, "srcprom", "../bin/srcprom-lean", "binary of srcprom")
	flag.StringVar(&s.peers, "peers", "../.tools/peers", "directory of prometheus and alertmanager")
	flag.StringVar(&s.scenarios, "scenarios", "", "which to measure, comma-separated: one, fifty, chain, many, or for example one@15s; empty for all")
	flag.StringVar(&s.contenders, "contenders", "pair,clock,after-scrape", "who is measured, comma-separated")
	flag.IntVar(&s.trials, "trials", 40, "how often a value changes where it can each second")
	flag.IntVar(&s.slowTrials, "slow-trials", 5, "how often it changes where that takes longer")
	flag.DurationVar(&s.watch, "watch", time.Minute, "how long evaluations and CPU time are watched before that; whole intervals")
	flag.Uint64Var(&s.seed, "seed", 0, "of the groups' names and the choice of targets; 0 for another each time")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s, os.Stdout); err != nil {
		log.Fatalf("phase: %v", err)
	}
}

// run measures one scenario after another, so that none disturbs the next.
func run(ctx context.Context, s settings, w io.Writer) error {
	scenarios, err := chosen(s.scenarios)
	if err != nil {
		return err
	}
	subjects, err := subjects(s)
	if err != nil {
		return err
	}
	if s.seed == 0 {
		s.seed = rand.Uint64()
	}
	log.Printf("seed %d", s.seed)
	if _, err := io.WriteString(w, tableHead); err != nil {
		return err
	}
	for _, sc := range scenarios {
		log.Printf("measuring %s", sc.key())
		results, err := measure(ctx, sc, subjects, s.plan(sc), rand.New(rand.NewPCG(s.seed, 0)))
		if err != nil {
			return fmt.Errorf("measure %s: %w", sc.key(), err)
		}
		if err := writeRows(w, sc.title(), subjects, results); err != nil {
			return err
		}
	}
	return nil
}

func (s settings) plan(sc scenario) plan {
	if sc.between > time.Second {
		return plan{watch: s.watch, trials: s.slowTrials}
	}
	return plan{watch: s.watch, trials: s.trials}
}

// subjects are the contenders that were asked for.
func subjects(s settings) ([]subject, error) {
	pair, err := contender.Pair(s.peers)
	if err != nil {
		return nil, err
	}
	clock, err := contender.Single("srcprom, by the clock", s.srcprom, "--rules.evaluation=clock")
	if err != nil {
		return nil, err
	}
	afterScrape, err := contender.Single("srcprom, after scrapes", s.srcprom)
	if err != nil {
		return nil, err
	}
	all := []subject{{"pair", pair}, {"clock", clock}, {"after-scrape", afterScrape}}
	names := strings.Split(s.contenders, ",")
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s subject) bool { return s.key == name }) {
			return nil, fmt.Errorf("no contender %q", name)
		}
	}
	return slices.DeleteFunc(all, func(s subject) bool { return !slices.Contains(names, s.key) }), nil
}
