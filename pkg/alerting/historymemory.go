package alerting

import (
	"hash/maphash"
	"strings"
	"sync"

	"github.com/prometheus/common/model"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// maxRemembered bounds each of the two generations of a memory.
const maxRemembered = 1 << 17

// memory knows why alerts were not notified of last, so that only changes are
// recorded although every flush decides again. It remembers what was asked for
// most recently; of what it has forgotten, as of everything after a restart, the
// same is recorded once more.
type memory struct {
	seed maphash.Seed
	max  int

	mu         sync.Mutex // guards what follows
	young, old map[uint64]uint64
}

func newMemory(most int) *memory {
	return &memory{seed: maphash.MakeSeed(), max: most, young: map[uint64]uint64{}}
}

// station is where an alert can be stopped: at an integration, or, where that is
// empty, before all of them.
type station struct {
	receiver, integration string
	route, group          string
	alert                 model.Fingerprint
}

// cause is why it was stopped.
type cause struct {
	outcome  client.Outcome
	resolved bool
	why      string
}

func newCause(outcome client.Outcome, resolved bool, why ...string) cause {
	return cause{outcome, resolved, strings.Join(why, "\xff")}
}

// changed remembers the cause, and tells whether it is another than before.
func (m *memory) changed(s station, c cause) bool {
	key, value := maphash.Comparable(m.seed, s), maphash.Comparable(m.seed, c)
	m.mu.Lock()
	defer m.mu.Unlock()
	before, known := m.young[key]
	if !known {
		before, known = m.old[key]
		m.ageLocked()
	}
	delete(m.old, key)
	m.young[key] = value
	return !known || before != value
}

func (m *memory) ageLocked() {
	if len(m.young) >= m.max {
		m.old, m.young = m.young, map[uint64]uint64{}
	}
}

// forget tells whether there was a cause.
func (m *memory) forget(s station) bool {
	key := maphash.Comparable(m.seed, s)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.forgetLocked(key)
}

// forgetUnless forgets every other cause than the given one.
func (m *memory) forgetUnless(s station, c cause) {
	key, value := maphash.Comparable(m.seed, s), maphash.Comparable(m.seed, c)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.young[key] != value && m.old[key] != value {
		m.forgetLocked(key)
	}
}

func (m *memory) forgetLocked(key uint64) bool {
	_, young := m.young[key]
	_, old := m.old[key]
	delete(m.young, key)
	delete(m.old, key)
	return young || old
}
