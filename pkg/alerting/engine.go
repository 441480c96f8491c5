package alerting

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/api"
	"github.com/prometheus/alertmanager/cluster"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/sourcegraph/srcprom/pkg/internal/counters"
	"github.com/sourcegraph/srcprom/pkg/internal/lifecycle"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// nflogRetention is how long the notification log may remember, which is fixed for
// its life: longer than any repeat interval, as that and leastMemory are to decide.
const nflogRetention = 10 * 365 * 24 * time.Hour

// engine is the built-in Alertmanager: what lives as long as the process, and one
// configuration that runs on it. See app/app.go of Alertmanager.
type engine struct {
	opts        Options
	log         *slog.Logger // ours
	base        *slog.Logger // for upstream's parts, which add their own component
	externalURL *url.URL
	state       *state.State
	start       time.Time
	metrics     *metrics
	releases    lifecycle.Stack

	recorder  eventrecorder.Recorder
	peer      *cluster.Peer // nil without a cluster
	notified  *nflog.Log
	silences  *silence.Silences
	silencer  *silence.Silencer
	alerts    *alertStore
	groups    marker.GroupMarker
	pipelines *pipelines
	dispatch  *dispatch.DispatcherMetrics
	api       *api.API
	conns     *connections
	stage     *stage
	intake    *intake
	queue     *handoff
	tests     *testBench
	counts    *counts

	durable
	clusterCounters *counters.Registerer // see health.go

	dispatcher atomic.Pointer[dispatcher] // nil before the first configuration
	running    sync.WaitGroup             // dispatchers, inhibitors

	mu      sync.Mutex // held while what runs changes; guards what follows
	stopped bool
}

func newEngine(opts Options, deps Deps, sent *notificationMetrics) (_ *engine, err error) {
	e := &engine{
		opts:        opts,
		log:         deps.Logger.With("component", "alerting"),
		base:        deps.Logger,
		externalURL: deps.ExternalURL,
		state:       deps.State,
		start:       time.Now(),
		metrics:     newMetrics(deps.Registerer),
		groups:      marker.NewGroupMarker(),
		conns:       newConnections(),
		stage:       newStage(),
		tests:       newTestBench(),
		counts:      newCounts(),
	}
	defer func() {
		if err != nil {
			_ = e.releases.Unwind()
		}
	}()
	features := parseFeatures(deps.Logger, opts.Features)
	e.newDurable(deps)
	if err := e.newCluster(deps.Registerer); err != nil {
		return nil, err
	}
	e.newRecorder(features, deps.Registerer)
	if err := e.newLogs(deps.Registerer); err != nil {
		return nil, err
	}
	e.stage.notified = e.notified
	if err := e.newAlerts(features, deps); err != nil {
		return nil, err
	}
	e.newPipelines(features, deps)
	e.dispatch = dispatch.NewDispatcherMetrics(false, deps.Registerer, features)
	return e, e.newAPI(deps, sent)
}

func (e *engine) newCluster(reg prometheus.Registerer) error {
	e.clusterCounters = counters.Watch(reg, failedPeers)
	peer, err := newPeer(e.opts.Cluster, e.base, e.clusterCounters)
	if err != nil || peer == nil {
		return err
	}
	e.peer = peer
	e.metrics.clusterEnabled.Set(1)
	e.releases.Push("leave cluster", func() error { return leave(peer, leaveTimeout(e.opts), e.log) })
	return nil
}

// leaveTimeout is a small share of the time for draining, which is over by then:
// who stops us waits for both. The farewell ends when it has been gossiped four
// times (more among ten peers or more), so less than five intervals would fail.
func leaveTimeout(opts Options) time.Duration {
	return max(opts.DrainTimeout/8, 200*time.Millisecond, 5*opts.Cluster.GossipInterval)
}

func (e *engine) newRecorder(features featurecontrol.Flagger, reg prometheus.Registerer) {
	if !features.EnableEventRecorder() {
		return
	}
	host, _ := os.Hostname()
	e.recorder = eventrecorder.NewRecorderFromConfig(eventrecorder.Config{}, host, e.base.With("component", "eventrecorder"), reg)
	if e.peer != nil {
		e.recorder.SetClusterPeer(e.peer)
	}
	e.releases.Push("close event recorder", e.recorder.Close)
}

// newLogs makes silences and notification log with what the state and snapshots
// know of them. Hooks and peers come last: what is restored is no news.
func (e *engine) newLogs(reg prometheus.Registerer) (err error) {
	e.notified, err = nflog.New(nflog.Options{
		Retention: nflogRetention,
		Logger:    e.base.With("component", "nflog"),
		Metrics:   reg,
	})
	if err != nil {
		return fmt.Errorf("make notification log: %w", err)
	}
	e.silences, err = silence.New(silence.Options{
		Retention: e.opts.Retention,
		Limits: silence.Limits{
			MaxSilences:         func() int { return e.opts.MaxSilences },
			MaxSilenceSizeBytes: func() int { return e.opts.MaxSilenceSizeBytes },
		},
		Logger:        e.base.With("component", "silences"),
		Metrics:       reg,
		Logging:       e.opts.SilenceLogging,
		EventRecorder: e.recorder,
	})
	if err != nil {
		return fmt.Errorf("make silences: %w", err)
	}
	e.silencer = silence.NewSilencer(e.silences, e.base, e.recorder)
	e.restoreLogs()
	e.hookLogs(reg)
	return nil
}

func (e *engine) newAlerts(features featurecontrol.Flagger, deps Deps) error {
	e.alertJournal = newAlertJournal(e.log, e.state, e.silencer, deps.Standing != nil, e.counts.nudge)
	up, err := mem.NewAlerts(
		context.Background(),
		e.opts.AlertGCInterval,
		e.opts.PerAlertNameLimit,
		e.alertJournal,
		e.base,
		e.recorder,
		deps.Registerer,
		features,
	)
	if err != nil {
		return fmt.Errorf("make alert store: %w", err)
	}
	e.releases.Push("close alert store", func() error { up.Close(); return nil })
	e.alerts = &alertStore{Alerts: up, journal: e.alertJournal}
	e.notificationLog = watchedLog{e.notified, e.alertJournal}
	e.newReconciler(deps)
	e.restoreAlerts()
	return nil
}

// newPipelines comes after the logs: they tell what became of notifications that a
// crash has left.
func (e *engine) newPipelines(features featurecontrol.Flagger, deps Deps) {
	failing := newFailures()
	e.pipelines = &pipelines{
		log:      e.log,
		metrics:  notify.NewMetrics(deps.Registerer, features),
		recorder: e.recorder,
		notified: e.notificationLog,
		groups:   e.groups,
		state:    e.state,
		history:  &chronicle{log: e.log, state: e.state, groups: e.groups, origin: e.madeBy, memory: newMemory(maxRemembered)},
		doubts:   newDoubts(),
		failing:  failing,
		sent:     newSendMetrics(deps.PrometheusRegisterer, failing),
		endToEnd: newEndToEnd(deps.PrometheusRegisterer, e.origin),
		patience: diskPatience,
	}
	e.pipelines.recoverIntents(context.Background())
	e.stage.doubted = e.pipelines.doubts.entries
}

func (e *engine) newAPI(deps Deps, sent *notificationMetrics) error {
	cors, err := api.NewCORSHandler(e.opts.CORSOrigin)
	if err != nil {
		return fmt.Errorf("parse CORS origin %q: %w", e.opts.CORSOrigin, err)
	}
	const received, invalid = "alertmanager_alerts_received_total", "alertmanager_alerts_invalid_total"
	reg := newCapture(deps.Registerer, []string{received, invalid})
	e.api, err = api.New(api.Options{
		Alerts:          e.alerts,
		Silences:        e.silences,
		GroupMutedFunc:  e.groups.Muted,
		Peer:            e.clusterPeer(),
		Concurrency:     e.opts.GetConcurrency,
		CORSHandler:     cors,
		Logger:          e.base.With("component", "api"),
		Registry:        reg,
		RequestDuration: e.metrics.requestDuration,
		GroupFunc:       e.alertGroups,
	})
	if err != nil {
		return fmt.Errorf("make API of Alertmanager: %w", err)
	}
	e.intake = &intake{
		held:     e.reconciler.holdsBack,
		log:      e.log,
		alerts:   e.alerts,
		target:   e.target().String(),
		sent:     sent,
		received: captured[*prometheus.CounterVec](reg, received),
		invalid:  captured[prometheus.Counter](reg, invalid),
	}
	e.intake.settings.Store(&intakeSettings{resolveTimeout: 5 * time.Minute})
	sent.init(e.intake.target)
	e.queue = newHandoff(e.intake.deliver, func() prometheus.Gauge { return sent.queueLength.WithLabelValues(e.intake.target) })
	return nil
}

// clusterPeer is nil without a cluster; an interface that holds a nil *Peer is not.
func (e *engine) clusterPeer() cluster.ClusterPeer {
	if e.peer == nil {
		return nil
	}
	return e.peer
}

func (e *engine) notifyPeer() notify.Peer {
	if e.peer == nil {
		return nil
	}
	return e.peer
}

// target is where an external Prometheus would post alerts to.
func (e *engine) target() *url.URL { return e.externalURL.JoinPath("api/v2/alerts") }

// timeout is how long one flush may take. See app/app.go of Alertmanager.
func (e *engine) timeout(groupInterval time.Duration) time.Duration {
	return max(groupInterval, notify.MinTimeout) + e.wait()
}

func (e *engine) wait() time.Duration { return position(e.peer, e.opts.Cluster.PeerTimeout)() }

func (e *engine) alertGroups(ctx context.Context, routes func(*dispatch.Route) bool, alerts func(*alert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
	current := e.dispatcher.Load()
	if current == nil {
		return nil, nil, errNotConfigured
	}
	return current.up.Groups(ctx, routes, alerts)
}

// mark tells the API whether an alert is inhibited or silenced.
func (e *engine) mark(ctx context.Context, labels model.LabelSet) {
	if live := e.stage.live.Load(); live != nil {
		live.inhibitor.Mutes(ctx, labels)
	}
	e.silencer.Mutes(ctx, labels)
}
