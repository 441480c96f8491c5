package siteconfig

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// retry repeats calls, with full jitter: every delay is chosen at random between
// nothing and a bound that doubles, so that clients that fail together do not come
// again together.
type retry struct {
	base     time.Duration
	most     time.Duration // bounds each delay; zero does not
	attempts int
	total    time.Duration // no repeat begins later; zero does not bound it
	after    time.Duration // bounds what the other side asks for
}

func (r GRPCRetry) retry() retry {
	return retry{base: r.DelayBase, attempts: r.MaxAttempts, total: r.MaxDuration, after: r.MaxDuration}
}

func (r HTTPRetry) retry() retry {
	return retry{base: r.DelayBase, most: r.DelayMax, attempts: r.MaxAttempts, after: r.AfterMaxDuration}
}

// do returns the first answer, or the error that no repeat is worth after.
func (r retry) do(ctx context.Context, call func(context.Context) (answer, error)) (answer, error) {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		a, err := call(ctx)
		failed := new(fetchError)
		if !errors.As(err, &failed) || !failed.again || attempt >= r.attempts || failed.after > r.after {
			return a, err
		}
		delay := max(failed.after, r.delay(attempt))
		if r.total > 0 && time.Since(began)+delay > r.total {
			return a, err
		}
		if !sleep(ctx, delay) {
			return a, err
		}
	}
}

// delay is that after so many attempts.
func (r retry) delay(attempts int) time.Duration {
	const doublings = 16 // more would overflow, and no bound is as long
	bound := r.base << min(attempts-1, doublings)
	if r.most > 0 {
		bound = min(bound, r.most)
	}
	if bound <= 0 {
		return 0
	}
	return rand.N(bound)
}
