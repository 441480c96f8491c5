package tsdb

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
)

func openTracker(t *testing.T, maxConcurrency int) (*queryTracker, string) {
	t.Helper()
	dir := t.TempDir()
	q := newQueryTracker(maxConcurrency)
	require.NoError(t, q.open(dir, slog.New(slog.DiscardHandler)))
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q, filepath.Join(dir, "queries.active")
}

func TestQueryTracker_NotesWhatRuns(t *testing.T) {
	q, path := openTracker(t, 2)
	i, err := q.Insert(t.Context(), "sum(up)")
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(content), "sum(up)")
	q.Delete(i)
	content, err = os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(content), "sum(up)")
}

func TestQueryTracker_BoundsWhatRuns(t *testing.T) {
	q, _ := openTracker(t, 1)
	first, err := q.Insert(t.Context(), "a")
	require.NoError(t, err)
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = q.Insert(short, "b")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	q.Delete(first)
	second, err := q.Insert(t.Context(), "b")
	require.NoError(t, err)
	q.Delete(second)
}

func TestQueryTracker_ClosedUnderARunningQuery(t *testing.T) {
	q, _ := openTracker(t, 1)
	i, err := q.Insert(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, q.Close())
	q.Delete(i) // would write into memory that is not mapped any more
	_, err = q.Insert(t.Context(), "b")
	require.ErrorIs(t, err, tsdb.ErrNotReady)
	_, err = q.Insert(t.Context(), "c")
	require.ErrorIs(t, err, tsdb.ErrNotReady, "the slot has been given back")
	require.NoError(t, q.Close())
}
