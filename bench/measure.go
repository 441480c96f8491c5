package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/sourcegraph/srcprom/bench/internal/contender"
)

const (
	scrapeInterval = 15 * time.Second // when idle, and for the time to ready
	fireInterval   = time.Second      // for the latency
)

func measureSize(contenders []contender.Contender, results *results) error {
	for _, c := range contenders {
		var size float64
		for _, path := range c.Binaries {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			size += float64(info.Size())
		}
		results.add(sizeRow, c.Name, size)
	}
	return nil
}

// measureReady starts the contenders in turn, each time on an empty directory.
func measureReady(ctx context.Context, lab *lab, contenders []contender.Contender, starts int, results *results) error {
	for range starts {
		for _, c := range contenders {
			took, err := timeToReady(ctx, lab, c)
			if err != nil {
				return err
			}
			results.add(readyRow, c.Name, took.Seconds())
		}
	}
	return nil
}

// timeToReady is the time from exec to the first ready answer; of several
// processes, to that of the last.
func timeToReady(ctx context.Context, lab *lab, c contender.Contender) (time.Duration, error) {
	l, err := contender.NewLayout(config(scrapeInterval, lab))
	if err != nil {
		return 0, err
	}
	began := time.Now()
	r, err := contender.Start(ctx, c, l)
	if err != nil {
		return 0, err
	}
	defer r.Stop()
	err = r.AwaitReady(ctx)
	return time.Since(began), err
}

// measureLatency lets one alert after another fire, each of its own group, and
// takes the time from the evaluation to the webhook.
func measureLatency(ctx context.Context, lab *lab, contenders []contender.Contender, fires int, results *results) error {
	for _, c := range contenders {
		r, err := contender.StartReady(ctx, c, config(fireInterval, lab))
		if err != nil {
			return err
		}
		err = fire(ctx, lab, fires, func(latency time.Duration) { results.add(latencyRow, c.Name, latency.Seconds()) })
		r.Stop()
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return nil
}

func fire(ctx context.Context, lab *lab, fires int, took func(time.Duration)) error {
	defer lab.round.Store(0)
	for range fires {
		round := lab.round.Add(1)
		a, err := awaitRound(ctx, lab, strconv.FormatInt(round, 10))
		if err != nil {
			return err
		}
		took(a.arrived.Sub(a.evaluated))
	}
	return nil
}

func awaitRound(ctx context.Context, lab *lab, round string) (arrival, error) {
	timeout := time.NewTimer(contender.Patience)
	defer timeout.Stop()
	for {
		select {
		case a := <-lab.arrivals:
			if a.round == round {
				return a, nil
			}
		case <-timeout.C:
			return arrival{}, fmt.Errorf("alert of round %s did not arrive within %s", round, contender.Patience)
		case <-ctx.Done():
			return arrival{}, ctx.Err()
		}
	}
}

// measureIdle runs all contenders side by side: idle, they have the machine to
// themselves, and what happens on it happens to all of them.
func measureIdle(ctx context.Context, lab *lab, contenders []contender.Contender, s settings, results *results) error {
	for range s.rounds {
		var wg sync.WaitGroup
		errs := make([]error, len(contenders))
		for i, c := range contenders {
			wg.Go(func() { errs[i] = idle(ctx, lab, c, s, results) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

func idle(ctx context.Context, lab *lab, c contender.Contender, s settings, results *results) error {
	r, err := contender.StartReady(ctx, c, config(scrapeInterval, lab))
	if err != nil {
		return err
	}
	defer r.Stop()
	if err := pause(ctx, s.settle); err != nil {
		return err
	}
	rss, pss, err := r.Memory()
	if err != nil {
		return err
	}
	before, err := r.CPU()
	if err != nil {
		return err
	}
	if err := pause(ctx, s.watch); err != nil {
		return err
	}
	after, err := r.CPU()
	if err != nil {
		return err
	}
	results.add(rssRow, c.Name, rss)
	results.add(pssRow, c.Name, pss)
	results.add(cpuRow, c.Name, (after-before).Seconds()*float64(time.Minute)/float64(s.watch))
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
