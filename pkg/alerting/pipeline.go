package alerting

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/silence"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// pipelines puts together what a flush goes through on its way to its receiver:
// Alertmanager's stages in Alertmanager's order, as its notify.PipelineBuilder
// does, with taps of the history between them, and with a record on the disk
// around each send. It lives as long as the engine; what it makes lives as long as
// a configuration.
type pipelines struct {
	log      *slog.Logger
	metrics  *notify.Metrics
	recorder eventrecorder.Recorder
	notified notify.NotificationLog
	groups   marker.GroupMarker
	state    *state.State
	history  *chronicle
	doubts   *doubts
	failing  *failures
	sent     *sendMetrics
	endToEnd *endToEnd
	patience time.Duration // with which a notification waits for a write
}

// passage is what flushes pass through before they get to the integrations.
type passage struct {
	wait      func() time.Duration
	peer      notify.Peer
	inhibitor *inhibit.Inhibitor
	silencer  *silence.Silencer
	intervals notify.TimeMuter
}

// build makes the stages of all receivers.
func (p *pipelines) build(receivers map[string][]notify.Integration, way passage) notify.RoutingStage {
	// The metric of what was suppressed goes by the concrete type of who did it.
	settle := notify.NewClusterGossipSettleStage(way.peer)
	inhibition := p.history.suppressing(notify.NewMuteStage(way.inhibitor, p.metrics), client.OutcomeInhibited, inhibitedBy)
	active := p.history.muting(notify.NewTimeActiveStage(way.intervals, p.groups, p.metrics))
	mute := p.history.muting(notify.NewTimeMuteStage(way.intervals, p.groups, p.metrics))
	silences := p.history.suppressing(notify.NewMuteStage(way.silencer, p.metrics), client.OutcomeSilenced, silencedBy)

	routing := make(notify.RoutingStage, len(receivers))
	for name, integrations := range receivers {
		routing[name] = notify.MultiStage{
			settle, inhibition, active, mute, silences,
			p.history.emerging(integrations, p.endToEnd.heldBack),
			p.fanOut(name, integrations, way.wait),
		}
	}
	p.metrics.InitializeFor(receivers)
	return routing
}

// fanOut makes the stage that sends to all integrations of a receiver at once.
func (p *pipelines) fanOut(receiver string, integrations []notify.Integration, wait func() time.Duration) notify.Stage {
	all := make(notify.FanoutStage, 0, len(integrations))
	for i := range integrations {
		integration := &integrations[i]
		at := integrationID{receiver, integration.String()}
		entry := at.inLog()
		known := func(group string) bool { return entryOf(p.notified, entry, group) != nil }
		all = append(all, notify.MultiStage{
			notify.NewClusterWaitStage(wait),
			p.history.deduplicating(p.deduplicate(at, integration, entry), integration, known),
			p.sender(at, integration, entry),
		})
	}
	return all
}

// entryOf is what the notification log knows of a group; nil is nothing.
func entryOf(log notificationLog, of *nflogpb.Receiver, group string) *nflogpb.Entry {
	entries, err := log.Query(nflog.QGroupKey(group), nflog.QReceiver(of))
	if err != nil || len(entries) == 0 {
		return nil
	}
	return entries[0]
}

// diskPatience is the default of pipelines.patience. A notification must not wait
// for a disk that hangs.
const diskPatience = 2 * time.Second

// flush waits until all that was queued is on the disk, for a while. Those that
// are about to do the same come first, so that one transaction serves them all.
func (p *pipelines) flush(ctx context.Context) error {
	runtime.Gosched()
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	return p.state.Flush(ctx)
}
