package state

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Bucket names one kind of records.
type Bucket string

// The kinds of records. What a record is, is the affair of who keeps it.
const (
	// Silences by their id.
	Silences Bucket = "silences"
	// NotificationLog has an entry for each group and integration.
	NotificationLog Bucket = "nflog"
	// Alerts by their fingerprint.
	Alerts Bucket = "alerts"
	// Intents are the notifications that are being sent.
	Intents Bucket = "intents"
	// Marks are small facts about the whole, such as what has been imported.
	Marks Bucket = "marks"
)

// maxKey is the length of the longest key.
const maxKey = 1024

// Key is the key under which [State.Put] keeps a record. It is another one where
// bbolt would not take the given one, which is long or empty.
func Key(key string) string {
	if len(key) == 0 || len(key) > maxKey {
		sum := fmt.Sprintf("#%x", sha256.Sum256([]byte(key)))
		key = key[:min(len(key), maxKey-len(sum))] + sum
	}
	return key
}

// Put keeps a record in the place of the one before it. It only queues, so it may
// be called under any lock; [State.Flush] waits for the disk. The value must not
// be changed afterwards. A key of more than 1024 bytes is replaced by its beginning
// and its checksum, which then names the record as well.
func (s *State) Put(bucket Bucket, key string, value []byte) {
	s.queue.change(change{place: place{bucket, Key(key)}, value: value})
}

// Delete removes a record. It only queues, as Put does.
func (s *State) Delete(bucket Bucket, key string) {
	s.queue.change(change{place: place{bucket, Key(key)}, deleted: true})
}

// Flush waits until all that was queued before is on the disk. Calls at the same
// time share a transaction. Its error says that it is not: then what was queued
// stays so, and is tried again with the next Flush and by Run. When ctx is done it
// no longer waits, but what is being written may get to the disk.
func (s *State) Flush(ctx context.Context) error {
	began := time.Now()
	err := s.queue.flush(ctx, s.commit)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("write to the state file %q: no answer for %s: %w; look at its disk", s.path, time.Since(began).Round(time.Millisecond), err)
	}
	return err
}

// Each calls f for every record of a bucket that is on the disk, in the order of
// their keys; f may keep the value, and use the state. Records that are damaged are
// left out, and named by the error, which wraps [ErrDamaged]; an error of f ends it.
func (s *State) Each(bucket Bucket, f func(key string, value []byte) error) error {
	var records []change
	var damaged []error
	err := s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		return b.ForEach(func(key, sealed []byte) error {
			at := place{bucket, string(key)}
			value, err := unseal(at, sealed)
			if err != nil {
				damaged = append(damaged, s.leftOut(at, err))
				return nil
			}
			records = append(records, change{place: at, value: slices.Clone(value)})
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := f(r.key, r.value); err != nil {
			return errors.Join(err, errors.Join(damaged...))
		}
	}
	return errors.Join(damaged...)
}

// commit writes a batch as one transaction.
func (s *State) commit(b *batch) error {
	var grown int64
	err := s.update("write to", func(tx *bbolt.Tx) error {
		for _, c := range b.records {
			if err := write(tx, c); err != nil {
				return err
			}
		}
		var err error
		grown, err = s.writeHistory(tx, b.history)
		return err
	})
	if err != nil {
		b.unneeded = s.absent(b)
		return err
	}
	s.historySize += grown
	return nil
}

func write(tx *bbolt.Tx, c change) error {
	b, err := tx.CreateBucketIfNotExists([]byte(c.bucket))
	if err != nil {
		return err
	}
	if c.deleted {
		return b.Delete([]byte(c.key))
	}
	return b.Put([]byte(c.key), seal(c.place, c.value))
}

// absent returns the records of a batch that need not be deleted, since they are
// not on the disk: those that come and go while it takes nothing would pile up.
func (s *State) absent(b *batch) map[place]bool {
	absent := map[place]bool{}
	err := s.view(func(tx *bbolt.Tx) error {
		for _, c := range b.records {
			if !c.deleted {
				continue
			}
			if bucket := tx.Bucket([]byte(c.bucket)); bucket == nil || bucket.Get([]byte(c.key)) == nil {
				absent[c.place] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return absent
}
