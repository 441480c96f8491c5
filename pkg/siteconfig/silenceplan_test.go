package siteconfig

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// ownedSilence is one as the sourcegraph/prometheus image makes it, and as it is made
// here.
func ownedSilence(id, entry string, start, end time.Time) client.Silence {
	return client.Silence{
		ID:        id,
		Matchers:  []client.Matcher{{Name: "alertname", Value: "^(" + entry + ")$", IsRegex: true, IsEqual: true}},
		StartsAt:  start,
		EndsAt:    end,
		CreatedBy: "src-prom-wrapper",
		Comment:   "whatever it says",
	}
}

func idsOf(silences []client.Silence) []string {
	ids := []string{}
	for _, s := range silences {
		ids = append(ids, s.ID)
	}
	return ids
}

func TestPlanSilences_MakesWhatIsMissing(t *testing.T) {
	now := time.Now()
	plan := planSilences([]string{"critical_.*", "warning_a"}, nil, now)
	require.Empty(t, plan.expire)
	require.Len(t, plan.set, 2)
	require.Equal(t, client.Silence{
		Matchers:  []client.Matcher{{Name: "alertname", Value: "^(critical_.*)$", IsRegex: true, IsEqual: true}},
		EndsAt:    now.Add(3650 * 24 * time.Hour),
		CreatedBy: "src-prom-wrapper",
		Comment:   silenceComment,
	}, plan.set[0])
	require.Contains(t, silenceComment, "observability.silenceAlerts")
}

func TestPlanSilences_TouchesOnlyWhatIsOursAndActive(t *testing.T) {
	now := time.Now()
	ago, far := now.Add(-time.Hour), now.Add(3000*24*time.Hour)
	edited := func(edit func(*client.Silence)) client.Silence {
		s := ownedSilence("s", "a", ago, far)
		edit(&s)
		return s
	}
	const stays, made, ended = "stays", "made", "ended"
	for name, tc := range map[string]struct {
		silence client.Silence
		wanted  []string // "a" where nil
		want    []string
	}{
		"equal":                {silence: ownedSilence("s", "a", ago, far), want: []string{stays}},
		"begins now":           {silence: ownedSilence("s", "a", now, far), want: []string{stays}},
		"not wanted":           {silence: ownedSilence("s", "b", ago, far), want: []string{made, ended}},
		"nothing is wanted":    {silence: ownedSilence("s", "a", ago, far), wanted: []string{}, want: []string{ended}},
		"of somebody else":     {silence: edited(func(s *client.Silence) { s.CreatedBy = "admin" }), want: []string{made}},
		"of nobody":            {silence: edited(func(s *client.Silence) { s.CreatedBy = "" }), want: []string{made}},
		"pending":              {silence: ownedSilence("s", "a", now.Add(time.Hour), far), want: []string{made}},
		"pending, not wanted":  {silence: ownedSilence("s", "b", now.Add(time.Hour), far), wanted: []string{}, want: []string{}},
		"expired":              {silence: ownedSilence("s", "a", ago, now), want: []string{made}},
		"expired, not wanted":  {silence: ownedSilence("s", "b", ago, now), wanted: []string{}, want: []string{}},
		"changed: one more":    {silence: edited(func(s *client.Silence) { s.Matchers = append(s.Matchers, client.Matcher{Name: "b", Value: "c"}) }), want: []string{made, ended}},
		"changed: no regexp":   {silence: edited(func(s *client.Silence) { s.Matchers[0].IsRegex = false }), want: []string{made, ended}},
		"changed: the inverse": {silence: edited(func(s *client.Silence) { s.Matchers[0].IsEqual = false }), want: []string{made, ended}},
		"changed: the label":   {silence: edited(func(s *client.Silence) { s.Matchers[0].Name = "name" }), want: []string{made, ended}},
		"changed: not framed":  {silence: edited(func(s *client.Silence) { s.Matchers[0].Value = "a" }), want: []string{made, ended}},
	} {
		wanted := tc.wanted
		if wanted == nil {
			wanted = []string{"a"}
		}
		plan := planSilences(wanted, []client.Silence{tc.silence}, now)
		have := []string{}
		for range plan.set {
			have = append(have, made)
		}
		for range plan.expire {
			have = append(have, ended)
		}
		if len(have) == 0 && len(tc.want) == 1 {
			have = []string{stays}
		}
		require.Equal(t, tc.want, have, name)
	}
}

// Peers that plan at the same time must not end each other's.
func TestPlanSilences_OneOfTheSameStays(t *testing.T) {
	now := time.Now()
	ago, far := now.Add(-time.Hour), now.Add(3000*24*time.Hour)
	a, b, c := ownedSilence("a", "x", ago, far), ownedSilence("b", "x", now.Add(-2*time.Hour), far), ownedSilence("c", "x", ago, far.Add(time.Second))
	for _, have := range [][]client.Silence{{a, b, c}, {c, b, a}, {b, c, a}} {
		plan := planSilences([]string{"x"}, have, now)
		require.Empty(t, plan.set)
		require.ElementsMatch(t, []string{"a", "b"}, idsOf(plan.expire), "the one that ends last stays")
	}
	for _, have := range [][]client.Silence{{a, b}, {b, a}} {
		require.Equal(t, []string{"b"}, idsOf(planSilences([]string{"x"}, have, now).expire))
	}
}

func TestPlanSilences_OneThatEndsSoonLastsLonger(t *testing.T) {
	now := time.Now()
	soon := ownedSilence("s", "a", now.Add(-time.Hour), now.Add(29*24*time.Hour))
	plan := planSilences([]string{"a"}, []client.Silence{soon, ownedSilence("t", "b", now.Add(-time.Hour), now.Add(time.Hour))}, now)
	require.Equal(t, []string{"t"}, idsOf(plan.expire), "what is not wanted is not kept up")
	longer := soon
	longer.EndsAt = now.Add(silenceTerm)
	require.Equal(t, []client.Silence{longer}, plan.set)
	later := ownedSilence("s", "a", now.Add(-time.Hour), now.Add(31*24*time.Hour))
	require.Equal(t, silencePlan{}, planSilences([]string{"a"}, []client.Silence{later}, now))
}
