package state

import (
	"fmt"
	"sync"
	"time"
)

// health is what the last commit said.
type health struct {
	mu    sync.Mutex // guards what follows
	since time.Time  // of the first failure in a row
	err   error      // of the last one; nil when it succeeded
}

func (h *health) committed(began time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil || err == nil {
		h.since = began
	}
	h.err = err
}

// Unwritable returns why the last commit failed, and since when they do; nil when
// it succeeded. While commits fail, Run tries another one each second, so that it
// notices when the disk is there again.
func (s *State) Unwritable() (since time.Time, err error) {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	if s.health.err == nil {
		return time.Time{}, nil
	}
	return s.health.since, s.health.err
}

// damageList has the records that were left out.
type damageList struct {
	lost int // when the file was opened

	mu     sync.Mutex // guards what follows
	places map[place]struct{}
}

func (l *damageList) add(at place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.places == nil {
		l.places = map[place]struct{}{}
	}
	l.places[at] = struct{}{}
}

// Damaged is the number of records that are known to be lost since the file was
// opened, or were when it was: their checksums do not match.
func (s *State) Damaged() int {
	s.damage.mu.Lock()
	defer s.damage.mu.Unlock()
	return s.damage.lost + len(s.damage.places)
}

// leftOut words an error of reading a record, nil when there is none, and counts it.
func (s *State) leftOut(at place, err error) error {
	if err == nil {
		return nil
	}
	s.damage.add(at)
	return fmt.Errorf("record %q of %q in the state file %q: %w (%w)", at.key, at.bucket, s.path, ErrDamaged, err)
}
