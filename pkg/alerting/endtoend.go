package alerting

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/common/model"
)

// endToEnd measures how long it takes from a sample to the notification that tells
// what it has changed: from the newest sample that the evaluation saw with which an
// alert began to fire or resolved, to when an integration has accepted the first
// notification that says so.
//
// What was held back because somebody wanted that is not measured: what was
// silenced, inhibited or muted, and what a new configuration brings to an
// integration, or to a group, that it was not meant for when it changed. Nor is what
// no rule of this server made, what changed before the start, or what external
// Alertmanagers do.
type endToEnd struct {
	origin  func(model.Fingerprint) origin
	seconds *prometheus.HistogramVec
	// done has, for each alert and integration, the last change that was measured or
	// is not to be. The notification log does not suffice: it forgets what is silenced
	// while another alert is told of.
	done *memory

	mu    sync.Mutex // guards what follows
	since map[integrationID]time.Time
}

// news is an alert of a notification that tells for the first time how it is.
type news struct {
	station station
	change  cause
	sampled time.Time
}

func newEndToEnd(reg prometheus.Registerer, origin func(model.Fingerprint) origin) *endToEnd {
	return &endToEnd{
		origin: origin,
		seconds: promauto.With(reg).NewHistogramVec(prometheus.HistogramOpts{
			Name: "srcprom_sample_to_notification_seconds",
			Help: "Time from the newest sample that an evaluation saw which made an alert begin to fire or resolve, to when an integration accepted the first notification of that, by the integration's type.",
			// Fine where evaluation and delivery alone take their time, and right above the
			// usual group_wait and group_interval.
			Buckets:                         []float64{0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 35, 60, 120, 300, 330, 600, 1800, 3600},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"integration"}),
		done: newMemory(maxRemembered),
	}
}

// keep is told which integrations there are from now on. An alert that had changed
// before is no news for one that is new.
func (e *endToEnd) keep(existing map[integrationID]bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if e.since == nil { // the first configuration
		now = time.Time{}
	}
	next := make(map[integrationID]time.Time, len(existing))
	for at := range existing {
		e.seconds.WithLabelValues(at.inLog().Integration)
		since, known := e.since[at]
		if !known {
			since = now
		}
		next[at] = since
	}
	e.since = next
}

func (e *endToEnd) sinceWhen(at integrationID) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.since[at]
}

// begin finds the news for an integration among alerts that are about to be sent;
// told is what it was told last, nil if that is nothing.
func (e *endToEnd) begin(ctx context.Context, at integrationID, told *nflogpb.Entry, alerts []*alert.Alert) []news {
	f, _ := ctx.Value(flushKey{}).(flush)
	since, already := e.sinceWhen(at), toldBy(told)
	var all []news
	for _, a := range alerts {
		s, ok := e.sampleOf(a)
		if !ok || already(a) {
			continue
		}
		one := newsOf(at, a, s)
		if s.handed.Before(since) || f.moved(a, s.handed) {
			e.done.changed(one.station, one.change)
			continue
		}
		all = append(all, one)
	}
	return all
}

// accepted measures what a notification has told.
func (e *endToEnd) accepted(kind string, n *notification) {
	for _, one := range n.news {
		if e.done.changed(one.station, one.change) {
			e.seconds.WithLabelValues(kind).Observe(max(0, n.accepted.Sub(one.sampled).Seconds()))
		}
	}
}

// heldBack says that an alert was stopped on its way to an integration on purpose.
// How it is now is not measured there any more.
func (e *endToEnd) heldBack(to station, a *alert.Alert) {
	if s, ok := e.sampleOf(a); ok {
		one := newsOf(integrationID{to.receiver, to.integration}, a, s)
		e.done.changed(one.station, one.change)
	}
}

// sampleOf is where the state that an alert is in begins; ok is false where that is
// not known, or no rule has made the alert.
func (e *endToEnd) sampleOf(a *alert.Alert) (_ sample, ok bool) {
	o := e.origin(a.Fingerprint())
	s := o.Samples.of(a)
	return s, o.Source == sourceRule && !s.newest.IsZero()
}

// newsOf names an alert at an integration, in whatever group it is told.
func newsOf(at integrationID, a *alert.Alert, s sample) news {
	return news{
		station: station{receiver: at.receiver, integration: at.integration, alert: a.Fingerprint()},
		change:  newCause("", a.Resolved(), strconv.FormatInt(s.newest.UnixNano(), 10)),
		sampled: s.newest,
	}
}

// toldBy tells of alerts whether the entry of the notification log, which may be
// nil, says that they were told of as they are.
func toldBy(entry *nflogpb.Entry) func(*alert.Alert) bool {
	if entry == nil {
		return func(*alert.Alert) bool { return false }
	}
	firing, resolved := setOf(entry.FiringAlerts), setOf(entry.ResolvedAlerts)
	return func(a *alert.Alert) bool {
		if a.Resolved() {
			return resolved[hashAlert(a)]
		}
		return firing[hashAlert(a)]
	}
}

func setOf(hashes []uint64) map[uint64]bool {
	set := make(map[uint64]bool, len(hashes))
	for _, hash := range hashes {
		set[hash] = true
	}
	return set
}
