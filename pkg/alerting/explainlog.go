package alerting

import (
	"time"

	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
)

// notified is the last entry of the notification log for a group and an
// integration; nil when there is none.
func (x *Explainer) notified(g group, i *notify.Integration) *nflogpb.Entry {
	return entryOf(x.engine.notified, &nflogpb.Receiver{GroupName: g.receiver, Integration: i.Name(), Idx: uint32(i.Index())}, g.key)
}

// lastFlush is when a group was last looked at; nil when that is not known.
func (x *Explainer) lastFlush(g group) *time.Time {
	var last *time.Time
	integrations := x.live.receivers[g.receiver].integrations
	for i := range integrations {
		entry := x.notified(g, &integrations[i])
		if entry == nil {
			continue
		}
		if at := entry.Timestamp.AsTime(); last == nil || at.After(*last) {
			last = &at
		}
	}
	return last
}
