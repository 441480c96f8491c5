package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sourcegraph/srcprom/bench/internal/contender"
)

// subject is a contender, and the word that it is known by in the lab.
type subject struct {
	key string
	contender.Contender
}

// result is what was measured of one contender in one scenario.
type result struct {
	latency     distribution
	evaluations evaluations
	cpu         time.Duration // per minute, all processes together
}

// plan is how long and how often is measured.
type plan struct {
	watch  time.Duration // over which evaluations and CPU time are counted
	trials int
}

// measure runs all contenders side by side, so that what happens on the machine
// happens to all of them, first quietly and then with trials.
func measure(ctx context.Context, s scenario, subjects []subject, p plan, random *rand.Rand) (map[string]*result, error) {
	st, err := newStudy(s, random)
	if err != nil {
		return nil, err
	}
	defer st.close()
	running, err := st.start(ctx, subjects)
	defer func() { stop(running) }()
	if err != nil {
		return nil, err
	}
	// Each target has been scraped and each group evaluated one interval after the
	// start; then the processes calm down.
	if err := pause(ctx, s.interval+5*time.Second); err != nil {
		return nil, err
	}
	results, err := st.watch(ctx, subjects, running, p.watch)
	if err != nil {
		return nil, err
	}
	latencies, err := st.tryAll(ctx, len(subjects), p.trials, random)
	for key, values := range latencies {
		results[key].latency = distributionOf(values)
	}
	return results, err
}

// start starts the subjects. What it returns has to be stopped, also after an error.
func (st *study) start(ctx context.Context, subjects []subject) ([]*contender.Running, error) {
	var wg sync.WaitGroup
	running := make([]*contender.Running, len(subjects))
	errs := make([]error, len(subjects))
	for i, s := range subjects {
		wg.Go(func() { running[i], errs[i] = contender.StartReady(ctx, s.Contender, st.config(s.key)) })
	}
	wg.Wait()
	return running, errors.Join(errs...)
}

func stop(running []*contender.Running) {
	var wg sync.WaitGroup
	for _, r := range running {
		if r != nil {
			wg.Go(r.Stop)
		}
	}
	wg.Wait()
}

// watch counts evaluations and CPU time while no value changes.
func (st *study) watch(ctx context.Context, subjects []subject, running []*contender.Running, d time.Duration) (map[string]*result, error) {
	var wg sync.WaitGroup
	errs := make([]error, len(subjects))
	results := map[string]*result{}
	for i, s := range subjects {
		r := &result{}
		results[s.key] = r
		wg.Go(func() {
			if err := st.watchOne(ctx, running[i], d, r); err != nil {
				errs[i] = fmt.Errorf("%s: %w", s.Name, err)
			}
		})
	}
	wg.Wait()
	return results, errors.Join(errs...)
}

func (st *study) watchOne(ctx context.Context, running *contender.Running, d time.Duration, r *result) error {
	before, err := readCounters(ctx, running.URL())
	if err != nil {
		return err
	}
	began := time.Now()
	cpuBefore, err := running.CPU()
	if err != nil {
		return err
	}
	if err := pause(ctx, d); err != nil {
		return err
	}
	cpuAfter, err := running.CPU()
	if err != nil {
		return err
	}
	r.cpu = time.Duration(float64(cpuAfter-cpuBefore) * time.Minute.Seconds() / time.Since(began).Seconds())
	after, err := readCounters(ctx, running.URL())
	if err != nil {
		return err
	}
	r.evaluations, err = after.since(before, st.ruleGroups())
	return err
}

// tryAll begins trials at random moments. They may overlap, since each is an alert
// of its own. It returns the latencies of each contender.
func (st *study) tryAll(ctx context.Context, subjects, trials int, random *rand.Rand) (map[string][]time.Duration, error) {
	var wg sync.WaitGroup
	outcomes := make([]map[string][]time.Duration, trials)
	errs := make([]error, trials)
	for i := range trials {
		if errs[i] = pause(ctx, st.between/2+time.Duration(random.Int64N(int64(st.between)))); errs[i] != nil {
			break
		}
		targets := st.flip(random)
		wg.Go(func() { outcomes[i], errs[i] = st.try(ctx, targets, subjects) })
	}
	wg.Wait()
	all := map[string][]time.Duration{}
	for _, outcome := range outcomes {
		for key, latencies := range outcome {
			all[key] = append(all[key], latencies...)
		}
	}
	return all, errors.Join(errs...)
}

// try changes a value at some targets and waits until each subject has told of it,
// once for each target and name of a group.
func (st *study) try(ctx context.Context, targets []string, subjects int) (map[string][]time.Duration, error) {
	t := st.lab.book.begin(targets, subjects*len(targets)*st.groups)
	// A scrape, and an evaluation of each group of a chain, take an interval at most.
	timeout := time.NewTimer(time.Duration(1+st.chain)*st.interval + contender.Patience)
	defer timeout.Stop()
	select {
	case <-t.complete:
	case <-timeout.C: // end says what is missing
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return st.lab.book.end(t)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
