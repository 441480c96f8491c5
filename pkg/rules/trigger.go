package rules

import (
	"time"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// Trigger is why a group is evaluated.
type Trigger string

// What triggers an evaluation.
const (
	TriggerScrape Trigger = client.TriggerScrape // scrapes that it depends on have been committed
	TriggerPush   Trigger = client.TriggerPush   // remote write or OTLP has brought samples that it depends on
	TriggerRules  Trigger = client.TriggerRules  // a group that it reads has recorded
	TriggerClock  Trigger = client.TriggerClock  // its interval is over
)

// Committed says that samples have been committed: by whom, the values of their label
// job, and the timestamp of the newest. It does not block, may be called at any time,
// and may be called by several goroutines at once.
func (m *Manager) Committed(_ Trigger, _ []string, _ time.Time) {}

// GroupEvaluation tells how a group is evaluated; ok is false where it is not known.
func (m *Manager) GroupEvaluation(_, _ string) (evaluation client.GroupEvaluation, ok bool) {
	return client.GroupEvaluation{}, false
}
