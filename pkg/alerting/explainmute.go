package alerting

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/common/model"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// inhibitor is an inhibition rule, and the alerts that can inhibit by it.
type inhibitor struct {
	*inhibit.InhibitRule
	sources []*alert.Alert
	loaded  bool
}

// inhibitedBy are the alerts that fire now and inhibit one with the given labels,
// for each of them the first rule by which it does. It follows
// inhibit.Inhibitor.Mutes, which stops at the first alert and tells no rule.
func (x *Explainer) inhibitedBy(lset model.LabelSet) []client.ExplainedInhibition {
	var by []client.ExplainedInhibition
	seen := map[model.Fingerprint]bool{}
	for i := range x.inhibitors {
		rule := &x.inhibitors[i]
		if !rule.TargetMatchers.Matches(lset) {
			continue
		}
		twoSided := rule.SourceMatchers.Matches(lset)
		for _, source := range rule.load(x.firing) {
			fp := source.Fingerprint()
			if seen[fp] || !rule.equal(source.Labels, lset) || twoSided && rule.TargetMatchers.Matches(source.Labels) {
				continue
			}
			seen[fp] = true
			by = append(by, client.ExplainedInhibition{Fingerprint: fp.String(), Labels: plainLabels(source.Labels), Rule: rule.String()})
		}
	}
	slices.SortFunc(by, func(a, b client.ExplainedInhibition) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	return by
}

func (r *inhibitor) load(firing []*alert.Alert) []*alert.Alert {
	if r.loaded {
		return r.sources
	}
	r.loaded = true
	for _, a := range firing {
		if r.SourceMatchers.Matches(a.Labels) {
			r.sources = append(r.sources, a)
		}
	}
	return r.sources
}

func (r *inhibitor) equal(a, b model.LabelSet) bool {
	for name := range r.Equal {
		if a[name] != b[name] {
			return false
		}
	}
	return true
}

// String is the name of the rule, or what it says.
func (r *inhibitor) String() string {
	if r.Name != "" {
		return r.Name
	}
	text := fmt.Sprintf("%s inhibits %s", r.SourceMatchers, r.TargetMatchers)
	if len(r.Equal) == 0 {
		return text
	}
	names := make([]string, 0, len(r.Equal))
	for name := range r.Equal {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return text + " where equal in " + strings.Join(names, ", ")
}

// mute is what the time intervals of a route do at the time that was asked for.
type mute struct {
	by, outsideOf []string
	until         *time.Time
}

func (m mute) mutes() bool { return len(m.by) > 0 || len(m.outsideOf) > 0 }

// muteHorizon is how far ahead the end of a mute is looked for.
const muteHorizon = 31 * 24 * time.Hour

func (x *Explainer) muted(opts dispatch.RouteOpts) (mute, error) {
	if len(opts.MuteTimeIntervals) == 0 && len(opts.ActiveTimeIntervals) == 0 {
		return mute{}, nil
	}
	key := fmt.Sprintf("%q %q", opts.MuteTimeIntervals, opts.ActiveTimeIntervals)
	if known, ok := x.mutes[key]; ok {
		return known, nil
	}
	m, err := x.mutedAt(opts, x.at)
	if err != nil {
		return m, err
	}
	// Time intervals begin and end with a minute.
	for t := x.at.Truncate(time.Minute); m.mutes() && t.Sub(x.at) < muteHorizon; {
		t = t.Add(time.Minute)
		then, err := x.mutedAt(opts, t)
		if err != nil {
			return m, err
		}
		if !then.mutes() {
			m.until = &t
			break
		}
	}
	x.mutes[key] = m
	return m, nil
}

// mutedAt follows notify.TimeMuteStage and notify.TimeActiveStage.
func (x *Explainer) mutedAt(opts dispatch.RouteOpts, at time.Time) (mute, error) {
	var m mute
	_, by, err := x.live.intervals.Mutes(opts.MuteTimeIntervals, at)
	if err != nil {
		return m, fmt.Errorf("look at mute time intervals: %w", err)
	}
	m.by = slices.Compact(by)
	active, _, err := x.live.intervals.Mutes(opts.ActiveTimeIntervals, at)
	if err != nil {
		return m, fmt.Errorf("look at active time intervals: %w", err)
	}
	if len(opts.ActiveTimeIntervals) > 0 && !active {
		m.outsideOf = opts.ActiveTimeIntervals
	}
	return m, nil
}
