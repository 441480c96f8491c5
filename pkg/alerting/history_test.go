package alerting

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// history is what the history has, the oldest first.
func (h *harness) history(query client.HistoryQuery) []client.HistoryEntry {
	h.t.Helper()
	page, err := h.History(h.t.Context(), query)
	require.NoError(h.t, err)
	require.Empty(h.t, page.Next)
	slices.Reverse(page.Entries)
	return page.Entries
}

// inWords puts entries in few words.
func inWords(entries []client.HistoryEntry) []string {
	words := make([]string, 0, len(entries))
	for _, e := range entries {
		at := e.Receiver
		if e.Integration != "" {
			at += "/" + e.Integration
		}
		text := fmt.Sprintf("%s %s: %s %s", e.Labels["alertname"], e.AlertStatus, e.Outcome, at)
		for _, more := range []string{e.Reason, e.ErrorClass, strings.Join(slices.Concat(e.SilencedBy, e.InhibitedBy, e.MutedBy), " ")} {
			if more != "" {
				text += ", " + more
			}
		}
		words = append(words, text)
	}
	return words
}

// requireHistory waits until the history is as expected.
func (h *harness) requireHistory(query client.HistoryQuery, want ...string) []client.HistoryEntry {
	h.t.Helper()
	var entries []client.HistoryEntry
	require.Eventually(h.t, func() bool {
		entries = h.history(query)
		return len(entries) >= len(want)
	}, patience, tick, "the history has not got %d entries", len(want))
	require.Equal(h.t, want, inWords(entries))
	return entries
}

const alwaysYML = "time_intervals:\n- {name: always, time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}]}]}\n" +
	"- {name: never, time_intervals: [{years: ['1999']}]}\n"

func TestHistory_DeliveredAndDeduplicatedOnceEach(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	entries := h.requireHistory(client.HistoryQuery{},
		"DiskFull firing: delivered team/webhook[0], first notification",
		"DiskFull firing: deduplicated team/webhook[0], repeat interval not elapsed",
	)
	delivered := entries[0]
	require.Equal(t, 1, delivered.Attempt)
	require.Positive(t, delivered.LatencySeconds)
	require.Equal(t, `{}:{alertname="DiskFull"}`, delivered.GroupKey)
	require.Equal(t, "{}", delivered.Route)
	require.Equal(t, map[string]string{"alertname": "DiskFull"}, delivered.Labels)
	require.Len(t, delivered.Fingerprint, 16)
	require.WithinDuration(t, time.Now(), delivered.Time, patience)
	require.NotNil(t, delivered.HandedOffAt)

	flushes := func() float64 {
		n, _ := metric(t, h.reg, "alertmanager_nflog_queries_total")
		return n
	}
	before := flushes()
	require.Eventually(t, func() bool { return flushes() > before+4 }, patience, tick, "the group is not flushed any more")
	require.Len(t, h.history(client.HistoryQuery{}), 2, "only changes are recorded")

	h.Send(resolved("DiskFull"))
	h.requireHistory(client.HistoryQuery{},
		"DiskFull firing: delivered team/webhook[0], first notification",
		"DiskFull firing: deduplicated team/webhook[0], repeat interval not elapsed",
		"DiskFull resolved: delivered team/webhook[0], all alerts resolved",
	)
	h.fire("DiskFull")
	h.requireHistory(client.HistoryQuery{},
		"DiskFull firing: delivered team/webhook[0], first notification",
		"DiskFull firing: deduplicated team/webhook[0], repeat interval not elapsed",
		"DiskFull resolved: delivered team/webhook[0], all alerts resolved",
		"DiskFull firing: delivered team/webhook[0], first notification",
		"DiskFull firing: deduplicated team/webhook[0], repeat interval not elapsed",
	)
}

func TestHistory_SilencedThenNotified(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	id := h.silence(silenceText("", "Noise", "test", time.Now().Add(time.Hour)))

	h.fire("Noise")
	entries := h.requireHistory(client.HistoryQuery{}, "Noise firing: silenced team, "+id)
	require.Equal(t, []string{id}, entries[0].SilencedBy)
	status, _ := h.expire(id)
	require.Equal(t, http.StatusOK, status)
	h.requireHistory(client.HistoryQuery{},
		"Noise firing: silenced team, "+id,
		"Noise firing: delivered team/webhook[0], first notification",
		"Noise firing: deduplicated team/webhook[0], repeat interval not elapsed",
	)
	require.Len(t, hook.messages(), 1)
}

func TestHistory_InhibitedAndMutedSayByWhat(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, routeYML("team", `routes:`,
		`- {matchers: [alertname="Muted"], receiver: night, mute_time_intervals: [always]}`,
		`- {matchers: [alertname="Inactive"], receiver: night, active_time_intervals: [never]}`,
	)+"receivers:\n"+webhookReceiver("team", hook.URL)+webhookReceiver("night", hook.URL)+alwaysYML+`
inhibit_rules:
- source_matchers: [alertname="Down"]
  target_matchers: [alertname="Slow"]
`)
	h.fire("Down")
	down := h.requireHistory(client.HistoryQuery{},
		"Down firing: delivered team/webhook[0], first notification",
		"Down firing: deduplicated team/webhook[0], repeat interval not elapsed",
	)[0].Fingerprint
	h.fire("Slow", "Muted", "Inactive")
	h.requireHistory(client.HistoryQuery{Outcome: client.OutcomeInhibited}, "Slow firing: inhibited team, "+down)
	entries := h.requireHistory(client.HistoryQuery{Receiver: "night", Matchers: []string{`{alertname="Muted"}`}}, "Muted firing: muted night, always")
	require.Equal(t, []string{"always"}, entries[0].MutedBy)
	require.Equal(t, `{}/{alertname="Muted"}/0`, entries[0].Route)
	h.requireHistory(client.HistoryQuery{Matchers: []string{`{alertname="Inactive"}`}}, "Inactive firing: muted night, never")
}

func TestHistory_EachAttemptHasItsStatus(t *testing.T) {
	hook := newWebhook(t, func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			http.Error(w, "come back later", http.StatusServiceUnavailable)
		}
		return n > 1
	})
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	entries := h.requireHistory(client.HistoryQuery{},
		"DiskFull firing: failed team/webhook[0], first notification, serverError",
		"DiskFull firing: delivered team/webhook[0], first notification",
		"DiskFull firing: deduplicated team/webhook[0], repeat interval not elapsed",
	)
	require.Equal(t, http.StatusServiceUnavailable, entries[0].Status)
	require.Equal(t, "unexpected status code 503: come back later", entries[0].Error)
	require.Equal(t, 1, entries[0].Attempt)
	require.False(t, entries[0].GaveUp)
	require.Equal(t, 2, entries[1].Attempt)
}

func TestHistory_RefusedNotificationIsGivenUp(t *testing.T) {
	hook := newWebhook(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		return false
	})
	h := running(t, webhookYML(hook.URL+"/services/s3cretTok3n"))
	h.fire("DiskFull")
	h.requireEntries(2)
	for _, entry := range h.history(client.HistoryQuery{}) { // one for each flush
		require.Equal(t, []string{"DiskFull firing: failed team/webhook[0], first notification, clientError"}, inWords([]client.HistoryEntry{entry}))
		require.Equal(t, http.StatusNotFound, entry.Status)
		require.True(t, entry.GaveUp)
	}
}

func TestHistory_KeepsNoSecrets(t *testing.T) {
	gone := newWebhook(t, nil)
	gone.Close()
	h := newHarness(t, func(o *Options, _ *Deps) { o.DrainTimeout = 10 * time.Millisecond }).start()
	h.apply(effective(t, webhookYML(gone.URL+"/services/s3cretTok3n")))
	h.fire("DiskFull")
	h.requireEntries(1)
	entry := h.history(client.HistoryQuery{})[0]
	require.Contains(t, entry.Error, "connection refused")
	require.NotContains(t, fmt.Sprint(entry), "s3cretTok3n")
	require.NoError(t, h.engine.state.Flush(t.Context()))
	file, err := os.ReadFile(filepath.Join(h.opts.DataDir, "srcprom", "state.db"))
	require.NoError(t, err)
	require.Contains(t, string(file), "connection refused")
	require.NotContains(t, string(file), "s3cretTok3n")
}

func TestHistory_HangingReceiverIsGivenUpAtTheDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		n.answer = func(time.Duration, string, string) (int, time.Duration) { return http.StatusOK, time.Hour }
		h.apply(effective(t, webhookYML("http://team")))
		ctx, cancel := context.WithTimeout(flushContext(t.Context(), "DiskFull"), time.Second)
		defer cancel()
		_, _, err := h.engine.stage.live.Load().pipeline.Exec(ctx, slog.New(slog.DiscardHandler), benchAlert("DiskFull"))
		require.ErrorContains(t, err, "context deadline exceeded")
		entries := h.requireHistory(client.HistoryQuery{}, "DiskFull firing: failed team/webhook[0], first notification, contextDeadlineExceeded")
		require.True(t, entries[0].GaveUp)
		require.Equal(t, 1, entries[0].Attempt)
		require.EqualValues(t, 1, entries[0].LatencySeconds)
		require.Len(t, h.FailingIntegrations(), 1)
	})
}

// The deadline passes in the wait for the next attempt.
func TestHistory_FailingReceiverIsGivenUpAtTheDeadline(t *testing.T) {
	hook := newWebhook(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return false
	})
	h := newHarness(t, nil)
	h.apply(effective(t, webhookYML(hook.URL)))
	ctx, cancel := context.WithTimeout(flushContext(t.Context(), "DiskFull"), 100*time.Millisecond)
	defer cancel()
	_, _, err := h.engine.stage.live.Load().pipeline.Exec(ctx, slog.New(slog.DiscardHandler), benchAlert("DiskFull"))
	require.Error(t, err)
	entries := h.requireHistory(client.HistoryQuery{},
		"DiskFull firing: failed team/webhook[0], first notification, serverError",
		"DiskFull firing: failed team/webhook[0], first notification, serverError",
	)
	require.Equal(t, http.StatusBadGateway, entries[1].Status)
	require.False(t, entries[0].GaveUp)
	require.True(t, entries[1].GaveUp)
	require.Equal(t, "team/webhook[0]: notify retry canceled after 1 attempts: unexpected status code 502", entries[1].Error)
	require.Empty(t, h.intents())
}

func TestHistory_MailServerThatRefusesIsQuoted(t *testing.T) {
	mail := newMailServer(t, false)
	mail.refuse.Store(true)
	h := newHarness(t, func(o *Options, _ *Deps) { o.DrainTimeout = 10 * time.Millisecond }).start()
	h.apply(effective(t, emailYML(mail.addr(), "x")))
	h.fire("DiskFull")
	h.requireEntries(1)
	entry := h.history(client.HistoryQuery{})[0]
	require.Equal(t, client.OutcomeFailed, entry.Outcome)
	require.Equal(t, 451, entry.Status)
	require.Equal(t, `send RCPT command: 451 "try later"`, entry.Error)
}

func TestHistory_ResolvedThatIsNotWantedIsExplained(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL)+"    send_resolved: false\n")
	h.fire("DiskFull")
	h.requireEntries(2)
	h.Send(resolved("DiskFull"))
	h.requireHistory(client.HistoryQuery{},
		"DiskFull firing: delivered team/webhook[0], first notification",
		"DiskFull firing: deduplicated team/webhook[0], repeat interval not elapsed",
		"DiskFull resolved: deduplicated team/webhook[0], resolved notifications are not wanted",
	)
	require.Len(t, hook.messages(), 1)
	requireMetric(t, h.reg, 2, "alertmanager_notifications_total", "integration", "webhook")
}

// requireEntries waits until the history has at least so many entries.
func (h *harness) requireEntries(n int) {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return len(h.history(client.HistoryQuery{})) >= n }, patience, tick,
		"the history has not got %d entries", n)
}

func TestHistory_LostIntegrationFails(t *testing.T) {
	hook := newWebhook(t, nil)
	h := newHarness(t, nil).start()
	h.apply(effective(t, webhookYML(hook.URL), func(next *config.Effective) {
		next.Lost = []config.Integration{{Receiver: "team", Type: "slack", Index: 0, Reason: "no such file"}}
	}))
	h.fire("DiskFull")
	require.Eventually(t, func() bool { return len(h.FailingIntegrations()) == 1 }, patience, tick, "the lost integration does not fail")
	failing := h.FailingIntegrations()[0]
	require.Equal(t, "slack[0]", failing.Integration)
	require.Contains(t, failing.LastError, "no such file")
	require.Contains(t, inWords(h.history(client.HistoryQuery{Outcome: client.OutcomeFailed})),
		"DiskFull firing: failed team/slack[0], first notification, other")
}
