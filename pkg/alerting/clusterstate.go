package alerting

import (
	"sync"

	"github.com/prometheus/alertmanager/cluster"
)

// gossiped is a piece of the engine's state that peers send to us. What the
// engine takes from a large message, or from all of a peer's state when that
// joins, it tells nobody of, so it is journaled here.
type gossiped struct {
	cluster.State
	journal *journal
	gate    *sync.Mutex // keeps merges out of the changes that an API call makes; nil where there are none
}

// Merge implements cluster.State.
func (g gossiped) Merge(b []byte) error {
	if g.gate != nil {
		g.gate.Lock()
		defer g.gate.Unlock()
	}
	if err := g.State.Merge(b); err != nil {
		return err
	}
	g.journal.add(b)
	return nil
}
