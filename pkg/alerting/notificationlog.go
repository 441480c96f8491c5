package alerting

import (
	"time"

	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
)

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
	return l.NotificationLog.Log(r, groupKey, firing, resolved, store, expiry)
}
