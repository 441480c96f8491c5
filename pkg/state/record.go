package state

import (
	"context"
	"errors"
	"fmt"

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

// Put keeps a record in the place of the one before it. It only queues, so it may
// be called under any lock; [State.Flush] waits for the disk. The value must not
// be changed afterwards.
func (s *State) Put(bucket Bucket, key string, value []byte) {
	s.queue.change(change{place: place{bucket, key}, value: value})
}

// Delete removes a record. It only queues, as Put does.
func (s *State) Delete(bucket Bucket, key string) {
	s.queue.change(change{place: place{bucket, key}, deleted: true})
}

// Flush waits until all that was queued before is on the disk. Calls at the same
// time share a transaction. Its error says that it is not: then what was queued
// stays so, and is tried again with the next Flush and by Run.
func (s *State) Flush(ctx context.Context) error { return s.queue.flush(ctx, s.commit) }

// Each calls f for every record of a bucket that is on the disk, in the order of
// their keys; f may keep the value. Records that are damaged are left out, and
// named by the error, which wraps [ErrDamaged]; an error of f ends it.
func (s *State) Each(bucket Bucket, f func(key string, value []byte) error) error {
	var damaged []error
	err := s.guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			if b == nil {
				return nil
			}
			return b.ForEach(func(key, sealed []byte) error {
				value, err := unseal(place{bucket, string(key)}, sealed)
				if err != nil {
					damaged = append(damaged, fmt.Errorf("record %q of %q in the state file %q: %w (%w)", key, bucket, s.path, ErrDamaged, err))
					return nil
				}
				return f(string(key), append([]byte(nil), value...))
			})
		})
	})
	return errors.Join(err, errors.Join(damaged...))
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
	if err == nil {
		s.historySize += grown
	}
	return err
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
