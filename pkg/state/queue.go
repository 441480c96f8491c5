package state

import (
	"context"
	"sync"
	"time"
)

// linger is how long a change that nobody waits for may stay in memory only.
const linger = 50 * time.Millisecond

// change is one record to be written; a nil value deletes it.
type change struct {
	bucket Bucket
	key    string
	value  []byte
}

// queue holds changes in order until they are committed. Changes of one record
// take each other's place, so that it is bounded by the number of records while
// the disk does not take anything.
//
// Who flushes commits all that has piled up meanwhile: while one commit runs the
// others wait, and the next one takes all of theirs at once.
type queue struct {
	committing chan struct{} // holds one element while a commit runs
	wake       chan struct{}

	mu      sync.Mutex // guards what follows
	pending []change
	places  map[[2]string]int // in pending, by bucket and key
	queued  uint64            // changes so far
	done    uint64            // of which so many are on the disk
}

func newQueue() *queue {
	return &queue{
		committing: make(chan struct{}, 1),
		wake:       make(chan struct{}, 1),
		places:     map[[2]string]int{},
	}
}

func (q *queue) put(bucket Bucket, key string, value []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queued++
	q.addLocked(change{bucket, key, value})
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) addLocked(c change) {
	place := [2]string{string(c.bucket), c.key}
	if i, ok := q.places[place]; ok {
		q.pending[i] = c
		return
	}
	q.places[place] = len(q.pending)
	q.pending = append(q.pending, c)
}

func (q *queue) flush(ctx context.Context, commit func([]change) error) error {
	want := q.last()
	select {
	case q.committing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-q.committing }()
	batch, upTo, ok := q.take(want)
	if !ok {
		return nil
	}
	if err := commit(batch); err != nil {
		q.putBack(batch)
		return err
	}
	q.finish(upTo)
	return nil
}

func (q *queue) last() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.queued
}

// take empties the queue; ok is false when all up to want is on the disk already.
func (q *queue) take(want uint64) (batch []change, upTo uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.done >= want {
		return nil, 0, false
	}
	batch, upTo = q.pending, q.queued
	q.pending, q.places = nil, map[[2]string]int{}
	return batch, upTo, true
}

// putBack puts what could not be committed in front of what has come since.
func (q *queue) putBack(batch []change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	since := q.pending
	q.pending, q.places = nil, map[[2]string]int{}
	for _, c := range append(batch, since...) {
		q.addLocked(c)
	}
}

func (q *queue) finish(upTo uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done = upTo
}

// Run writes what nobody waits for, soon after it was queued, and tries again
// what could not be written. When ctx is done it writes what is left, and returns
// the error of that. Beside it, before and after, [State.Flush] does its own
// writing.
func (s *State) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return s.Flush(context.WithoutCancel(ctx))
		case <-s.queue.wake:
		}
		select {
		case <-ctx.Done():
		case <-time.After(linger):
		}
		if s.Flush(ctx) != nil && ctx.Err() == nil {
			s.retryLater(ctx)
		}
	}
}

// retryInterval is the time between two attempts at a disk that takes nothing.
const retryInterval = time.Second

func (s *State) retryLater(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(retryInterval):
	}
	select {
	case s.queue.wake <- struct{}{}:
	default:
	}
}
