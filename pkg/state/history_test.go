package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
