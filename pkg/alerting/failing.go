package alerting

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// failingFrom is how long attempts may fail until an integration counts as
// failing although nothing has been given up yet.
const failingFrom = time.Minute

// FailingIntegration is an integration of a receiver that cannot be delivered to:
// a notification was given up, or attempts have failed for a minute, and none has
// succeeded since.
type FailingIntegration struct {
	// Receiver exactly as configured.
	Receiver string
	// Integration is its kind and index, such as "webhook[0]".
	Integration string
	// Since is when the first of the attempts failed, and Failures how many did.
	Since    time.Time
	Failures int
	// LastError in words, without secrets.
	LastError string
	// GaveUp says that at least one notification was not only late.
	GaveUp bool
}

// failures knows the integrations whose last attempt has failed.
type failures struct {
	mu       sync.Mutex // guards what follows
	of       map[integrationID]*FailingIntegration
	existing map[integrationID]bool
}

func newFailures() *failures { return &failures{of: map[integrationID]*FailingIntegration{}} }

// failed notes that an attempt has failed. What still sends to an integration that
// is gone does not matter any more.
func (f *failures) failed(at integrationID, text string, gaveUp bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.existing[at] {
		return
	}
	of, known := f.of[at]
	if !known {
		of = &FailingIntegration{Receiver: at.receiver, Integration: at.integration, Since: time.Now()}
		f.of[at] = of
	}
	of.Failures++
	of.LastError = text
	of.GaveUp = of.GaveUp || gaveUp
}

func (f *failures) ended(at integrationID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.of, at)
}

// keep forgets all integrations but the given ones, for good.
func (f *failures) keep(existing map[integrationID]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.existing = existing
	for at := range f.of {
		if !existing[at] {
			delete(f.of, at)
		}
	}
}

func (f *failures) list(now time.Time) []FailingIntegration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failing []FailingIntegration
	for _, of := range f.of {
		if of.GaveUp || now.Sub(of.Since) >= failingFrom {
			failing = append(failing, *of)
		}
	}
	slices.SortFunc(failing, func(a, b FailingIntegration) int {
		return cmp.Or(cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Integration, b.Integration))
	})
	return failing
}

// FailingIntegrations are those of the receivers that cannot be delivered to now,
// ordered by their names.
func (m *Manager) FailingIntegrations() []FailingIntegration {
	if m.engine == nil {
		return nil
	}
	return m.engine.pipelines.failing.list(time.Now())
}
