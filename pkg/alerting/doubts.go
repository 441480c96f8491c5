package alerting

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// sendID names what an integration is told about one group.
type sendID struct {
	integrationID
	group string
}

// doubts are the notifications in doubt of which the repeat is not decided yet.
//
// Until it is, the notification log must not be believed: the receiver may know
// more than it, or not. An alert that was in doubt is sent again if it still fires
// although the log may say that it was notified of; and its end is told although
// the log may know nothing of it.
type doubts struct {
	mu sync.Mutex // guards what follows
	of map[sendID]*decision
}

func newDoubts() *doubts { return &doubts{of: map[sendID]*decision{}} }

func (d *doubts) add(id sendID, about *decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of[id] = about
}

func (d *doubts) get(id sendID) *decision {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.of[id]
}

func (d *doubts) remove(id sendID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.of, id)
}

// keep removes all but those of the given integrations, and returns them.
func (d *doubts) keep(existing map[integrationID]bool) (removed []sendID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.of {
		if !existing[id.integrationID] {
			delete(d.of, id)
			removed = append(removed, id)
		}
	}
	return removed
}

// entries are what a receiver may believe to be firing in a group beside what the
// notification log knows.
func (d *doubts) entries(receiver, group string) (entries []*nflogpb.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, about := range d.of {
		if id.receiver == receiver && id.group == group {
			entries = append(entries, &nflogpb.Entry{FiringAlerts: about.Firing})
		}
	}
	return entries
}

// deduplicate is the stage that asks the notification log whether there is
// anything new to say; where something is in doubt, there is.
func (p *pipelines) deduplicate(at integrationID, integration *notify.Integration, of *nflogpb.Receiver) notify.Stage {
	usual := notify.NewDedupStage(integration, p.notified, of)
	return notify.StageFunc(func(ctx context.Context, l *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
		group, _ := notify.GroupKey(ctx)
		id := sendID{at, group}
		doubt := p.doubts.get(id)
		if doubt == nil {
			return usual.Exec(ctx, l, alerts...)
		}
		logged := entryOf(p.notified, of, group)
		if doubt.settledBy(logged) { // a peer has sent it since
			p.decided(id)
			return usual.Exec(ctx, l, alerts...)
		}
		log := doubtedLog{p.notified, doubt.entryBeside(logged)}
		ctx, alerts, err := notify.NewDedupStage(integration, log, of).Exec(ctx, l, alerts...)
		if err == nil && len(alerts) == 0 {
			p.decided(id)
		}
		if reason, _ := notify.NotificationReason(ctx); reason == notify.ReasonRepeatIntervalElapsed {
			ctx = doubt.repeated(ctx)
		}
		return ctx, alerts, err
	})
}

// doubtedLog answers every question with one entry.
type doubtedLog struct {
	notify.NotificationLog
	entry *nflogpb.Entry
}

// Query implements notify.NotificationLog.
func (l doubtedLog) Query(...nflog.QueryParam) ([]*nflogpb.Entry, error) {
	return []*nflogpb.Entry{l.entry}, nil
}

// settledBy tells whether an entry of the notification log, which may be nil, is of
// the notification or of a later one.
func (d *decision) settledBy(logged *nflogpb.Entry) bool {
	return logged != nil && logged.Timestamp.AsTime().UnixNano() >= d.Begun
}

// entryBeside is an entry of the notification log, nil where there is none, with
// what the receiver may believe. It has no time, so that its repeat interval is
// over whatever that is.
func (d *decision) entryBeside(logged *nflogpb.Entry) *nflogpb.Entry {
	return &nflogpb.Entry{
		FiringAlerts:   append(slices.Clone(logged.GetFiringAlerts()), d.Firing...),
		ResolvedAlerts: logged.GetResolvedAlerts(),
		ReceiverData:   logged.GetReceiverData(),
	}
}

// repeated gives a repeat the reason that it had at first.
func (d *decision) repeated(ctx context.Context) context.Context {
	for _, reason := range []notify.NotifyReason{
		notify.ReasonNewAlertsInGroup, notify.ReasonNewResolvedAlerts, notify.ReasonRepeatIntervalElapsed,
	} {
		if reason.String() == d.Reason {
			return notify.WithNotificationReason(ctx, reason)
		}
	}
	ctx = notify.WithNflogStore(ctx, nflog.NewStore(nil))
	return notify.WithNotificationReason(ctx, notify.ReasonFirstNotification)
}

// decided ends a doubt: its repeat was sent, or is not due.
func (p *pipelines) decided(id sendID) {
	p.doubts.remove(id)
	p.state.Delete(state.Intents, id.key())
}

// maxDoubt is how long the repeat of a notification is waited for: its group may
// be gone.
const maxDoubt = 7 * 24 * time.Hour

func (d *decision) tooOld(now time.Time) bool { return now.Sub(time.Unix(0, d.Begun)) > maxDoubt }
