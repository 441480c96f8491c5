package rules

import (
	"time"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// Trigger is what makes a group be evaluated.
type Trigger string

// The triggers.
const (
	// TriggerScrape: a scrape has brought samples that the group reads.
	TriggerScrape Trigger = client.TriggerScrape
	// TriggerPush: somebody has sent such samples, by remote write or OTLP.
	TriggerPush Trigger = client.TriggerPush
	// TriggerRules: a group that this one reads has been evaluated.
	TriggerRules Trigger = client.TriggerRules
	// TriggerClock: it was time.
	TriggerClock Trigger = client.TriggerClock
)

// Committed tells that samples are in the storage, what brought them, their
// different values of the label job, and the timestamp of the newest of them. It
// never blocks for long, and may be called before a configuration is applied.
func (m *Manager) Committed(by Trigger, jobs []string, newest time.Time) {
	m.timing.committed(by, jobs, newest)
}
