package state

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

func values(entries []Entry) []string {
	out := make([]string, 0, len(entries))
	for _, entry := range entries {
		out = append(out, string(entry.Value))
	}
	return out
}

func addHistory(s *State, from, to int) {
	for i := from; i < to; i++ {
		s.AddHistory(fmt.Appendf(nil, "%d", i))
	}
}

func history(t *testing.T, s *State, before uint64, limit int) []Entry {
	t.Helper()
	entries, err := s.History(t.Context(), before, limit)
	require.NoError(t, err)
	return entries
}

func TestHistory_NewestFirstQueuedAndWritten(t *testing.T) {
	s := mustOpen(t, statePath(t))
	require.Empty(t, history(t, s, 0, 10))
	addHistory(s, 0, 3)
	require.Equal(t, []string{"2", "1", "0"}, values(history(t, s, 0, 10)))
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, []string{"2", "1", "0"}, values(history(t, s, 0, 10)))
	addHistory(s, 3, 5)
	require.Equal(t, []string{"4", "3", "2", "1", "0"}, values(history(t, s, 0, 10)))
	require.Equal(t, []string{"4", "3", "2"}, values(history(t, s, 0, 3)))
	require.Empty(t, history(t, s, 0, 0))
}

func TestHistory_PagesMeetWithoutGap(t *testing.T) {
	s := mustOpen(t, statePath(t))
	const all = 1000
	addHistory(s, 0, all-10)
	require.NoError(t, s.Flush(t.Context()))
	addHistory(s, all-10, all)
	for _, limit := range []int{1, 7, 256, 999} {
		next, before := all-1, uint64(0)
		for page := history(t, s, 0, limit); len(page) > 0; page = history(t, s, before, limit) {
			for _, entry := range page {
				require.Equal(t, fmt.Sprint(next), string(entry.Value))
				next, before = next-1, entry.ID
			}
		}
		require.Equal(t, -1, next, "all were seen")
	}
}

func TestHistory_IDsGrowAcrossRestart(t *testing.T) {
	path := statePath(t)
	s := mustOpen(t, path)
	before := uint64(time.Now().UnixNano())
	addHistory(s, 0, 100)
	require.NoError(t, s.Flush(t.Context()))
	last := history(t, s, 0, 1)[0].ID
	require.Greater(t, last, before)
	require.NoError(t, s.Close())

	s = mustOpen(t, path)
	addHistory(s, 100, 101)
	require.Greater(t, history(t, s, 0, 1)[0].ID, last)
	require.Len(t, history(t, s, 0, 1000), 101)
}

func TestHistory_IDsGrowWhenTheClockGoesBack(t *testing.T) {
	path := statePath(t)
	s := mustOpen(t, path)
	future := uint64(time.Now().Add(time.Hour).UnixNano())
	s.queue.lastID = future
	addHistory(s, 0, 2)
	require.NoError(t, s.Flush(t.Context()))
	require.NoError(t, s.Close())

	s = mustOpen(t, path)
	addHistory(s, 2, 4)
	require.NoError(t, s.Flush(t.Context()))
	entries := history(t, s, 0, 10)
	require.Equal(t, []string{"3", "2", "1", "0"}, values(entries))
	require.Equal(t, future+4, entries[0].ID)
}

func TestHistory_BeforeATime(t *testing.T) {
	s := mustOpen(t, statePath(t))
	addHistory(s, 0, 2)
	require.NoError(t, s.Flush(t.Context()))
	addHistory(s, 2, 4)
	middle := time.Now()
	for !time.Now().After(middle) {
		continue // the clock has not ticked
	}
	addHistory(s, 4, 6)
	before := uint64(middle.UnixNano()) + 1
	require.Equal(t, []string{"3", "2", "1", "0"}, values(history(t, s, before, 10)))
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, []string{"3", "2", "1", "0"}, values(history(t, s, before, 10)))
	require.Empty(t, history(t, s, 1, 10))
}

func TestHistory_BoundedBySize(t *testing.T) {
	path := statePath(t)
	const each, most = 1000, 100
	opts := Options{HistoryMaxBytes: most * (each + entryOverhead)}
	s, err := Open(path, opts)
	require.NoError(t, err)
	value := make([]byte, each)
	for range 1000 {
		s.AddHistory(value)
		if s.queue.length() == 10 {
			require.NoError(t, s.Flush(t.Context()))
		}
	}
	require.Len(t, history(t, s, 0, 1<<20), most)
	size := s.size()
	for range 5000 {
		s.AddHistory(value)
		if s.queue.length() == 50 {
			require.NoError(t, s.Flush(t.Context()))
		}
	}
	require.Equal(t, size, s.size(), "pages are used again")
	require.NoError(t, s.Close())

	s, err = Open(path, opts)
	require.NoError(t, err)
	defer s.Close()
	s.AddHistory(value)
	require.NoError(t, s.Flush(t.Context()))
	require.Len(t, history(t, s, 0, 1<<20), most, "the size is known again after a restart")
}

func TestHistory_OldEntriesGoABoundedNumberAtATime(t *testing.T) {
	s := mustOpen(t, statePath(t))
	addHistory(s, 0, 10)
	for i := range s.queue.pending.history {
		s.queue.pending.history[i].ID = uint64(i + 1) // in 1970
	}
	for i := range 1000 {
		s.queue.pending.history = append(s.queue.pending.history, Entry{ID: uint64(100 + i), Value: nil})
		s.queue.historyBytes += entryOverhead
	}
	s.queue.touch()
	s.opts.HistoryMaxAge = 1 << 62 // none is too old yet
	require.NoError(t, s.Flush(t.Context()))
	require.Len(t, history(t, s, 0, 1<<20), 1010)

	s.opts.HistoryMaxAge = time.Hour
	s.AddHistory(nil)
	require.NoError(t, s.Flush(t.Context()))
	require.Len(t, history(t, s, 0, 1<<20), 1011-2-pruneAtOnce)
	for range 10 {
		s.Put(Marks, "any", nil)
		require.NoError(t, s.Flush(t.Context()))
	}
	require.Len(t, history(t, s, 0, 1<<20), 1, "any commit prunes")
}

func TestHistory_FullDiskDropsAndCounts(t *testing.T) {
	d := &disk{}
	s := openOn(t, d)
	d.fails.Store(true)
	value := make([]byte, 1<<20)
	for range 40 {
		s.AddHistory(value)
		_ = s.Flush(t.Context()) // it fails
	}
	kept := maxQueuedHistory / (len(value) + entryOverhead)
	require.Equal(t, uint64(40-kept), s.queue.historyDropped())
	require.Len(t, history(t, s, 0, 100), kept)

	d.fails.Store(false)
	require.NoError(t, s.Flush(t.Context()))
	s.AddHistory(value)
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, uint64(40-kept), s.queue.historyDropped(), "there is room again")
	require.Len(t, history(t, s, 0, 100), kept+1)
}

func TestHistory_DamagedEntryIsLeftOut(t *testing.T) {
	s := mustOpen(t, statePath(t))
	addHistory(s, 0, 3)
	require.NoError(t, s.Flush(t.Context()))
	id := history(t, s, 0, 3)[1].ID
	require.NoError(t, s.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(historyBucket)).Put(historyKey(id), []byte("not sealed"))
	}))
	for range 2 {
		entries, err := s.History(t.Context(), 0, 10)
		require.ErrorIs(t, err, ErrDamaged)
		require.Equal(t, []string{"2", "0"}, values(entries))
		require.Equal(t, 1, s.Damaged(), "counted once")
	}
}

func TestHistory_WhileItIsWritten(t *testing.T) {
	s := mustOpen(t, statePath(t))
	const all = 2000
	written := make(chan error)
	go func() {
		var err error
		for i := range all {
			addHistory(s, i, i+1)
			if i%20 == 0 {
				err = errors.Join(err, s.Flush(t.Context()))
			}
		}
		written <- err
	}()
	for done := false; !done; {
		select {
		case err := <-written:
			require.NoError(t, err)
			done = true
		default:
		}
		entries := history(t, s, 0, all)
		for i, entry := range entries {
			require.Equal(t, fmt.Sprint(len(entries)-1-i), string(entry.Value), "none is missing, none is there twice")
		}
	}
}
