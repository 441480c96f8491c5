package alerting

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// alertStore is the engine's provider, which is told with each Put where the
// alerts come from.
type alertStore struct {
	*mem.Alerts
	journal *alertJournal

	mu sync.Mutex // held over each Put, as the provider's own lock is
}

// Put implements provider.Alerts, for the API.
func (s *alertStore) Put(ctx context.Context, alerts ...*alert.Alert) error {
	return s.putFrom(ctx, func(_ origin, a *alert.Alert) origin {
		return origin{Source: sourceClient, ReceivedAt: a.UpdatedAt}
	}, alerts...)
}

// putFrom puts alerts whose origins come from a func, which is given the one that
// is known so far.
func (s *alertStore) putFrom(ctx context.Context, from func(known origin, a *alert.Alert) origin, alerts ...*alert.Alert) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.from = from
	return s.Alerts.Put(ctx, alerts...)
}

// catchUp tells of alerts again of which there are later versions than those that
// a dispatcher has. Upstream takes them in with several workers, so of two versions
// that come close to one another, as they do once a gate opens, the older one may
// stay in the group: then the end of an alert would be told when it is given up.
func (s *alertStore) catchUp(seen []*alert.Alert) {
	late := slices.DeleteFunc(slices.Clone(seen), func(a *alert.Alert) bool { return s.laterThan(a) == nil })
	if len(late) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.from = knownOrigin
	for _, a := range late {
		if later := s.laterThan(a); later != nil {
			_ = s.Alerts.Put(context.Background(), later) // it has no error of its own
		}
	}
}

// laterThan is the last version of an alert, also where the provider has dropped
// it; nil where that is the given one.
func (s *alertStore) laterThan(a *alert.Alert) *alert.Alert {
	fp := a.Fingerprint()
	last, err := s.Get(fp)
	if err != nil {
		last = s.journal.collectedAlert(fp)
	}
	if last == nil || !last.UpdatedAt.After(a.UpdatedAt) {
		return nil
	}
	return last
}

// alertJournal keeps the alerts of the provider in the state. It is the provider's
// callback, in front of the silencer, which is the stock one. It runs under the
// provider's lock, so it only queues.
//
// Who sends an alert that goes on firing says so again and again, and that moves
// its end. Such moves are not written where the restoring does not need them, see
// restored: then the record only says whether the end has passed.
type alertJournal struct {
	mem.AlertStoreCallback
	log      *slog.Logger
	state    *state.State
	hasRules bool   // whether somebody knows how alerts of rules stand
	changed  func() // told when an alert comes, goes, or ends sooner

	from func(known origin, a *alert.Alert) origin // of the Put that goes on; guarded by alertStore.mu

	mu        sync.Mutex // guards what follows
	known     map[model.Fingerprint]*knownAlert
	collected map[model.Fingerprint]collectedAlert // the provider has dropped them, the state has not
	soonest   time.Time                            // no alert that has not ended yet, as far as is noted, ends before
}

// knownAlert is an alert in the provider.
type knownAlert struct {
	alert   *alert.Alert // as in the provider
	origin  origin
	written *alert.Alert // as in the state
	by      source       // of the record in the state
	ended   bool         // whether the record says so
}

// collectedAlert is one that was in the provider.
type collectedAlert struct {
	alert  *alert.Alert
	origin origin
}

func newAlertJournal(log *slog.Logger, s *state.State, silencer mem.AlertStoreCallback, hasRules bool, changed func()) *alertJournal {
	return &alertJournal{
		AlertStoreCallback: silencer,
		log:                log,
		state:              s,
		hasRules:           hasRules,
		changed:            changed,
		known:              map[model.Fingerprint]*knownAlert{},
		collected:          map[model.Fingerprint]collectedAlert{},
	}
}

// PostStore implements mem.AlertStoreCallback.
func (j *alertJournal) PostStore(a *alert.Alert, existing bool) {
	j.AlertStoreCallback.PostStore(a, existing)
	fp := a.Fingerprint()
	j.mu.Lock()
	defer j.mu.Unlock()
	collected := j.collected[fp]
	delete(j.collected, fp)
	k, ok := j.known[fp]
	if !ok {
		k = &knownAlert{origin: collected.origin}
		j.known[fp] = k
	}
	last := k.alert
	if last == nil {
		last = collected.alert
	}
	ended := a.Resolved()
	if k.alert == nil || k.ended != ended || a.EndsAt.Before(k.alert.EndsAt) {
		j.changed()
	}
	before := k.origin
	k.alert, k.origin = a, j.from(before, a)
	k.origin.Samples = before.Samples.with(k.origin.Samples, last, a, time.Now())
	if !ended && (j.soonest.IsZero() || a.EndsAt.Before(j.soonest)) {
		j.soonest = a.EndsAt
	}
	if k.ended == ended && j.sameOnDiskLocked(k, before) {
		return
	}
	j.writeLocked(fp, k, ended)
}

// sameOnDiskLocked tells whether the record needs no writing, where it is right
// about whether the alert has ended.
func (j *alertJournal) sameOnDiskLocked(k *knownAlert, before origin) bool {
	w, a := k.written, k.alert
	if w == nil || k.by != k.origin.Source ||
		!w.StartsAt.Equal(a.StartsAt) || w.GeneratorURL != a.GeneratorURL ||
		!maps.Equal(w.Annotations, a.Annotations) ||
		!labels.Equal(before.RuleLabels, k.origin.RuleLabels) {
		return false
	}
	return w.EndsAt.Equal(a.EndsAt) || !k.ended && j.endMoves(k)
}

// endMoves tells whether the end of an alert is only when it is given up, so that
// the restoring sets another one.
func (j *alertJournal) endMoves(k *knownAlert) bool {
	switch k.origin.Source {
	case sourceRule:
		return j.hasRules
	case sourceHealth:
		return true
	default:
		return k.alert.Timeout && k.written.Timeout
	}
}

func (j *alertJournal) writeLocked(fp model.Fingerprint, k *knownAlert, ended bool) {
	value, err := encodeAlert(k.alert, k.origin, ended)
	if err != nil {
		j.log.Error("Alert not written to the state", "alert", k.alert.Name(), "err", err)
		return
	}
	k.written, k.by, k.ended = k.alert, k.origin.Source, ended
	j.state.Put(state.Alerts, fp.String(), value)
}

// PostDelete implements mem.AlertStoreCallback. The provider calls it without its
// lock, so the alert may have come back meanwhile. It drops everything resolved,
// however recently; the state keeps it, as after a restart nobody else knows that
// its end may have to be told yet.
func (j *alertJournal) PostDelete(a *alert.Alert) {
	j.AlertStoreCallback.PostDelete(a)
	fp := a.Fingerprint()
	j.mu.Lock()
	defer j.mu.Unlock()
	if k, ok := j.known[fp]; ok && k.alert == a {
		if !k.ended {
			j.writeLocked(fp, k, true)
		}
		delete(j.known, fp)
		j.collected[fp] = collectedAlert{a, k.origin}
		j.changed()
	}
}

func (j *alertJournal) collectedAlert(fp model.Fingerprint) *alert.Alert {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.collected[fp].alert
}

func (j *alertJournal) collectedAlerts() map[model.Fingerprint]*alert.Alert {
	j.mu.Lock()
	defer j.mu.Unlock()
	alerts := make(map[model.Fingerprint]*alert.Alert, len(j.collected))
	for fp, c := range j.collected {
		alerts[fp] = c.alert
	}
	return alerts
}

// forget removes collected alerts from the state, unless they have come back.
func (j *alertJournal) forget(alerts map[model.Fingerprint]*alert.Alert) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for fp, a := range alerts {
		if c, ok := j.collected[fp]; ok && c.alert == a {
			delete(j.collected, fp)
			j.state.Delete(state.Alerts, fp.String())
		}
	}
}

// sweepAlerts removes from the state what the provider has dropped, once the end of
// it is told: then no group has it any more. What is older than Options.Retention
// would not be restored.
func (e *engine) sweepAlerts(ctx context.Context, now time.Time) {
	done := e.alertJournal.collectedAlerts()
	if len(done) == 0 {
		return
	}
	kept := func(a *alert.Alert) bool { return now.Sub(a.EndsAt) <= e.opts.Retention }
	groups, _, err := e.alertGroups(ctx, everyRoute, func(a *alert.Alert, _ time.Time) bool { return done[a.Fingerprint()] != nil })
	if err != nil { // nobody can have been told anything
		maps.DeleteFunc(done, func(_ model.Fingerprint, a *alert.Alert) bool { return kept(a) })
	}
	for _, group := range groups {
		for _, a := range group.Alerts {
			if kept(a) {
				delete(done, a.Fingerprint())
			}
		}
	}
	e.alertJournal.forget(done)
}

// noteEnds writes of alerts whose end has passed that it has.
func (j *alertJournal) noteEnds(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.soonest.IsZero() || now.Before(j.soonest) {
		return
	}
	j.soonest = time.Time{}
	for fp, k := range j.known {
		switch {
		case k.ended:
		case k.alert.ResolvedAt(now):
			j.writeLocked(fp, k, true)
		case j.soonest.IsZero() || k.alert.EndsAt.Before(j.soonest):
			j.soonest = k.alert.EndsAt
		}
	}
}

// origin is where an alert comes from that is in the provider, or was and has
// resolved since: its end may have to be told yet.
func (j *alertJournal) origin(fp model.Fingerprint) origin {
	j.mu.Lock()
	defer j.mu.Unlock()
	if k, ok := j.known[fp]; ok {
		return k.origin
	}
	return j.collected[fp].origin
}

// fingerprints are those of all alerts in the provider.
func (j *alertJournal) fingerprints() model.Fingerprints {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make(model.Fingerprints, 0, len(j.known))
	for fp := range j.known {
		all = append(all, fp)
	}
	return all
}

// alerts are all alerts in the provider, without its lock.
func (j *alertJournal) alerts() []*alert.Alert {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make([]*alert.Alert, 0, len(j.known))
	for _, k := range j.known {
		all = append(all, k.alert)
	}
	return all
}
