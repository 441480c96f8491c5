package alerting

import (
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/common/model"
)

// notificationLog is what the stage wants to know of what has been sent.
type notificationLog interface {
	Query(params ...nflog.QueryParam) ([]*nflogpb.Entry, error)
}

// entries are what the notification log has about a group, for each integration of
// its receiver that was ever sent anything.
func (s *stage) entries(live *delivery, f flush) []*nflogpb.Entry {
	if live == nil || live.blueprint == nil {
		return nil
	}
	var all []*nflogpb.Entry
	integrations := live.receivers[f.receiver].integrations
	for i := range integrations {
		at := integrationID{f.receiver, integrations[i].String()}
		if entry := entryOf(s.notified, at.inLog(), f.group); entry != nil {
			all = append(all, entry)
		}
	}
	if s.doubted != nil {
		all = append(all, s.doubted(f.receiver, f.group)...)
	}
	return all
}

// withoutSettled leaves out the resolved alerts of which nothing is owed to any
// integration. A new dispatcher, or a new process, gets them anew from the
// provider, which keeps them for up to Options.AlertGCInterval, and upstream tells
// of them again whenever another alert of the group was told of in between.
//
// Owed is what an integration was last told to be firing. So is what has begun and
// ended since the last flush that succeeded, or else since the last entry of the
// log, if it belongs to the group: it does not when it has only come to it by new
// routes.
func (f flush) withoutSettled(alerts []*alert.Alert, entries []*nflogpb.Entry, succeeded time.Time) []*alert.Alert {
	if !hasResolved(alerts) {
		return alerts
	}
	told := map[uint64]bool{}
	var last time.Time
	for _, entry := range entries {
		for _, hash := range entry.FiringAlerts {
			told[hash] = true
		}
		last = latest(last, entry.Timestamp.AsTime())
	}
	if !succeeded.IsZero() {
		last = succeeded
	}
	left := make([]*alert.Alert, 0, len(alerts))
	for _, a := range alerts {
		if !a.Resolved() || told[hashAlert(a)] || a.EndsAt.After(last) && f.before.had(f, a) {
			left = append(left, a)
		}
	}
	return left
}

// lastNotified is when the log last saw a notification of a group that was not its
// end; zero if there was none.
func lastNotified(entries []*nflogpb.Entry) time.Time {
	var last time.Time
	for _, entry := range entries {
		if len(entry.FiringAlerts) > 0 {
			last = latest(last, entry.Timestamp.AsTime())
		}
	}
	return last
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func resolvedOf(alerts []*alert.Alert) []*alert.Alert {
	var resolved []*alert.Alert
	for _, a := range alerts {
		if a.Resolved() {
			resolved = append(resolved, a)
		}
	}
	return resolved
}

func hasResolved(alerts []*alert.Alert) bool {
	return slices.ContainsFunc(alerts, (*alert.Alert).Resolved)
}

func allResolved(alerts []*alert.Alert) bool {
	return !slices.ContainsFunc(alerts, func(a *alert.Alert) bool { return !a.Resolved() })
}

// hashAlert is what stands for an alert in the notification log. See hashAlert in
// notify/notify.go of Alertmanager, which TestHashAlert_IsUpstreams guards.
func hashAlert(a *alert.Alert) uint64 {
	const sep = '\xff'
	names := make(model.LabelNames, 0, len(a.Labels))
	for name := range a.Labels {
		names = append(names, name)
	}
	slices.Sort(names)
	var text []byte
	for _, name := range names {
		text = append(text, name...)
		text = append(text, sep)
		text = append(text, a.Labels[name]...)
		text = append(text, sep)
	}
	return xxhash.Sum64(text)
}
