package siteconfig

import (
	"slices"
	"strings"
	"time"

	"github.com/sourcegraph/srcprom/pkg/client"
)

const (
	// silencesOwner marks the silences that are kept here. The sourcegraph/prometheus
	// image did the same, so that its silences are taken over.
	silencesOwner  = "src-prom-wrapper"
	silenceComment = "Applied via `observability.silenceAlerts` in the Sourcegraph site configuration"
	// silenceTerm is how long a silence lasts. One that has less than silenceRenewal left
	// is made to last as long again.
	silenceTerm    = 3650 * 24 * time.Hour
	silenceRenewal = 30 * 24 * time.Hour
)

// silencePlan is what is to be done so that what is silenced is what is wanted.
type silencePlan struct {
	set    []client.Silence // those that have an ID last longer then
	expire []client.Silence
}

// planSilences compares the entries that are wanted with the silences that there are.
// Only those are touched that are ours and active. Of several that do the same one
// stays, which is the same one for all who look.
func planSilences(wanted []string, have []client.Silence, now time.Time) (plan silencePlan) {
	found := map[string]client.Silence{}
	for _, s := range have {
		if s.CreatedBy != silencesOwner || s.StartsAt.After(now) || !s.EndsAt.After(now) {
			continue
		}
		entry, ok := entryOf(s)
		if !ok || !slices.Contains(wanted, entry) {
			plan.expire = append(plan.expire, s)
			continue
		}
		other, there := found[entry]
		switch {
		case !there:
			found[entry] = s
		case staysBefore(s, other):
			plan.expire = append(plan.expire, other)
			found[entry] = s
		default:
			plan.expire = append(plan.expire, s)
		}
	}
	for _, entry := range wanted {
		s, there := found[entry]
		switch {
		case !there:
			plan.set = append(plan.set, silenceOf(entry, now))
		case s.EndsAt.Before(now.Add(silenceRenewal)):
			s.EndsAt = now.Add(silenceTerm)
			plan.set = append(plan.set, s)
		}
	}
	return plan
}

// staysBefore chooses between two silences of the same entry.
func staysBefore(a, b client.Silence) bool {
	if !a.EndsAt.Equal(b.EndsAt) {
		return a.EndsAt.After(b.EndsAt)
	}
	return strings.Compare(a.ID, b.ID) < 0
}

// silenceOf is the silence of an entry, to be made.
func silenceOf(entry string, now time.Time) client.Silence {
	return client.Silence{
		Matchers:  []client.Matcher{{Name: "alertname", Value: silenceRegexp(entry), IsRegex: true, IsEqual: true}},
		EndsAt:    now.Add(silenceTerm),
		CreatedBy: silencesOwner,
		Comment:   silenceComment,
	}
}

// entryOf is the entry that a silence is for. ok is false for one that does something
// else, such as one that somebody has changed.
func entryOf(s client.Silence) (entry string, ok bool) {
	if len(s.Matchers) != 1 {
		return "", false
	}
	m := s.Matchers[0]
	entry, begins := strings.CutPrefix(m.Value, "^(")
	entry, ends := strings.CutSuffix(entry, ")$")
	return entry, begins && ends && m.Name == "alertname" && m.IsRegex && m.IsEqual
}
