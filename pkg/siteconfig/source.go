package siteconfig

import (
	"context"
	"time"
)

// maxAnswer bounds what is taken from a source.
const maxAnswer = 90 << 20

// answer is all that is kept of what a source says. It must not be logged: the site
// configuration is full of secrets.
type answer struct {
	site string
	// migrating says that the frontend knows no site configuration now, whatever it
	// says instead.
	migrating bool
}

// source is where the site configuration comes from. It is used by one goroutine.
type source interface {
	// fetch asks for it. Errors are a *fetchError.
	fetch(ctx context.Context) (answer, error)
	// wait returns after that time, earlier when there may be news or ctx is done.
	wait(ctx context.Context, d time.Duration)
	close()
}

// fetchError says why nothing was fetched, in words that hold nothing of what the other
// side has said: that may be anything.
type fetchError struct {
	reason string
	// unreachable: nobody is there. That is usual while things are started.
	unreachable bool
	// again: the same call may succeed soon. After that time, where it is known.
	again bool
	after time.Duration
	// foreign: the other side does not speak this protocol.
	foreign bool
}

func (e *fetchError) Error() string { return e.reason }

// sleep returns false when ctx was done before the time had passed.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
