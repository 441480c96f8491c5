package state

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// historyBucket has the entries by their ids, big-endian.
const historyBucket Bucket = "history"

// What an entry takes beside its value: its id, its checksum, its place in a page.
const entryOverhead = 8 + sumSize + 16

const (
	// historyPage is how many entries one reading transaction looks at: a long one
	// would keep bbolt from growing the file, and so hold up commits.
	historyPage = 256
	// pruneAtOnce bounds the entries that a commit removes beside as many as twice
	// those it adds.
	pruneAtOnce = 128
)

// Entry is one record of the history. Entries that are later have greater ids.
type Entry struct {
	ID    uint64 // nanoseconds since 1970 of when it was added, or a little more
	Value []byte
}

// AddHistory adds an entry to the history. It only queues and never blocks: beyond
// a bound, while the disk takes nothing, entries are dropped and counted. It is
// written in the same transactions as everything else. The value must not be
// changed afterwards.
func (s *State) AddHistory(value []byte) { s.queue.addHistory(value) }

// History returns up to limit entries whose ids are less than before, the newest
// first; before 0 means from the end. Entries that are still queued are among them.
// Since ids are times, those before a time are those before its nanoseconds since
// 1970. Damaged entries are left out, and named by the error, which wraps
// [ErrDamaged]; the entries beside it are good.
func (s *State) History(ctx context.Context, before uint64, limit int) ([]Entry, error) {
	if before == 0 {
		before = ^uint64(0)
	}
	// In this order nothing is missed that is written in between, nor seen twice.
	entries, before := s.queue.history(before, limit)
	var damaged []error
	for len(entries) < limit && before > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		page, next, err := s.historyPage(before, min(limit-len(entries), historyPage))
		if errors.Is(err, errChecksum) {
			damaged = append(damaged, err)
		} else if err != nil {
			return nil, err
		}
		entries, before = append(entries, page...), next
	}
	return entries, errors.Join(damaged...)
}

// history returns queued entries, the newest first, and before which id those on
// the disk follow.
func (q *queue) history(before uint64, limit int) ([]Entry, uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var entries []Entry
	for _, b := range []*batch{q.pending, q.current} {
		if b == nil {
			continue
		}
		end, _ := slices.BinarySearchFunc(b.history, before, func(e Entry, id uint64) int {
			if e.ID < id {
				return -1
			}
			return 1
		})
		for _, entry := range slices.Backward(b.history[:end]) {
			if len(entries) == limit {
				return entries, before
			}
			entries, before = append(entries, entry), entry.ID
		}
	}
	return entries, before
}

// historyPage reads up to limit records before an id. next is where the following
// page begins, 0 at the end.
func (s *State) historyPage(before uint64, limit int) (page []Entry, next uint64, err error) {
	var damaged []error
	err = s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(historyBucket))
		if b == nil {
			return nil
		}
		c := b.Cursor()
		key, sealed := seekBefore(c, before)
		for ; key != nil && limit > 0; key, sealed = c.Prev() {
			limit--
			at := place{historyBucket, string(key)}
			value, err := unseal(at, sealed)
			if err != nil {
				damaged = append(damaged, s.leftOut(at, err))
				continue
			}
			page = append(page, Entry{ID: binary.BigEndian.Uint64(key), Value: slices.Clone(value)})
		}
		if key != nil {
			next = idAfter(key)
		}
		return nil
	})
	return page, next, errors.Join(err, errors.Join(damaged...))
}

// seekBefore goes to the last record before an id.
func seekBefore(c *bbolt.Cursor, before uint64) (key, sealed []byte) {
	if key, _ := c.Seek(historyKey(before)); key == nil {
		return c.Last()
	}
	return c.Prev()
}

func historyKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// idAfter is the least id that a key is before.
func idAfter(key []byte) uint64 {
	var id [8]byte
	copy(id[:], key)
	return binary.BigEndian.Uint64(id[:]) + 1
}

// writeHistory appends entries, and removes the oldest that are too many or too
// old; a bounded number of them, the next commit goes on. It returns by how many
// bytes the history has grown.
func (s *State) writeHistory(tx *bbolt.Tx, entries []Entry) (int64, error) {
	b, err := tx.CreateBucketIfNotExists([]byte(historyBucket))
	if err != nil {
		return 0, err
	}
	b.FillPercent = 1 // nothing is ever put between
	var grown int64
	for _, entry := range entries {
		key := historyKey(entry.ID)
		if err := b.Put(key, seal(place{historyBucket, string(key)}, entry.Value)); err != nil {
			return 0, err
		}
		grown += int64(len(entry.Value) + entryOverhead)
	}
	pruned, err := s.pruneHistory(b, s.historySize+grown-s.opts.HistoryMaxBytes, 2*len(entries)+pruneAtOnce)
	return grown - pruned, err
}

// pruneHistory removes up to limit of the oldest entries, until so many bytes are
// gone and none is too old.
func (s *State) pruneHistory(b *bbolt.Bucket, excess int64, limit int) (pruned int64, err error) {
	oldest := historyKey(uint64(max(0, time.Now().UnixNano()-int64(s.opts.HistoryMaxAge))))
	var keys [][]byte
	c := b.Cursor()
	for key, sealed := c.First(); key != nil && len(keys) < limit; key, sealed = c.Next() {
		if pruned >= excess && string(key) >= string(oldest) {
			break
		}
		pruned += int64(len(sealed) - sumSize + entryOverhead)
		keys = append(keys, slices.Clone(key))
	}
	for _, key := range keys {
		if err := b.Delete(key); err != nil {
			return 0, err
		}
	}
	return pruned, nil
}
