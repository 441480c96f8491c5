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
func (c *chronicle) add(d *decision) {
	if len(d.Alerts) == 0 {
		return
	}
	packed, err := c.packer.pack(d)
	if err != nil {
		c.log.Error("Decision not recorded in the history", "receiver", d.Receiver, "group_key", d.GroupKey, "err", err)
		return
	}
	c.state.AddHistory(packed)
}

// begin is a decision with what the flush says.
func (c *chronicle) begin(ctx context.Context, outcome client.Outcome, integration string) *decision {
	d := &decision{Outcome: outcome, Integration: integration}
	d.Receiver, _ = notify.ReceiverName(ctx)
	d.GroupKey, _ = notify.GroupKey(ctx)
	d.Route, _ = notify.RouteID(ctx)
	return d
}

func (c *chronicle) decided(a *alert.Alert) decidedAlert {
	if c.origin == nil {
		return newDecidedAlert(a, "", nil)
	}
	source, value := c.origin(a.Fingerprint())
	return newDecidedAlert(a, source, value)
}

// stationOf is where it was made, for one of its alerts.
func (d *decision) stationOf(a *alert.Alert) station {
	return station{receiver: d.Receiver, integration: d.Integration, route: d.Route, group: d.GroupKey, alert: a.Fingerprint()}
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
		d := c.begin(ctx, outcome, "")
		for _, a := range without(in, out) {
			stopped := by(marks.Status(a.Fingerprint()))
			if c.memory.changed(d.stationOf(a), newCause(outcome, a.Resolved(), stopped...)) {
				decided := c.decided(a)
				decided.By = stopped
				d.Alerts = append(d.Alerts, decided)
			}
		}
		c.add(d)
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
		d := c.begin(ctx, client.OutcomeMuted, "")
		d.MutedBy, _ = c.groups.Muted(d.Route, d.GroupKey)
		for _, a := range in {
			if c.memory.changed(d.stationOf(a), newCause(d.Outcome, a.Resolved(), d.MutedBy...)) {
				d.Alerts = append(d.Alerts, c.decided(a))
			}
		}
		c.add(d)
	})
}

// emerging stands behind all stages that are common to the integrations. What was
// stopped before and now comes through begins anew, and each integration is told
// of that.
func (c *chronicle) emerging(integrations []notify.Integration, emerged func(station, *alert.Alert)) notify.Stage {
	return notify.StageFunc(func(ctx context.Context, _ *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
		d := c.begin(ctx, "", "")
		for _, a := range alerts {
			s := d.stationOf(a)
			if !c.memory.forget(s) {
				continue
			}
			for i := range integrations {
				s.integration = integrations[i].String()
				c.memory.forget(s)
				emerged(s, a)
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
		d := c.begin(ctx, client.OutcomeDeduplicated, integration.String())
		firing, _ := notify.FiringAlerts(ctx)
		switch {
		case len(firing) > 0:
			d.Reason = reasonNotElapsed
		case known(d.GroupKey):
			d.Reason = reasonAlreadyResolved
		default:
			d.Reason = reasonNeverNotified
		}
		c.unsent(d, integration, in)
	})
}

// unsent records alerts that an integration had no reason to send. A resolved
// alert that it would never send has a reason of its own.
func (c *chronicle) unsent(d *decision, integration *notify.Integration, alerts []*alert.Alert) {
	unwanted := *d
	unwanted.Reason = reasonNotWanted
	for _, a := range alerts {
		to := d
		if a.Resolved() && !integration.SendResolved() {
			to = &unwanted
		}
		if c.memory.changed(d.stationOf(a), newCause(d.Outcome, a.Resolved(), to.Reason)) {
			to.Alerts = append(to.Alerts, c.decided(a))
		}
	}
	c.add(d)
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
