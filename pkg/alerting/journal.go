package alerting

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/silence/silencepb"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// journal keeps the records of silences, or those of the notification log, in the
// state as they are in the engine. It runs under the engine's locks and those of
// the cluster, so it only queues; whoever must be sure flushes the state.
//
// The engine tells of each change once, under its lock, but not of what gossip
// brings in large messages; who merges those journals them afterwards, and by then
// there may be a newer version. So the journal knows the version of each record
// and takes none that is older.
type journal struct {
	log    *slog.Logger
	state  *state.State
	bucket state.Bucket
	read   func(frame []byte) (record, error)

	mu      sync.Mutex // guards what follows
	records map[string]record
	watch   func(before, after record) // told of each change; nil tells nobody
}

// record is one silence or one entry of the notification log.
type record struct {
	key     string
	version time.Time // of two, the later one is the newer
	expires time.Time // when the engine forgets it
	frame   []byte    // as the engine marshals it
}

func newJournal(log *slog.Logger, s *state.State, bucket state.Bucket, read func([]byte) (record, error)) *journal {
	return &journal{log: log, state: s, bucket: bucket, read: read, records: map[string]record{}}
}

// add takes records as the engine broadcasts them.
func (j *journal) add(b []byte) {
	whole, _ := frames(b) // the engine has read or made them, so there is no rest
	for _, frame := range whole {
		r, err := j.read(frame)
		if err != nil {
			j.log.Error("Record not written to the state", "kind", j.bucket, "err", err)
			continue
		}
		j.put(r)
	}
}

func (j *journal) put(r record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	before, ok := j.records[r.key]
	if ok && !before.version.Before(r.version) || r.expires.Before(time.Now()) {
		return
	}
	j.records[r.key] = r
	j.state.Put(j.bucket, r.key, r.frame)
	if j.watch != nil {
		j.watch(before, r)
	}
}

// know tells the journal of a record that is in the state already.
func (j *journal) know(r record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records[r.key] = r
}

func (j *journal) get(key string) (record, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r, ok := j.records[key]
	return r, ok
}

// during calls f and returns what has changed meanwhile, each as it was before
// (zero where there was none) and after.
func (j *journal) during(f func()) (changes [][2]record) {
	j.setWatch(func(before, after record) { changes = append(changes, [2]record{before, after}) })
	defer j.setWatch(nil)
	f()
	return changes
}

func (j *journal) setWatch(watch func(before, after record)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.watch = watch
}

// sweep removes from the state what the engine forgets, which it tells nobody of,
// and returns the size of what is left.
func (j *journal) sweep(now time.Time) (size int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, r := range j.records {
		if r.expires.After(now) {
			size += int64(len(r.frame))
			continue
		}
		delete(j.records, key)
		j.state.Delete(j.bucket, key)
	}
	return size
}

// maintenance stands in for upstream's: it collects garbage, in memory and in the
// state, and writes no snapshot.
func (j *journal) maintenance(gc func() (int, error)) func() (int64, error) {
	return func() (int64, error) {
		_, err := gc()
		return j.sweep(time.Now()), err
	}
}

// oldKey is the key of a record in states of earlier versions, where it was longer
// than [state.State.Put] takes it now.
func oldKey(key string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(key)))
}

// readSilence reads a silence, its matchers unseen.
func readSilence(frame []byte) (record, error) {
	var s silencepb.MeshSilence
	if err := unmarshalFrame(frame, &s); err != nil {
		return record{}, err
	}
	return silenceRecord(&s, frame)
}

func silenceRecord(s *silencepb.MeshSilence, frame []byte) (record, error) {
	if s.GetSilence().GetId() == "" {
		return record{}, errors.New("read silence: it has no id")
	}
	return record{
		key:     s.Silence.Id,
		version: s.Silence.UpdatedAt.AsTime(),
		expires: s.ExpiresAt.AsTime(),
		frame:   frame,
	}, nil
}

// checkSilence reads a silence that does not come from the engine, matchers
// included: one that the engine cannot index makes it fail for every alert.
func checkSilence(frame []byte) (record, error) {
	var s silencepb.MeshSilence
	if err := unmarshalFrame(frame, &s); err != nil {
		return record{}, err
	}
	r, err := silenceRecord(&s, frame)
	if err != nil {
		return record{}, err
	}
	matchers := s.Silence.Matchers
	for _, set := range s.Silence.MatcherSets {
		matchers = append(matchers, set.Matchers...)
	}
	if len(matchers) == 0 {
		return record{}, fmt.Errorf("read silence %q: it has no matchers", r.key)
	}
	for _, m := range matchers {
		if err := checkMatcher(m); err != nil {
			return record{}, fmt.Errorf("read silence %q: matcher of %q: %w", r.key, m.Name, err)
		}
	}
	return r, nil
}

func checkMatcher(m *silencepb.Matcher) error {
	switch m.Type {
	case silencepb.Matcher_EQUAL, silencepb.Matcher_NOT_EQUAL:
		return nil
	case silencepb.Matcher_REGEXP, silencepb.Matcher_NOT_REGEXP:
		_, err := labels.NewMatcher(labels.MatchRegexp, m.Name, m.Pattern)
		return err
	default:
		return fmt.Errorf("type %q is unknown", m.Type)
	}
}

// readNotification reads an entry of the notification log.
func readNotification(frame []byte) (record, error) {
	var e nflogpb.MeshEntry
	if err := unmarshalFrame(frame, &e); err != nil {
		return record{}, err
	}
	to := e.GetEntry().GetReceiver()
	if to == nil {
		return record{}, errors.New("read entry of the notification log: it has no receiver")
	}
	return record{
		key:     fmt.Sprintf("%s:%s/%s/%d", e.Entry.GroupKey, to.GroupName, to.Integration, to.Idx),
		version: e.Entry.Timestamp.AsTime(),
		expires: e.ExpiresAt.AsTime(),
		frame:   frame,
	}, nil
}
