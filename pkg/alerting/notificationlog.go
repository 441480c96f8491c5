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
//
// The engine forgets an entry after twice the repeat interval of its route. Where the
// next configuration brings a longer one, it would repeat what that one is not to repeat
// yet. So an entry is kept for as long as one of the route that repeats last, and for
// the retention at least.
type watchedLog struct {
	notify.NotificationLog
	alerts  *alertJournal
	atLeast func() time.Duration // for which an entry is kept
}

// Log implements notify.NotificationLog.
func (l watchedLog) Log(r *nflogpb.Receiver, groupKey string, firing, resolved []uint64, store *nflog.Store, expiry time.Duration) error {
	if len(resolved) > 0 {
		l.alerts.noteEnds(time.Now())
	}
	return l.NotificationLog.Log(r, groupKey, firing, resolved, store, max(expiry, l.atLeast()))
}

// keepNotified is how long the notification log remembers at least.
func (e *engine) keepNotified() time.Duration {
	live := e.stage.live.Load()
	if live == nil {
		return e.opts.Retention
	}
	return max(e.opts.Retention, 2*live.longestRepeat)
}
