package alerting

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

const (
	// lookInterval is the time between two looks at restored alerts.
	lookInterval = time.Second
	// leastValidity is what a restored alert that stays has left at least.
	leastValidity = 30 * time.Second
)

// reconciler decides what becomes of restored alerts that may have ended while
// the server was down. It runs between the deliveries of the hand-off, in the same
// goroutine: so what a rule has said before it is asked how the alert stands, has
// been delivered, or taken the place of what was said earlier.
type reconciler struct {
	log      *slog.Logger
	standing func(labels.Labels) Standing // nil: nobody knows how alerts of rules stand
	settings func() *intakeSettings
	// configured tells whether anything can be decided yet.
	configured func() bool
	alerts     *alertStore
	metrics    *durableMetrics
	due        chan struct{} // holds one element when something may have changed

	open map[model.Fingerprint]*openAlert
}

// openAlert is a restored alert that is not decided yet.
type openAlert struct {
	source     source
	ruleLabels labels.Labels
	validity   time.Duration
	claimed    bool // the last that its rule has said is that it fires
}

// verdict is what becomes of a restored alert.
type verdict int

const (
	stays    verdict = iota // until it can be decided
	resolves                // now
	letGo                   // to who sends it
	expires                 // unless somebody sends it within its validity
)

func (r *reconciler) add(a *alert.Alert, from alertRecord) {
	r.open[a.Fingerprint()] = &openAlert{
		source:     from.Source,
		ruleLabels: from.origin().RuleLabels,
		validity:   from.validity(),
	}
}

// nudge asks for a look soon.
func (r *reconciler) nudge() {
	select {
	case r.due <- struct{}{}:
	default:
	}
}

// look decides what can be decided, and keeps the others from ending.
func (r *reconciler) look(now time.Time) {
	var changed []*alert.Alert
	for fp, o := range r.open {
		current, err := r.alerts.Get(fp)
		if err != nil || current.ResolvedAt(now) && !current.Timeout || r.alerts.journal.origin(fp).Source != o.source {
			delete(r.open, fp) // somebody else has taken it over
			continue
		}
		next := *current
		next.UpdatedAt = now
		switch r.judge(fp, o) {
		case stays:
			if current.EndsAt.Sub(now) > leastValidity {
				continue
			}
			next.EndsAt, next.Timeout = now.Add(restoreGrace), true
		case resolves:
			delete(r.open, fp)
			next.EndsAt, next.Timeout = now, false
			r.log.Info("Alert resolved, as its rule no longer returns it", "alert", current.Name(), "fingerprint", fp)
		case expires:
			delete(r.open, fp)
			next.EndsAt, next.Timeout = now.Add(o.validity), true
		case letGo:
			delete(r.open, fp)
			continue
		}
		changed = append(changed, &next)
	}
	for len(changed) > 0 {
		n := min(len(changed), handoffBatch)
		_ = r.alerts.putFrom(context.Background(), knownOrigin, changed[:n]...) // it has no error of its own
		changed = changed[n:]
	}
	r.metrics.undecided.Set(float64(len(r.open)))
}

func (r *reconciler) judge(fp model.Fingerprint, o *openAlert) verdict {
	if !r.configured() {
		return stays
	}
	if o.source != sourceRule || r.standing == nil {
		return expires
	}
	if lset, keep := r.settings().relabelled(o.ruleLabels); !keep || labelSet(lset).Fingerprint() != fp {
		return resolves // its rule now makes another alert, or none
	}
	switch r.standing(o.ruleLabels) {
	case StandingActive:
		if o.claimed {
			return letGo
		}
		return stays
	case StandingInactive, StandingGone:
		if o.claimed {
			return letGo // the rule itself says that it has ended
		}
		return resolves
	default:
		return stays
	}
}

// holdsBack tells whether an alert that a rule sends must not be delivered: a
// restored one that is said to have ended before that can be known, for lack of
// data.
func (r *reconciler) holdsBack(a *alert.Alert, now time.Time) bool {
	fp := a.Fingerprint()
	o, ok := r.open[fp]
	if !ok {
		return false
	}
	o.claimed = !a.ResolvedAt(now)
	if o.claimed || r.standing == nil {
		return false
	}
	switch r.standing(o.ruleLabels) {
	case StandingInactive, StandingGone:
		delete(r.open, fp)
		return false
	default:
		return true
	}
}

// takeIn delivers what is handed over, and decides about restored alerts, until
// ctx is done; then it delivers what still waits.
func (e *engine) takeIn(ctx context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	e.queue.runWith(ctx, ticker.C, e.reconciler.due, func() {
		now := time.Now()
		e.reconciler.look(now)
		e.alertJournal.noteEnds(now)
		if e.lookAgain.Swap(false) {
			e.silencer.PostGC(e.alertJournal.fingerprints())
		}
	})
}
