package alerting

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

func (h *harness) explainer(matchers string, at time.Time) *Explainer {
	h.t.Helper()
	selector, err := ParseSelector(matchers)
	require.NoError(h.t, err)
	x, err := h.Explainer(h.t.Context(), selector, at)
	require.NoError(h.t, err)
	return x
}

func (h *harness) explain(matchers string) []client.Explanation {
	h.t.Helper()
	explanations, err := h.explainer(matchers, time.Time{}).Alerts()
	require.NoError(h.t, err)
	return explanations
}

// explained waits until the only alert that satisfies the matchers is as wanted.
func (h *harness) explained(matchers, what string, ok func(client.Explanation) bool) client.Explanation {
	h.t.Helper()
	var found client.Explanation
	require.Eventually(h.t, func() bool {
		explanations := h.explain(matchers)
		if len(explanations) != 1 {
			return false
		}
		found = explanations[0]
		return ok(found)
	}, patience, tick, "%s: %s", matchers, what)
	return found
}

func (h *harness) explainIf(at time.Time, pairs ...string) client.Explanation {
	h.t.Helper()
	lset := labels.FromStrings(pairs...)
	e, err := h.explainer(fmt.Sprintf("{alertname=%q}", lset.Get("alertname")), at).If(lset, time.Time{})
	require.NoError(h.t, err)
	return e
}

func notified(e client.Explanation) bool {
	return len(e.Routes) > 0 && len(e.Routes[0].Integrations) > 0 &&
		e.Routes[0].Integrations[0].Notified && e.Routes[0].Integrations[0].Last != nil
}

func grouped(e client.Explanation) bool { return len(e.Routes) > 0 && e.Routes[0].Next != nil }

func (h *harness) silenceFor(name, comment string, from, to time.Time) string {
	h.t.Helper()
	return h.silence(silenceFrom(from, "", name, comment, to))
}

func TestExplain_NotifiedSaysWhoGotItAndWhenItRepeats(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	h.Send(firing("Disk", "instance", "a"))
	e := h.explained(`{alertname="Disk"}`, "never notified", notified)
	require.Equal(t, "firing", e.State)
	require.Equal(t, map[string]string{"alertname": "Disk", "instance": "a"}, e.Labels)
	require.Equal(t, "client", e.Source)
	require.False(t, e.Hypothetical)
	require.NotNil(t, e.StartsAt)
	require.True(t, e.EndsAt.After(time.Now()), "unless it is posted again")

	route := e.Routes[0]
	require.Equal(t, "{}", route.Route)
	require.Equal(t, "team", route.Receiver)
	require.Equal(t, `{}:{alertname="Disk"}`, route.GroupKey)
	require.Equal(t, map[string]string{"alertname": "Disk"}, route.GroupLabels)
	require.Equal(t, "10ms", route.GroupWait)
	require.Equal(t, "1h", route.RepeatInterval)
	require.True(t, route.Next.After(time.Now().Add(-time.Second)))
	require.Contains(t, route.NextReason, "nothing is sent: it has been notified")

	webhook := route.Integrations[0]
	require.Equal(t, "webhook[0]", webhook.Integration)
	require.Equal(t, "firing", webhook.NotifiedAs)
	require.Equal(t, client.OutcomeDelivered, webhook.Last.Outcome)
	require.Equal(t, 1, webhook.Last.Attempt)
	require.True(t, webhook.RepeatsAt.After(webhook.LastNotified.Add(time.Hour)), "a look at the group when the repeat interval is just over comes too early")
	require.Less(t, webhook.RepeatsAt.Sub(*webhook.LastNotified), time.Hour+time.Second)
}

func TestExplain_FollowsTheDispatchersGroupsAndRoutes(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, routeYML("team",
		"routes:",
		`- {matchers: [team="a"], receiver: a, group_by: [alertname, zone], continue: true}`,
		`- {matchers: [zone=~"x|y"], receiver: b, group_by: ['...']}`,
	)+"receivers:\n"+webhookReceiver("team", hook.URL)+webhookReceiver("a", hook.URL)+webhookReceiver("b", hook.URL))
	h.Send(firing("Disk", "team", "a", "zone", "x", "instance", "1"))
	e := h.explained(`{alertname="Disk"}`, "not in both groups", func(e client.Explanation) bool {
		return len(e.Routes) == 2 && e.Routes[0].Next != nil && e.Routes[1].Next != nil
	})
	groups, _, err := h.engine.alertGroups(t.Context(), everyRoute, everyAlert)
	require.NoError(t, err)
	require.Len(t, groups, 2)
	for _, group := range groups {
		route := e.Routes[0]
		if group.Receiver == "b" {
			route = e.Routes[1]
		}
		require.Equal(t, group.Receiver, route.Receiver)
		require.Equal(t, group.RouteID, route.Route)
		require.Equal(t, group.GroupKey, route.GroupKey)
		require.Equal(t, plainLabels(group.Labels), route.GroupLabels)
	}
}

func TestExplain_WaitsForItsGroup(t *testing.T) {
	h := running(t, webhookYML("http://127.0.0.1:1/", "routes: [{matchers: [alertname=Disk], group_wait: 1h}]"))
	a := firing("Disk")
	a.StartsAt = time.Now()
	h.Send(a)
	e := h.explained(`{alertname="Disk"}`, "not in a group", grouped)
	require.WithinDuration(t, a.StartsAt.Add(time.Hour), *e.Routes[0].Next, time.Second)
	require.Nil(t, e.Routes[0].LastFlush)
	require.Equal(t, "it is sent to webhook[0]", e.Routes[0].NextReason)
}

func TestExplain_SilencedByWhomAndUntilWhen(t *testing.T) {
	h := running(t, webhookYML("http://127.0.0.1:1/"))
	now := time.Now()
	end := now.Add(time.Hour).Truncate(time.Second)
	longer := h.silenceFor("Disk", "maintenance", now, end)
	shorter := h.silenceFor("Disk", "until lunch", now, end.Add(-time.Minute))
	pending := h.silenceFor("Disk", "tomorrow", now.Add(24*time.Hour), now.Add(25*time.Hour))
	h.silenceFor("Other", "of another alert", now, end)
	h.Send(firing("Disk"))
	e := h.explained(`{alertname="Disk"}`, "never looked at", func(e client.Explanation) bool {
		return len(e.Routes[0].SilencedBy) == 2 && e.Routes[0].Last != nil && e.Routes[0].LastFlush != nil
	})
	require.Equal(t, client.ExplainedSilence{ID: longer, CreatedBy: "test", Comment: "maintenance", EndsAt: end.UTC()}, e.Routes[0].SilencedBy[0])
	require.Equal(t, shorter, e.Routes[0].SilencedBy[1].ID)
	require.Equal(t, client.OutcomeSilenced, e.Routes[0].Last.Outcome)
	require.Equal(t, "nothing is sent: it is silenced", e.Routes[0].NextReason)
	require.NotNil(t, e.Routes[0].Resumes)
	require.False(t, e.Routes[0].Resumes.Before(end))
	require.Less(t, e.Routes[0].Resumes.Sub(end), time.Second)
	require.Empty(t, h.explainIf(time.Time{}, "alertname", "Another").Routes[0].SilencedBy)

	tomorrow, err := h.explainer(`{alertname="Disk"}`, now.Add(24*time.Hour+time.Minute)).Alerts()
	require.NoError(t, err)
	require.Len(t, tomorrow[0].Routes[0].SilencedBy, 1)
	require.Equal(t, pending, tomorrow[0].Routes[0].SilencedBy[0].ID)
}

func TestExplain_SilencesMatchAsTheEngineMatchesThem(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	for _, matchers := range []string{
		`{"name":"team","value":"a","isRegex":false,"isEqual":true}`,
		`{"name":"team","value":"a|b","isRegex":true,"isEqual":true}`,
		`{"name":"zone","value":"x","isRegex":false,"isEqual":true},{"name":"team","value":"a","isRegex":false,"isEqual":false}`,
		`{"name":"zone","value":"x","isRegex":false,"isEqual":true},{"name":"team","value":"a|c","isRegex":true,"isEqual":false}`,
	} {
		h.silence(fmt.Sprintf(`{"matchers":[%s],"startsAt":%q,"endsAt":%q,"createdBy":"test","comment":%q}`, matchers,
			time.Now().Format(time.RFC3339Nano), time.Now().Add(time.Hour).Format(time.RFC3339Nano), matchers))
	}
	for _, team := range []string{"a", "b", "c", ""} {
		for _, zone := range []string{"x", ""} {
			lset := labels.FromStrings("alertname", "Disk", "team", team, "zone", zone)
			want, _, err := h.engine.silences.Query(t.Context(), silence.QMatches(labelSet(lset.WithoutEmpty())))
			require.NoError(t, err)
			var wantIDs, ids []string
			for _, s := range want {
				wantIDs = append(wantIDs, s.Id)
			}
			e, err := h.explainer(`{alertname="Disk"}`, time.Time{}).If(lset.WithoutEmpty(), time.Time{})
			require.NoError(t, err)
			for _, s := range e.Routes[0].SilencedBy {
				ids = append(ids, s.ID)
			}
			require.ElementsMatch(t, wantIDs, ids, "%s", lset)
		}
	}
}

const inhibitYML = `
inhibit_rules:
- {name: node down, source_matchers: [alertname=NodeDown], target_matchers: [alertname=Disk], equal: [instance]}
- {source_matchers: [alertname=~"ZoneDown|Disk"], target_matchers: [alertname=Disk], equal: [zone, region]}
`

func TestExplain_InhibitedByWhichAlertAndRule(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL)+inhibitYML)
	h.Send(
		firing("NodeDown", "instance", "a"), firing("NodeDown", "instance", "b"),
		resolved("NodeDown", "instance", "c"), firing("ZoneDown"),
	)
	h.explained(`{alertname="ZoneDown"}`, "never notified", notified)
	h.Send(
		firing("Disk", "instance", "a"), firing("Disk", "instance", "z"), firing("Disk", "instance", "c", "zone", "north"),
	)
	e := h.explained(`{alertname="Disk",instance="a"}`, "not inhibited", func(e client.Explanation) bool { return e.Routes[0].Last != nil })
	rules := map[string]string{}
	for _, by := range e.Routes[0].InhibitedBy {
		rules[by.Labels["alertname"]+by.Labels["instance"]] = by.Rule
	}
	require.Equal(t, map[string]string{
		"NodeDowna": "node down",
		"ZoneDown":  `{alertname=~"ZoneDown|Disk"} inhibits {alertname="Disk"} where equal in region, zone`,
	}, rules)
	require.Equal(t, client.OutcomeInhibited, e.Routes[0].Last.Outcome)
	require.Contains(t, []string{e.Routes[0].InhibitedBy[0].Fingerprint, e.Routes[0].InhibitedBy[1].Fingerprint}, e.Routes[0].Last.InhibitedBy[0])
	require.Equal(t, "nothing is sent: it is inhibited", e.Routes[0].NextReason)
	require.Nil(t, e.Routes[0].Resumes)
	require.Empty(t, h.explain(`{alertname="Disk",instance="c"}`)[0].Routes[0].InhibitedBy, "what has ended does not inhibit")
}

func TestExplain_MutedByIntervalsUntilWhen(t *testing.T) {
	h := running(t, routeYML("team",
		"routes:",
		`- {matchers: [alertname=Night], mute_time_intervals: [never, nights]}`,
		`- {matchers: [alertname=Office], active_time_intervals: [office]}`,
		`- {matchers: [alertname=Never], active_time_intervals: [never]}`,
	)+"receivers:\n"+webhookReceiver("team", "http://127.0.0.1:1/")+`
time_intervals:
- {name: never, time_intervals: [{years: ['1999']}]}
- {name: nights, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}, {times: [{start_time: '00:00', end_time: '06:00'}]}]}
- {name: office, time_intervals: [{weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '17:00'}]}]}
`)
	saturdayNight := time.Date(2026, 11, 21, 23, 10, 30, 0, time.UTC)
	night := h.explainIf(saturdayNight, "alertname", "Night").Routes[0]
	require.Equal(t, []string{"nights"}, night.MutedBy)
	require.Equal(t, time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC), *night.MutedUntil)
	require.Equal(t, "nothing is sent: it is muted by time intervals", night.NextReason)

	office := h.explainIf(saturdayNight, "alertname", "Office").Routes[0]
	require.Equal(t, []string{"office"}, office.OutsideOf)
	require.Equal(t, time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), *office.MutedUntil)

	never := h.explainIf(saturdayNight, "alertname", "Never").Routes[0]
	require.Equal(t, []string{"never"}, never.OutsideOf)
	require.Nil(t, never.MutedUntil)

	day := h.explainIf(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), "alertname", "Night").Routes[0]
	require.Empty(t, day.MutedBy)
	require.Nil(t, day.MutedUntil)
}

func TestExplain_FailedAttemptAndIntegrationSetAside(t *testing.T) {
	hook := newWebhook(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "no such hook", http.StatusNotFound)
		return false
	})
	h := newHarness(t, nil).start()
	h.apply(effective(t, webhookYML(hook.URL), func(next *config.Effective) {
		next.Lost = []config.Integration{{Receiver: "team", Type: "webhook", Index: 1, Reason: "url_file is missing"}}
	}))
	h.fire("Disk")
	e := h.explained(`{alertname="Disk"}`, "no attempt", func(e client.Explanation) bool {
		return len(e.Routes) == 1 && e.Routes[0].Integrations[0].Last != nil
	})
	failed, lost := e.Routes[0].Integrations[0], e.Routes[0].Integrations[1]
	require.Equal(t, client.OutcomeFailed, failed.Last.Outcome)
	require.Equal(t, http.StatusNotFound, failed.Last.Status)
	require.False(t, failed.Notified)
	require.Nil(t, failed.LastNotified)
	require.Empty(t, failed.SetAside)
	require.Equal(t, "webhook[1]", lost.Integration)
	require.Equal(t, "url_file is missing", lost.SetAside)
}

func TestExplain_ResolvedIsToldOrNot(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL, "routes: [{matchers: [alertname=Quiet], receiver: quiet}]")+
		webhookReceiver("quiet", hook.URL)+"    send_resolved: false\n")
	h.fire("Disk", "Quiet")
	h.explained(`{alertname="Disk"}`, "never notified", notified)
	h.explained(`{alertname="Quiet"}`, "never notified", notified)
	h.Send(resolved("Disk"), resolved("Quiet"), resolved("Flap"))
	e := h.explained(`{alertname="Disk"}`, "its end is never told", func(e client.Explanation) bool {
		return e.Routes[0].Integrations[0].NotifiedAs == "resolved" && e.Routes[0].Integrations[0].Last.AlertStatus == "resolved" && e.Routes[0].Next == nil
	})
	require.Equal(t, "resolved", e.State)
	require.NotNil(t, e.EndsAt)
	require.Equal(t, "nothing is sent: its end has been told", e.Routes[0].NextReason)
	require.Nil(t, e.Routes[0].Integrations[0].RepeatsAt)

	quiet := h.explained(`{alertname="Quiet"}`, "not flushed", func(e client.Explanation) bool { return e.State == "resolved" && e.Routes[0].Next == nil })
	require.False(t, quiet.Routes[0].Integrations[0].SendResolved)
	flap := h.explained(`{alertname="Flap"}`, "not flushed", func(e client.Explanation) bool { return e.Routes[0].Next == nil })
	require.Equal(t, "nothing is sent: it was not notified while it fired", flap.Routes[0].NextReason)
}

func TestExplainIf_HandedOverAsRulesAlertsAre(t *testing.T) {
	hook := newWebhook(t, nil)
	h := newHarness(t, func(o *Options, _ *Deps) { o.PerAlertNameLimit = 1 }).start()
	h.apply(effective(t, webhookYML(hook.URL), func(next *config.Effective) {
		next.Prometheus = prometheusYML(t, `
global: {external_labels: {cluster: eu}}
alerting:
  alert_relabel_configs:
  - {source_labels: [alertname], regex: Noise, action: drop}
  - {source_labels: [dc], target_label: zone}
`)
	}))
	e := h.explainIf(time.Time{}, "alertname", "Disk", "dc", "north")
	require.True(t, e.Hypothetical)
	require.Equal(t, "unknown", e.State)
	require.Equal(t, map[string]string{"alertname": "Disk", "dc": "north", "zone": "north", "cluster": "eu"}, e.Labels)
	require.Equal(t, "it is sent to webhook[0]", e.Routes[0].NextReason)
	require.WithinDuration(t, time.Now(), *e.Routes[0].Next, time.Second)

	h.Send(firing("Disk", "dc", "north"))
	live := h.explained(`{alertname="Disk"}`, "not there", grouped)
	require.Equal(t, e.Labels, live.Labels)
	require.Equal(t, e.Fingerprint, live.Fingerprint)
	require.Equal(t, e.Routes[0].GroupKey, live.Routes[0].GroupKey)

	noise := h.explainIf(time.Time{}, "alertname", "Noise")
	require.Equal(t, "alert_relabel_configs drop it", noise.DroppedBy)
	require.Empty(t, noise.Routes)
	require.Equal(t, "1 alerts of its name fire already, which is the limit", h.explainIf(time.Time{}, "alertname", "Disk", "dc", "south").DroppedBy)
	require.Empty(t, h.explainIf(time.Time{}, "alertname", "Disk", "dc", "north").DroppedBy, "it is there already")
	require.Contains(t, h.explainIf(time.Time{}, "alertname", "Disk", "dc", "\xff").DroppedBy, "it is not valid")
}

func TestExplainIf_JoinsTheGroupThatIsThere(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, routeYML("team", "routes: [{matchers: [alertname=Disk], group_wait: 0s, group_interval: 1h}]")+
		"receivers:\n"+webhookReceiver("team", hook.URL))
	h.Send(firing("Disk", "instance", "a"))
	there := h.explained(`{alertname="Disk"}`, "never notified", notified)
	e := h.explainIf(time.Time{}, "alertname", "Disk", "instance", "b")
	require.Equal(t, there.Routes[0].Next, e.Routes[0].Next)
	require.NotNil(t, e.Routes[0].LastFlush)
	require.WithinDuration(t, e.Routes[0].LastFlush.Add(time.Hour), *e.Routes[0].Next, time.Second)
}

func TestExplainIf_GroupThatIsGoneWasNotified(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML(sixSeconds...)))
		h.Send(fresh("a"))
		n.at(time.Second)
		silence := silenced("s", "A", func(s *silencepb.MeshSilence) { s.Silence.EndsAt = timestamppb.New(time.Now().Add(30 * time.Second)) })
		require.NoError(t, h.engine.silences.Merge(framed(t, silence)))
		h.engine.forgetMuted()
		h.Send(ended("a"))
		n.at(time.Minute)
		require.Len(t, n.notifications(), 1, "its end is silenced")
		for after, want := range map[time.Duration]string{
			0:             "nothing is sent: it has been notified, and the repeat_interval of 4h is not over",
			5 * time.Hour: "it is sent to webhook[0]",
		} {
			e := h.explainIf(time.Now().Add(after), "alertname", "A", "n", "a")
			require.Empty(t, e.Routes[0].SilencedBy)
			require.Equal(t, want, e.Routes[0].NextReason)
			require.False(t, e.Routes[0].Integrations[0].RepeatsAt.Before(*e.Routes[0].Next))
		}
	})
}

func TestExplain_WithoutABuiltInAlertmanager(t *testing.T) {
	h := newHarness(t, func(o *Options, _ *Deps) { o.Disabled = true }).start()
	h.apply(effective(t, webhookYML("http://127.0.0.1:1/")))
	require.Empty(t, h.explain("{}"))
	require.Contains(t, h.explainIf(time.Time{}, "alertname", "Disk").DroppedBy, "no built-in Alertmanager")
}

func TestExplain_BeforeTheFirstConfigurationIsAnError(t *testing.T) {
	h := newHarness(t, nil)
	selector, err := ParseSelector(`{alertname="Disk"}`)
	require.NoError(t, err)
	_, err = h.Explainer(t.Context(), selector, time.Time{})
	require.ErrorIs(t, err, errNotConfigured)
}

func TestExplain_TooManyAlertsAreRefused(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	var alerts []*notifier.Alert
	for i := range maxExplained + 1 {
		alerts = append(alerts, firing("Disk", "instance", fmt.Sprint(i)))
	}
	h.Send(alerts...)
	require.Eventually(t, func() bool { return len(h.engine.knownAlerts()) == len(alerts) }, patience, tick, "alerts are not taken in")
	_, err := h.explainer(`{alertname="Disk"}`, time.Time{}).Alerts()
	var query QueryError
	require.ErrorAs(t, err, &query)
	require.Contains(t, query.Reason, "1001 alerts satisfy")
	require.Len(t, h.explain(`{instance=~"1.."}`), 100)
}

func TestSelector_LabelsOnlyOfEquality(t *testing.T) {
	for matchers, want := range map[string]string{
		`{alertname="Disk",team="a"}`:  `{alertname="Disk", team="a"}`,
		`{alertname="Disk",team=""}`:   `{alertname="Disk"}`,
		`{alertname="Disk",team!="a"}`: "",
		`{alertname=~"Disk"}`:          "",
		`{team="a",team="b"}`:          "",
		`{}`:                           "",
		`{team=""}`:                    "",
	} {
		selector, err := ParseSelector(matchers)
		require.NoError(t, err)
		lset, ok := selector.Labels()
		require.Equal(t, want != "", ok, matchers)
		if ok {
			require.Equal(t, want, lset.String())
		}
	}
}
