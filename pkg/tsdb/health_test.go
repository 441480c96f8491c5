package tsdb

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counted is how often something happened.
func counted(all []Trouble, what string) float64 {
	for _, t := range all {
		if t.What == what {
			return t.Count
		}
	}
	return -1
}

func TestFailures_AreReadFromEveryCounterOfTheEngine(t *testing.T) {
	s := startStore(t, "storage: {tsdb: {out_of_order_time_window: 1h}}", nil)
	for _, names := range []map[string]Trouble{failureCounters(s.opts), damageCounters()} {
		for name := range names {
			require.NotEmpty(t, s.counters.Values(name), "the engine has no counter %s any more", name)
		}
	}
	require.Len(t, s.Failures(), len(failureCounters(s.opts)))
	for _, f := range append(s.Failures(), s.Damage()...) {
		require.Zero(t, f.Count, f.What)
	}
}

func TestFailures_TellWhenItIsTriedAgain(t *testing.T) {
	s := startStore(t, "", func(o *Options) { o.MinBlockDuration, o.MaxBlockDuration = 4*time.Hour, 4*time.Hour })
	again := map[string]time.Duration{}
	for _, f := range s.Failures() {
		again[f.What] = f.Again
	}
	require.Greater(t, again["writing a checkpoint"], 4*time.Hour, "not before another block is written")
	require.Greater(t, again["truncating the write-ahead log"], 4*time.Hour)
	require.Less(t, again["writing the write-ahead log"], time.Minute)
}

func TestFailures_LogThatCannotBeWritten(t *testing.T) {
	s := startStore(t, "", func(o *Options) { o.WALSegmentSize = minWALSegmentSize })
	// The next file of the log finds no directory.
	require.NoError(t, os.Rename(filepath.Join(s.opts.Dir, "wal"), filepath.Join(s.opts.Dir, "away")))
	t.Cleanup(func() { _ = os.Rename(filepath.Join(s.opts.Dir, "away"), filepath.Join(s.opts.Dir, "wal")) })
	failed, long := false, make([]byte, 1<<20)
	for i := 0; i < 30 && !failed; i++ {
		_, _ = rand.Read(long) // it never fails
		failed = s.append(t, time.Now(), 1, "__name__", "m", "long", hex.EncodeToString(long)) != nil
	}
	require.True(t, failed)
	require.Positive(t, counted(s.Failures(), "writing the write-ahead log"))
}

func TestDamage_LogWithATornEnd(t *testing.T) {
	dir := t.TempDir()
	inDir := func(o *Options) { o.Dir = dir }
	first := startStore(t, "", inDir)
	require.NoError(t, first.append(t, time.Now(), 1, "__name__", "m"))
	require.NoError(t, first.Close(t.Context()))
	segments, err := filepath.Glob(filepath.Join(dir, "wal", "0*"))
	require.NoError(t, err)
	f, err := os.OpenFile(segments[0], os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("torn"), 8)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	second := startStore(t, "", inDir)
	require.Positive(t, counted(second.Damage(), "the write-ahead log"))
}
