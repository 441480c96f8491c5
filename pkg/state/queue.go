package state

import (
	"context"
	"sync"
	"time"
)

// maxQueuedHistory bounds the entries of the history that wait for the disk, in
// bytes.
const maxQueuedHistory = 32 << 20

// queue holds changes in order until they are committed.
//
// Who flushes commits all that has piled up meanwhile: while one commit runs the
// others wait, and the next one takes all of theirs at once. No lock is held while
// a commit runs, so that adding to the queue never waits for the disk.
type queue struct {
	committing chan struct{} // holds one element while a commit runs
	wake       chan struct{} // holds one element when Run has something to do

	mu       sync.Mutex    // guards what follows
	pending  *batch        // for the next commit
	current  *batch        // of the commit that runs, nil when none does
	queued   uint64        // changes so far
	taken    uint64        // of which so many were in a commit
	done     uint64        // of which so many are on the disk
	settled  chan struct{} // closed when the next commit has ended
	failures uint64        // commits that failed so far
	failed   uint64        // changes that were in the last of them
	failure  error         // of that one

	lastID       uint64 // of the history
	historyBytes int    // of the entries in pending and current
	dropped      uint64 // entries for which there was no room
}

func newQueue() *queue {
	return &queue{
		committing: make(chan struct{}, 1),
		wake:       make(chan struct{}, 1),
		pending:    newBatch(),
		settled:    make(chan struct{}),
	}
}

func (q *queue) change(c change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending.add(c)
	q.queued++
	q.nudge()
}

// addHistory reports whether there was room for the entry.
func (q *queue) addHistory(value []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.historyBytes+len(value)+entryOverhead > maxQueuedHistory {
		q.dropped++
		return false
	}
	q.lastID = max(uint64(time.Now().UnixNano()), q.lastID+1)
	q.pending.history = append(q.pending.history, Entry{ID: q.lastID, Value: value})
	q.historyBytes += len(value) + entryOverhead
	q.queued++
	q.nudge()
	return true
}

// touch makes the next flush commit, be it nothing.
func (q *queue) touch() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queued++
}

// nudge makes Run look.
func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// flush waits until all that was queued before is committed, by itself or by
// somebody else. An attempt that failed meanwhile with all of it is not repeated.
func (q *queue) flush(ctx context.Context, commit func(*batch) error) error {
	want, seen := q.position()
	return q.await(ctx, want, seen, commit)
}

func (q *queue) await(ctx context.Context, want, seen uint64, commit func(*batch) error) error {
	for {
		settled, ended, err := q.outcome(want, seen)
		if ended {
			return err
		}
		select {
		case q.committing <- struct{}{}:
			if b := q.take(want, seen); b != nil {
				return q.lead(ctx, b, commit)
			}
			<-q.committing
		case <-settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (q *queue) position() (queued, failures uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.queued, q.failures
}

// outcome says whether the changes up to want have met their fate since there were
// seen failures; settled is closed when it is time to ask again.
func (q *queue) outcome(want, seen uint64) (settled <-chan struct{}, ended bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	ended, err = q.outcomeLocked(want, seen)
	return q.settled, ended, err
}

func (q *queue) outcomeLocked(want, seen uint64) (ended bool, err error) {
	switch {
	case q.done >= want:
		return true, nil
	case q.failures > seen && q.failed >= want:
		return true, q.failure
	default:
		return false, nil
	}
}

// take empties the queue; nil when somebody else has seen to all up to want.
func (q *queue) take(want, seen uint64) *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ended, _ := q.outcomeLocked(want, seen); ended {
		return nil
	}
	q.current, q.pending, q.taken = q.pending, newBatch(), q.queued
	return q.current
}

// lead commits a batch for all who wait. A disk that hangs holds up the commit,
// but not who waits for it with a deadline; [State.Close] waits for it.
func (q *queue) lead(ctx context.Context, b *batch, commit func(*batch) error) error {
	result := make(chan error, 1)
	go func() {
		defer func() { <-q.committing }()
		err := commit(b)
		q.settle(b, err)
		result <- err
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle ends a commit. What could not be written goes back under what has come
// since.
func (q *queue) settle(b *batch, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.current = nil
	if err != nil {
		q.failures++
		q.failed, q.failure = q.taken, err
		b.drop()
		b.append(q.pending)
		q.pending = b
	} else {
		q.done = q.taken
		for _, entry := range b.history {
			q.historyBytes -= len(entry.Value) + entryOverhead
		}
	}
	close(q.settled)
	q.settled = make(chan struct{})
}

// length is the number of changes that are not on the disk.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.pending.records) + len(q.pending.history)
	if q.current != nil {
		n += len(q.current.records) + len(q.current.history)
	}
	return n
}

func (q *queue) historyDropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
