package tsdb

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"
)

// queryTracker bounds how many queries run at once and notes them in a file of
// the data directory, from which the next start tells what ran at a crash.
//
// It stands in front of the engine's tracker for two reasons. That one truncates
// its file when it is made, so it must not be made before the directory is
// locked. And it writes into mapped memory: one that is closed while a query
// runs would take the process down.
type queryTracker struct {
	slots chan struct{} // one element per running query

	mu sync.Mutex                 // guards what follows
	up *promql.ActiveQueryTracker // nil before open and after Close
}

var _ promql.QueryTracker = (*queryTracker)(nil)

func newQueryTracker(maxConcurrency int) *queryTracker {
	return &queryTracker{slots: make(chan struct{}, maxConcurrency)}
}

func (q *queryTracker) open(dir string, log *slog.Logger) error {
	up, err := promql.NewActiveQueryTracker(dir, cap(q.slots), log)
	if err != nil {
		return fmt.Errorf("file of active queries: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.up = up
	return nil
}

// GetMaxConcurrent returns how many queries may run at once.
func (q *queryTracker) GetMaxConcurrent() int { return cap(q.slots) }

// Insert waits until the query may run.
func (q *queryTracker) Insert(ctx context.Context, query string) (int, error) {
	select {
	case q.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.up == nil {
		<-q.slots
		return 0, tsdb.ErrNotReady
	}
	// This does not wait: there are as many entries as slots. Nor does it
	// concern the query's context, which has been asked above.
	return q.up.Insert(context.WithoutCancel(ctx), query)
}

// Delete ends what Insert began.
func (q *queryTracker) Delete(insertIndex int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.up != nil {
		q.up.Delete(insertIndex)
	}
	<-q.slots
}

// Close releases the file. Queries that still run are noted no longer.
func (q *queryTracker) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	up := q.up
	q.up = nil
	return up.Close()
}
