package alerting

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// flushTimeout bounds how long anybody waits for a disk that does not answer.
const flushTimeout = 10 * time.Second

// notificationLog is the engine's notification log, whose entries are on the disk
// when Log returns without error. The hook of the engine has queued them, and the
// alerts before them, so that an entry on the disk never knows more than the
// alerts there.
type notificationLog struct {
	notify.NotificationLog
	alerts *alertJournal
	state  *state.State
}

// Log implements notify.NotificationLog. After an error the entry is in memory,
// and so nothing is repeated while the process lives.
func (l notificationLog) Log(r *nflogpb.Receiver, groupKey string, firing, resolved []uint64, store *nflog.Store, expiry time.Duration) error {
	if err := l.NotificationLog.Log(r, groupKey, firing, resolved, store, expiry); err != nil {
		return err
	}
	if len(resolved) > 0 {
		l.alerts.noteEnds(time.Now())
	}
	if err := flush(context.Background(), l.state); err != nil {
		return fmt.Errorf("record the notification, which was sent: %w", err)
	}
	return nil
}

// flush waits for the disk, also when ctx is cancelled: whether something was
// written does not depend on who still listens.
func flush(ctx context.Context, s *state.State) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	return s.Flush(ctx)
}
