package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// book keeps, for each trial that goes on, when it was served and what arrived. It is
// safe for concurrent use.
type book struct {
	mu     sync.Mutex // guards what follows, and the trials in it
	last   int
	trials map[int]*trial
}

// trial is one change of a value, at one or more targets at once.
type trial struct {
	id       int
	targets  map[string]bool // their addresses
	expected int             // notifications in all
	served   map[scrape]time.Time
	arrived  map[notification]time.Time
	complete chan struct{} // closed when all have arrived
}

// scrape is who scraped which target.
type scrape struct{ contender, target string }

// notification is who told of which group's alert about which target.
type notification struct {
	scrape
	group string
}

func newBook() *book { return &book{trials: map[int]*trial{}} }

// begin lets targets carry a new trial from now on.
func (b *book) begin(targets []string, expected int) *trial {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	t := &trial{
		id:       b.last,
		targets:  map[string]bool{},
		expected: expected,
		served:   map[scrape]time.Time{},
		arrived:  map[notification]time.Time{},
		complete: make(chan struct{}),
	}
	for _, target := range targets {
		t.targets[target] = true
	}
	b.trials[t.id] = t
	return t
}

// carried are the trials that a target has to tell of now.
func (b *book) carried(target string) []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []int
	for id, t := range b.trials {
		if t.targets[target] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// noteServed notes that a scrape has been answered with trials. Only the first that
// carried a trial counts.
func (b *book) noteServed(s scrape, trials []int, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range trials {
		t := b.trials[id]
		if t == nil {
			continue
		}
		if _, ok := t.served[s]; !ok {
			t.served[s] = at
		}
	}
}

// noteArrived notes a notification. Only the first counts.
func (b *book) noteArrived(n notification, id int, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.trials[id]
	if t == nil {
		return
	}
	if _, ok := t.arrived[n]; ok {
		return
	}
	t.arrived[n] = at
	if len(t.arrived) == t.expected {
		close(t.complete)
	}
}

// end takes a trial off the targets and returns the latencies of each contender.
func (b *book) end(t *trial) (map[string][]time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.trials, t.id)
	if len(t.arrived) != t.expected {
		return nil, fmt.Errorf("trial %d: %d of %d notifications arrived: %v", t.id, len(t.arrived), t.expected, t.arrivedByContender())
	}
	latencies := map[string][]time.Duration{}
	for n, arrived := range t.arrived {
		served, ok := t.served[n.scrape]
		if !ok || arrived.Before(served) {
			return nil, fmt.Errorf("trial %d: a notification of %s arrived before its target %s had served it", t.id, n.contender, n.target)
		}
		latencies[n.contender] = append(latencies[n.contender], arrived.Sub(served))
	}
	return latencies, nil
}

func (t *trial) arrivedByContender() map[string]int {
	counts := map[string]int{}
	for n := range t.arrived {
		counts[n.contender]++
	}
	return counts
}
