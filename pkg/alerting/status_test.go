package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// inhibiting makes an alert named Source inhibit those of its service.
const inhibiting = "inhibit_rules:\n- source_matchers: [alertname=Source]\n  target_matchers: [alertname!=Source]\n  equal: [service_name]\n"

func (h *harness) requireStatus(want client.AlertsStatus, what string) {
	h.t.Helper()
	var last *client.AlertsStatus
	var err error
	require.Eventually(h.t, func() bool {
		last, err = h.AlertsStatus()
		return err == nil && *last == want
	}, patience, tick, "%s: it should be %+v", what, want)
}

// listedStatus is what a client of Alertmanager's API counts.
func (h *harness) listedStatus() client.AlertsStatus {
	h.t.Helper()
	status, answer := request(h.t, http.MethodGet, h.serve().URL+"/alertmanager/api/v2/alerts?active=true&inhibited=false", "")
	require.Equal(h.t, http.StatusOK, status)
	var alerts []struct {
		Labels map[string]string
		Status struct{ SilencedBy []string }
	}
	require.NoError(h.t, json.Unmarshal([]byte(answer), &alerts))
	var counted client.AlertsStatus
	services := map[string]bool{}
	for _, a := range alerts {
		switch {
		case len(a.Status.SilencedBy) > 0:
			counted.Silenced++
		case a.Labels["level"] == "warning":
			counted.Warning++
		case a.Labels["level"] == "critical":
			counted.Critical++
			services[a.Labels["service_name"]] = true
		}
	}
	counted.ServicesCritical = len(services)
	return counted
}

func TestAlertsStatus_CountsWhatTheAPILists(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL)+inhibiting)
	h.silence(silenceText("", "Silenced", "test", time.Now().Add(time.Hour)))
	h.Send(
		firing("W1", "level", "warning", "service_name", "frontend"),
		firing("W2", "level", "warning", "service_name", "gitserver"),
		firing("C1", "level", "critical", "service_name", "frontend"),
		firing("C2", "level", "critical", "service_name", "frontend", "name", "other"),
		firing("C3", "level", "critical", "service_name", "searcher"),
		firing("C4", "level", "critical"),
		firing("Info", "level", "info", "service_name", "worker"),
		firing("None"),
		firing("Silenced", "level", "critical", "service_name", "redis"),
		firing("Silenced", "level", "warning", "service_name", "postgres"),
		firing("Silenced", "service_name", "zoekt"),
		firing("Source", "service_name", "symbols"),
		firing("Inhibited", "level", "critical", "service_name", "symbols"),
		firing("Silenced", "level", "critical", "service_name", "symbols"),
		resolved("Over", "level", "critical", "service_name", "embeddings"),
	)
	h.requireStatus(client.AlertsStatus{Warning: 2, Silenced: 3, Critical: 4, ServicesCritical: 3}, "after the alerts have come in")
	require.Equal(t, client.AlertsStatus{Warning: 2, Silenced: 3, Critical: 4, ServicesCritical: 3}, h.listedStatus())
}

func TestAlertsStatus_FollowsWhatChanges(t *testing.T) {
	yml := webhookYML(newWebhook(t, nil).URL)
	h := running(t, yml)
	h.requireStatus(client.AlertsStatus{}, "without alerts")
	h.Send(firing("A", "level", "warning", "service_name", "frontend"), firing("B", "level", "critical", "service_name", "frontend"))
	h.requireStatus(client.AlertsStatus{Warning: 1, Critical: 1, ServicesCritical: 1}, "with two alerts")

	id := h.silence(silenceText("", "B", "test", time.Now().Add(time.Hour)))
	h.requireStatus(client.AlertsStatus{Warning: 1, Silenced: 1}, "with one silenced")
	status, _ := h.expire(id)
	require.Equal(t, http.StatusOK, status)
	h.requireStatus(client.AlertsStatus{Warning: 1, Critical: 1, ServicesCritical: 1}, "after the silence")

	h.Send(firing("Source", "service_name", "frontend"))
	h.apply(effective(t, yml+inhibiting))
	h.requireStatus(client.AlertsStatus{}, "with an inhibition")
	h.apply(effective(t, yml))
	h.requireStatus(client.AlertsStatus{Warning: 1, Critical: 1, ServicesCritical: 1}, "without the inhibition")

	h.Send(resolved("B", "level", "critical", "service_name", "frontend"))
	h.requireStatus(client.AlertsStatus{Warning: 1}, "after one has resolved")
}

// Nobody says when an alert that was not sent again ends, or a silence.
func TestAlertsStatus_FollowsTheTime(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	h.silence(silenceText("", "Silenced", "test", time.Now().Add(2*time.Second)))
	short := firing("Short", "level", "critical", "service_name", "frontend")
	short.EndsAt = time.Now().Add(2 * time.Second)
	h.Send(short, firing("Silenced", "level", "warning"))
	h.requireStatus(client.AlertsStatus{Silenced: 1, Critical: 1, ServicesCritical: 1}, "before the ends")
	h.requireStatus(client.AlertsStatus{Warning: 1}, "after the ends")
}

func TestAlertsStatus_RestoredAlertsCount(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	h.Send(firing("A", "level", "critical", "service_name", "frontend"))
	h.requireStatus(client.AlertsStatus{Critical: 1, ServicesCritical: 1}, "before the crash")
	require.NoError(t, h.state.Flush(t.Context()))
	second := h.again(nil).start()
	_, err := second.AlertsStatus()
	require.EqualError(t, err, errNotConfigured.Error())
	second.apply(effective(t, webhookYML(newWebhook(t, nil).URL)))
	second.requireStatus(client.AlertsStatus{Critical: 1, ServicesCritical: 1}, "after the crash")
}

func TestAlertsStatus_IsNotKnownBeforeAndAfter(t *testing.T) {
	h := newHarness(t, nil)
	_, err := h.AlertsStatus()
	require.EqualError(t, err, errNotConfigured.Error())
	h.apply(effective(t, webhookYML("http://127.0.0.1:1")))
	status, err := h.AlertsStatus()
	require.NoError(t, err)
	require.Equal(t, &client.AlertsStatus{}, status, "at once")
	h.start()
	h.requireStatus(client.AlertsStatus{}, "when it runs")
	h.stop()
	_, err = h.AlertsStatus()
	require.EqualError(t, err, "alerting is stopped")

	none := newHarness(t, func(o *Options, _ *Deps) { o.Disabled = true })
	_, err = none.AlertsStatus()
	require.ErrorIs(t, err, errDisabled)
}

// Everything hangs that can: a receiver, the disk, an apply, who takes in alerts. The
// counts are told all the same, and follow the silences.
func TestAlertsStatus_NothingHoldsItUp(t *testing.T) {
	over := make(chan struct{})
	reached := make(chan struct{}, 1)
	hook := newWebhook(t, func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		select {
		case reached <- struct{}{}:
		default:
		}
		<-over
		return true
	})
	h := running(t, webhookYML(hook.URL))
	t.Cleanup(func() { close(over) })
	h.Send(firing("A", "level", "critical", "service_name", "frontend"))
	h.requireStatus(client.AlertsStatus{Critical: 1, ServicesCritical: 1}, "with one alert")
	<-reached

	var calls sync.WaitGroup
	url, body := h.serve().URL+"/alertmanager/api/v2/silences", silenceText("", "A", "test", time.Now().Add(time.Hour))
	t.Cleanup(calls.Wait)
	h.applying.Lock()
	t.Cleanup(h.applying.Unlock)
	h.engine.mu.Lock()
	t.Cleanup(h.engine.mu.Unlock)
	committing, commit := make(chan struct{}), make(chan struct{})
	h.disk.hang(func() { close(committing); <-commit })
	t.Cleanup(func() { close(commit) })
	h.holdProvider(&calls)
	calls.Go(func() { request(t, http.MethodPost, url, body) })
	<-committing
	h.requireStatus(client.AlertsStatus{Silenced: 1}, "while everything hangs")
}

// holdProvider makes somebody hold the provider's lock until the test ends: who puts
// alerts waits for a subscriber that takes none.
func (h *harness) holdProvider(calls *sync.WaitGroup) {
	h.t.Helper()
	idle := h.engine.alerts.Subscribe("idle")
	h.t.Cleanup(idle.Close)
	alerts := make([]*alert.Alert, 2*cap(idle.Next()))
	for i := range alerts {
		alerts[i] = (&intakeSettings{}).convert(firing("Many"), labels.FromStrings("alertname", "Many", "n", fmt.Sprint(i)), time.Now())
	}
	calls.Go(func() { _ = h.engine.alerts.Put(context.Background(), alerts...) })
	require.Eventually(h.t, func() bool { return len(idle.Next()) == cap(idle.Next()) }, patience, tick, "the subscriber still has room")
}

func TestUntraced_IsASpanThatIsNotSampled(t *testing.T) {
	span := trace.SpanContextFromContext(untraced())
	require.True(t, span.IsValid())
	require.False(t, span.IsSampled())
}

func BenchmarkAlertsStatus(b *testing.B) {
	h := running(b, strings.Replace(webhookYML("http://127.0.0.1:1"), "group_wait: 10ms", "group_wait: 1h", 1))
	for i := range 500 {
		id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", i)
		require.NoError(b, h.engine.silences.Merge(framed(b, silenced(id, "", func(s *silencepb.MeshSilence) {
			s.Silence.MatcherSets[0].Matchers[0] = &silencepb.Matcher{Type: silencepb.Matcher_REGEXP, Name: "alertname", Pattern: fmt.Sprintf("^(warning_service%d_.*)$", i)}
		}))))
	}
	alerts := make([]*notifier.Alert, many)
	for i := range alerts {
		alerts[i] = firing(fmt.Sprintf("critical_service%d_alert%d", i%40, i), "level", "critical",
			"service_name", fmt.Sprintf("service%d", i%40), "name", fmt.Sprintf("alert%d", i), "owner", "platform", "description", "It is above 5 %.")
	}
	h.Send(alerts...)
	h.requireStatus(client.AlertsStatus{Critical: many, ServicesCritical: 40}, "all of them")
	b.Run("count", func(b *testing.B) {
		for b.Loop() {
			h.engine.count(time.Now())
		}
	})
	b.Run("count after a silence", func(b *testing.B) {
		for b.Loop() {
			h.silence(silenceText("", "Other", "test", time.Now().Add(time.Hour)))
			h.engine.count(time.Now())
		}
	})
	b.Run("answer", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.AlertsStatus(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
