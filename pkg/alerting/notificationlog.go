package alerting

import (
	"time"

	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
)

// leastMemory is for how long a notification is remembered. Upstream forgets it
// after twice the repeat interval of its route, and with it, over a server that is
// down for longer, that the end of its alerts is owed.
const leastMemory = 168 * time.Hour

// watchedLog is the engine's notification log. The hook of the engine queues its
// entries for the state behind what it has queued of the alerts, so that an entry
// on the disk never knows more than the alerts there. Of an alert that has ended
// because nobody said that it goes on nothing was queued; that is done here.
//
// Who logs waits for the disk, together with what else it has to write.
type watchedLog struct {
	notify.NotificationLog
	alerts *alertJournal
}

// Log implements notify.NotificationLog.
func (l watchedLog) Log(r *nflogpb.Receiver, groupKey string, firing, resolved []uint64, store *nflog.Store, expiry time.Duration) error {
	if len(resolved) > 0 {
		l.alerts.noteEnds(time.Now())
	}
	return l.NotificationLog.Log(r, groupKey, firing, resolved, store, max(expiry, leastMemory))
}
