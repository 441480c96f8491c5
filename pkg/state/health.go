package state

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// commitPatience is how long a commit may take until the disk is taken to hang.
const commitPatience = 10 * time.Second

// health is what the last commit said, and what those say that go on.
type health struct {
	mu      sync.Mutex  // guards what follows
	since   time.Time   // of the first failure in a row
	err     error       // of the last one; nil when it succeeded
	running []time.Time // when the commits began that go on, in order
}

func (h *health) begin() (began time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	began = time.Now()
	h.running = append(h.running, began)
	return began
}

func (h *health) committed(began time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.running, began)
	h.running = slices.Delete(h.running, i, i+1)
	if h.err == nil || err == nil {
		h.since = began
	}
	h.err = err
}

// Unwritable returns why the last commit failed, or one has not ended for long, and
// since when that is so; nil when it is not. While commits fail, Run tries another
// one each second, so that it notices when the disk is there again.
func (s *State) Unwritable() (since time.Time, err error) {
	h := &s.health
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.err != nil:
		return h.since, h.err
	case len(h.running) > 0 && time.Since(h.running[0]) > commitPatience:
		began := h.running[0]
		return began, fmt.Errorf("write to the state file %q: its disk has not answered since %s", s.path, began.UTC().Format(time.RFC3339))
	default:
		return time.Time{}, nil
	}
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
