package state

import (
	"context"
)

// Entry is one record of the history. Entries that are later have greater ids.
type Entry struct {
	ID    uint64 // nanoseconds since 1970 of when it was added, or a little more
	Value []byte
}

// AddHistory adds an entry to the history. It only queues and never blocks: beyond
// a bound, while the disk takes nothing, entries are dropped and counted. It is
// written in the same transactions as everything else.
func (s *State) AddHistory(value []byte) { panic("to be written") }

// History returns up to limit entries whose ids are less than before, the newest
// first; before 0 means from the end. Entries that are still queued are among them.
func (s *State) History(ctx context.Context, before uint64, limit int) ([]Entry, error) {
	panic("to be written")
}
