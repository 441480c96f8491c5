package alerting

import (
	"context"
	"log/slog"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// chronicle records what becomes of alerts on their way to their receivers. It
// never blocks: the history is written by and by.
type chronicle struct {
	log    *slog.Logger
	state  *state.State
	groups marker.GroupMarker
	// origin tells who made an alert, and what its rule had last evaluated to; nil
	// where nobody knows.
	origin func(model.Fingerprint) (source string, value *float64)
	memory *memory
	packer packer
}

// add records a decision.
func (c *chronicle) add(r *record) {
	if len(r.Alerts) == 0 {
		return
	}
	packed, err := c.packer.pack(r)
	if err != nil {
		c.log.Error("Decision not recorded in the history", "receiver", r.Receiver, "group_key", r.GroupKey, "err", err)
		return
	}
	c.state.AddHistory(packed)
}

// begin is a record with what the flush says.
func (c *chronicle) begin(ctx context.Context, outcome client.Outcome, integration string) *record {
	r := &record{Outcome: outcome, Integration: integration}
	r.Receiver, _ = notify.ReceiverName(ctx)
	r.GroupKey, _ = notify.GroupKey(ctx)
	r.Route, _ = notify.RouteID(ctx)
	return r
}

func (c *chronicle) recorded(a *alert.Alert) recordedAlert {
	if c.origin == nil {
		return newRecordedAlert(a, "", nil)
	}
	source, value := c.origin(a.Fingerprint())
	return newRecordedAlert(a, source, value)
}

// stationOf is where the record was made, for one of its alerts.
func (r *record) stationOf(a *alert.Alert) station {
	return station{receiver: r.Receiver, integration: r.Integration, route: r.Route, group: r.GroupKey, alert: a.Fingerprint()}
}

// tapped runs a stage and shows what went in and what came out. What it returns is
// the context that the stage has made.
func tapped(inner notify.Stage, look func(ctx context.Context, in, out []*alert.Alert)) notify.Stage {
	return notify.StageFunc(func(ctx context.Context, l *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
		next, out, err := inner.Exec(ctx, l, alerts...)
		if err == nil {
			look(next, alerts, out)
		}
		return next, out, err
	})
}

// suppressing taps a stage that lets pass what is not silenced, or not inhibited.
func (c *chronicle) suppressing(stage notify.Stage, outcome client.Outcome, by func(alert.AlertStatus) []string) notify.Stage {
	return tapped(stage, func(ctx context.Context, in, out []*alert.Alert) {
		marks, ok := marker.FromContext(ctx)
		if !ok || len(in) == len(out) {
			return
		}
		r := c.begin(ctx, outcome, "")
		for _, a := range without(in, out) {
			stopped := by(marks.Status(a.Fingerprint()))
			if c.memory.changed(r.stationOf(a), newCause(outcome, a.Resolved(), stopped...)) {
				recorded := c.recorded(a)
				recorded.By = stopped
				r.Alerts = append(r.Alerts, recorded)
			}
		}
		c.add(r)
	})
}

func silencedBy(s alert.AlertStatus) []string  { return s.SilencedBy }
func inhibitedBy(s alert.AlertStatus) []string { return s.InhibitedBy }

// without are the alerts that a stage has kept back. Stages keep the order.
func without(in, out []*alert.Alert) []*alert.Alert {
	kept := make([]*alert.Alert, 0, len(in)-len(out))
	for _, a := range in {
		if len(out) > 0 && out[0] == a {
			out = out[1:]
			continue
		}
		kept = append(kept, a)
	}
	return kept
}

// muting taps a stage that lets a flush pass, or not, by the time of the day.
func (c *chronicle) muting(stage notify.Stage) notify.Stage {
	return tapped(stage, func(ctx context.Context, in, out []*alert.Alert) {
		if len(out) > 0 {
			return
		}
		r := c.begin(ctx, client.OutcomeMuted, "")
		r.MutedBy, _ = c.groups.Muted(r.Route, r.GroupKey)
		for _, a := range in {
			if c.memory.changed(r.stationOf(a), newCause(r.Outcome, a.Resolved(), r.MutedBy...)) {
				r.Alerts = append(r.Alerts, c.recorded(a))
			}
		}
		c.add(r)
	})
}

// emerging stands behind all stages that are common to the integrations. What was
// stopped before and now comes through begins anew.
func (c *chronicle) emerging(integrations []notify.Integration) notify.Stage {
	return notify.StageFunc(func(ctx context.Context, _ *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
		r := c.begin(ctx, "", "")
		for _, a := range alerts {
			s := r.stationOf(a)
			if !c.memory.forget(s) {
				continue
			}
			for i := range integrations {
				s.integration = integrations[i].String()
				c.memory.forget(s)
			}
		}
		return ctx, alerts, nil
	})
}

// Why nothing was sent, beside upstream's reasons why something was.
const (
	reasonNotElapsed      = "repeat interval not elapsed"
	reasonNeverNotified   = "resolved before it was notified"
	reasonAlreadyResolved = "already notified as resolved"
	reasonNotWanted       = "resolved notifications are not wanted"
)

// deduplicating taps the stage that asks the notification log whether there is
// anything new to say.
func (c *chronicle) deduplicating(stage notify.Stage, integration *notify.Integration, known func(group string) bool) notify.Stage {
	return tapped(stage, func(ctx context.Context, in, out []*alert.Alert) {
		if len(out) > 0 {
			return
		}
		r := c.begin(ctx, client.OutcomeDeduplicated, integration.String())
		firing, _ := notify.FiringAlerts(ctx)
		switch {
		case len(firing) > 0:
			r.Reason = reasonNotElapsed
		case known(r.GroupKey):
			r.Reason = reasonAlreadyResolved
		default:
			r.Reason = reasonNeverNotified
		}
		c.unsent(r, integration, in)
	})
}

// unsent records alerts that an integration had no reason to send. A resolved
// alert that it would never send has a reason of its own.
func (c *chronicle) unsent(r *record, integration *notify.Integration, alerts []*alert.Alert) {
	unwanted := *r
	unwanted.Reason = reasonNotWanted
	for _, a := range alerts {
		to := r
		if a.Resolved() && !integration.SendResolved() {
			to = &unwanted
		}
		if c.memory.changed(r.stationOf(a), newCause(r.Outcome, a.Resolved(), to.Reason)) {
			to.Alerts = append(to.Alerts, c.recorded(a))
		}
	}
	c.add(r)
	c.add(&unwanted)
}

// notified is told of each alert that was sent: what stops it from now on is new,
// but for the same repeat interval.
func (c *chronicle) notified(s station, resolved bool) {
	if resolved {
		c.memory.forget(s)
		return
	}
	c.memory.forgetUnless(s, newCause(client.OutcomeDeduplicated, false, reasonNotElapsed))
}
