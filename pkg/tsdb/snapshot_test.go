package tsdb

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
)

func TestStore_SnapshotHoldsWhatIsInMemoryAndWhatCameOutOfOrder(t *testing.T) {
	s := startStore(t, "storage: {tsdb: {out_of_order_time_window: 1h}}\n", nil)
	now := time.Now()
	require.NoError(t, s.append(t, now, 2, "__name__", "m"))
	require.NoError(t, s.append(t, now.Add(-30*time.Minute), 1, "__name__", "m"))

	dir := filepath.Join(t.TempDir(), "snapshot")
	require.NoError(t, s.Snapshot(t.Context(), dir))
	require.NoError(t, s.append(t, now.Add(time.Second), 3, "__name__", "m"))

	copied := startStore(t, "", func(o *Options) { o.Dir = dir })
	require.Equal(t, map[string]float64{`{__name__="m"}`: 2}, copied.query(t, now.Add(time.Second), "m"))
	require.Equal(t, map[string]float64{`{__name__="m"}`: 1}, copied.query(t, now.Add(-29*time.Minute), "m"))
}

func TestStore_SnapshotOfNothingHasNoBlock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "snapshot")
	require.NoError(t, startStore(t, "", nil).Snapshot(t.Context(), dir))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestStore_SnapshotBeforeOpenAndAfterCloseFails(t *testing.T) {
	s := newStore(t, nil)
	require.ErrorIs(t, s.Snapshot(t.Context(), filepath.Join(t.TempDir(), "snapshot")), tsdb.ErrNotReady)
	require.NoError(t, s.Close(context.Background()))
	require.ErrorIs(t, s.Snapshot(t.Context(), filepath.Join(t.TempDir(), "snapshot")), tsdb.ErrNotReady)
}
