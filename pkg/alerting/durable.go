package alerting

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// durable is the part of the engine by which its state survives: everything that
// it must not forget goes through a journal to the state file.
type durable struct {
	durability *durableMetrics

	silenceJournal  *journal
	nflogJournal    *journal
	alertJournal    *alertJournal
	notificationLog notify.NotificationLog
	silenceCalls    *silenceCalls
	reconciler      *reconciler

	lookAgain atomic.Bool // the silencer has to, at all silences
}

// diskTimeout bounds how long anybody waits for a disk that does not answer.
const diskTimeout = 10 * time.Second

// awaitDisk waits until all that was queued is on the disk, also when ctx is
// cancelled: whether something was written does not depend on who still listens.
func awaitDisk(ctx context.Context, s *state.State) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diskTimeout)
	defer cancel()
	return s.Flush(ctx)
}

func (e *engine) newDurable(deps Deps) {
	e.durability = newDurableMetrics(deps.PrometheusRegisterer)
	e.silenceJournal = newJournal(e.log, e.state, state.Silences, readSilence)
	e.nflogJournal = newJournal(e.log, e.state, state.NotificationLog, readNotification)
	// First on the stack, so that it is released last.
	e.releases.Push("write state", func() error {
		if err := awaitDisk(context.Background(), e.state); err != nil {
			return fmt.Errorf("write the last changes: %w", err)
		}
		return nil
	})
}

func (e *engine) newReconciler(deps Deps) {
	e.reconciler = &reconciler{
		log:        e.log,
		standing:   deps.Standing,
		settings:   func() *intakeSettings { return e.intake.settings.Load() },
		configured: func() bool { return e.dispatcher.Load() != nil },
		alerts:     e.alerts,
		metrics:    e.durability,
		due:        make(chan struct{}, 1),
		open:       map[model.Fingerprint]*openAlert{},
	}
}

// restoreLogs takes up what the state knows, and then what snapshots know.
func (e *engine) restoreLogs() {
	e.restoreLog(e.silenceJournal, checkSilence, e.silences.Merge)
	e.restoreLog(e.nflogJournal, readNotification, e.notified.Merge)
	e.importSnapshots()
}

// hookLogs journals from now on what changes, and shares it with the peers.
func (e *engine) hookLogs(reg prometheus.Registerer) {
	tellSilence, tellNotification := e.silenceJournal.add, e.nflogJournal.add
	e.silenceCalls = &silenceCalls{
		log:     e.log,
		journal: e.silenceJournal,
		merge:   e.silences.Merge,
		forget:  e.forgetMuted,
		last:    map[string]*silenceCall{},
	}
	if e.peer != nil {
		sil := e.peer.AddState("sil", gossiped{e.silences, e.silenceJournal, &e.silenceCalls.gate}, reg)
		nfl := e.peer.AddState("nfl", gossiped{e.notified, e.nflogJournal, nil}, reg)
		tellSilence = func(b []byte) { e.silenceJournal.add(b); sil.Broadcast(b) }
		tellNotification = func(b []byte) { e.nflogJournal.add(b); nfl.Broadcast(b) }
	}
	e.silenceCalls.tell = tellSilence
	e.silences.SetBroadcast(func(b []byte) { tellSilence(b); e.counts.nudge() })
	e.notified.SetBroadcast(tellNotification)
}

// forgetMuted makes the silencer look at all silences again. It remembers for each
// alert which ones it has found, and that one which had expired is active again is
// not foreseen. What it just finds out while this runs may be old, so it is made to
// forget a second time.
func (e *engine) forgetMuted() {
	e.silencer.PostGC(e.alertJournal.fingerprints())
	e.lookAgain.Store(true)
}
