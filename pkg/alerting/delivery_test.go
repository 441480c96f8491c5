package alerting

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestManager_FiringAndResolvedReachWebhook(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
	require.Equal(t, "firing", hook.messages()[0].Status)
	require.Equal(t, map[string]string{"alertname": "DiskFull"}, hook.messages()[0].Alerts[0].Labels)

	h.Send(resolved("DiskFull"))
	hook.requireMessages(t, 2)
	require.Equal(t, "resolved", hook.messages()[1].Status)
}

func TestManager_MailReachesServerWithTemplate(t *testing.T) {
	mail := newMailServer(t, false)
	h := newHarness(t, nil).start()
	h.apply(effective(t, emailYML(mail.addr(), `'{{ template "subject" . }}'`), func(next *config.Effective) {
		next.Templates = []config.Template{{Name: "ours.tmpl", Content: `{{ define "subject" }}Trouble with {{ .CommonLabels.alertname }}{{ end }}`}}
	}))
	h.fire("DiskFull")
	require.Eventually(t, func() bool { return len(mail.received()) == 1 }, patience, tick, "no mail came")
	require.Contains(t, mail.received()[0], "Subject: Trouble with DiskFull")
	require.Contains(t, mail.received()[0], "http://here:9090/alertmanager")
}

func emailYML(smarthost, subject string) string {
	return routeYML("mail") + `
receivers:
- name: mail
  email_configs:
  - to: you@example.com
    from: me@example.com
    smarthost: ` + smarthost + `
    require_tls: false
    headers: {Subject: ` + subject + `}
`
}

func TestManager_HangingReceiversDelayNobodyElse(t *testing.T) {
	release := make(chan struct{})
	hanging := newWebhook(t, func(int, http.ResponseWriter, *http.Request) bool {
		<-release
		return false
	})
	defer close(release)
	mail := newMailServer(t, true)
	hook := newWebhook(t, nil)
	h := newHarness(t, func(o *Options, _ *Deps) { o.DrainTimeout = 100 * time.Millisecond }).start()
	h.apply(effective(t, routeYML("team",
		"routes:",
		`- {matchers: [alertname="Hang"], receiver: hanging}`,
		`- {matchers: [alertname="Mail"], receiver: mail}`,
	)+strings.TrimPrefix(emailYML(mail.addr(), "x"), routeYML("mail"))+
		webhookReceiver("team", hook.URL)+webhookReceiver("hanging", hanging.URL)))
	h.fire("Hang", "Mail")
	require.Eventually(t, func() bool { return hanging.requests() == 1 && mail.connections() == 1 }, patience, tick,
		"the hanging receivers were not called")
	h.fire("A", "B")
	hook.requireMessages(t, 2)
	begin := time.Now()
	h.stop()
	require.Less(t, time.Since(begin), 5*time.Second, "the stop is bounded")
	mail.close() // the only way to end what waits for a mail server
}

func TestManager_FailingReceiverIsTriedAgain(t *testing.T) {
	for name, fail := range map[string]func(w http.ResponseWriter){
		"500": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"closed connection": func(w http.ResponseWriter) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			hook := newWebhook(t, func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n == 1 {
					fail(w)
				}
				return n > 1
			})
			h := running(t, webhookYML(hook.URL))
			h.fire("DiskFull")
			hook.requireMessages(t, 1)
			require.Equal(t, 2, hook.requests())
		})
	}
}

func TestManager_RedirectIsFollowed(t *testing.T) {
	hook := newWebhook(t, nil)
	front := newWebhook(t, func(_ int, w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, hook.URL, http.StatusTemporaryRedirect)
		return false
	})
	h := running(t, webhookYML(front.URL))
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
}

// A trial of upstream's reload order turned 200 notifications into 9000.
func TestManager_AppliesNeitherLoseNorRepeatNotifications(t *testing.T) {
	slow := newWebhook(t, func(int, http.ResponseWriter, *http.Request) bool {
		time.Sleep(300 * time.Millisecond) // the receiver takes that long
		return true
	})
	h := running(t, webhookYML(slow.URL))
	const alerts = 40
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for i := range 50 {
		<-pace.C
		if i < alerts {
			h.fire(fmt.Sprintf("Alert%d", i))
		}
		conf := webhookYML(slow.URL) + webhookReceiver(fmt.Sprintf("other%d", i), slow.URL)
		if i%5 == 0 { // another tree of routes, with the same groups
			conf = webhookYML(slow.URL, fmt.Sprintf(`routes: [{matchers: [never="%d"]}]`, i))
		}
		require.NotEmpty(t, h.apply(effective(t, conf)))
	}
	require.Eventually(t, func() bool { return len(slow.names()) == alerts }, patience, tick, "alerts are missing")
	h.stop()
	require.Equal(t, alerts, slow.requests())
}

func TestManager_StopFinishesNotificationsInFlight(t *testing.T) {
	begun := make(chan struct{})
	hook := newWebhook(t, func(int, http.ResponseWriter, *http.Request) bool {
		close(begun)
		time.Sleep(300 * time.Millisecond) // the receiver takes that long
		return true
	})
	h := running(t, webhookYML(hook.URL))
	h.fire("DiskFull")
	<-begun
	h.stop()
	require.Len(t, hook.messages(), 1)
}

func TestManager_RestartDoesNotRepeatAndKeepsSilences(t *testing.T) {
	hook := newWebhook(t, nil)
	first := newHarness(t, nil).start()
	first.apply(effective(t, webhookYML(hook.URL)))
	first.fire("DiskFull")
	hook.requireMessages(t, 1)
	first.silence(silenceText("", "Noise", "test", time.Now().Add(time.Hour)))
	require.Eventually(t, func() bool { return first.engine.stage.inFlight() == 0 }, patience, tick, "still sending")
	first.stop()

	second := first.again(nil).start()
	second.apply(effective(t, webhookYML(hook.URL)))
	second.fire("DiskFull", "Noise", "New")
	hook.requireMessages(t, 2)
	require.Equal(t, map[string]int{"DiskFull": 1, "New": 1}, hook.names())
}

func TestManager_InhibitionFollowsConfigurationWithoutNewDispatcher(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	before := h.engine.dispatcher.Load()
	require.Equal(t, []string{"inhibit_rules"}, h.apply(effective(t, webhookYML(hook.URL)+`
inhibit_rules:
- source_matchers: [alertname="Down"]
  target_matchers: [alertname="Slow"]
`)))
	require.Same(t, before, h.engine.dispatcher.Load())
	h.fire("Down")
	hook.requireMessages(t, 1)
	h.fire("Slow", "Other")
	hook.requireMessages(t, 2)
	require.Equal(t, map[string]int{"Down": 1, "Other": 1}, hook.names())
	requireMetric(t, h.reg, 1, "alertmanager_inhibition_rules")
	requireMetric(t, h.reg, 1, "alertmanager_notifications_suppressed_total", "reason", "inhibition")
}

func TestManager_MutedTimeIntervalSendsNothing(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, routeYML("team", `routes:`, `- {matchers: [alertname="Muted"], mute_time_intervals: [always]}`)+
		"receivers:\n"+webhookReceiver("team", hook.URL)+"time_intervals:\n- {name: always, time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}]}]}\n")
	h.fire("Muted", "Other")
	hook.requireMessages(t, 1)
	requireMetric(t, h.reg, 1, "alertmanager_notifications_suppressed_total", "reason", "mute_time_interval")
	require.Equal(t, map[string]int{"Other": 1}, hook.names())
}

func TestManager_LostIntegrationFailsWhileTheOthersDeliver(t *testing.T) {
	hook := newWebhook(t, nil)
	h := newHarness(t, nil).start()
	h.apply(effective(t, webhookYML(hook.URL), func(next *config.Effective) {
		next.Lost = []config.Integration{{Receiver: "team", Type: "webhook", Index: 0, Reason: "no such file"}}
	}))
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
	requireMetric(t, h.reg, 2, "alertmanager_integrations")
	require.Equal(t, []string{`integration webhook[0] of receiver "team" is set aside: no such file`}, h.Impaired())
	require.Eventually(t, func() bool {
		failed, _ := metric(t, h.reg, "alertmanager_notifications_failed_total", "integration", "webhook", "reason", "other")
		return failed > 0
	}, patience, tick, "the lost integration is not counted as failed")
	require.Equal(t, []string{"receivers"}, h.apply(effective(t, webhookYML(hook.URL))))
	require.Empty(t, h.Impaired())
}

func TestManager_StartDelayHoldsNotificationsAndDoesNotHoldUpStop(t *testing.T) {
	hook := newWebhook(t, nil)
	h := newHarness(t, func(o *Options, _ *Deps) {
		o.DispatchStartDelay = 2 * time.Second
		o.DrainTimeout = 50 * time.Millisecond
	}).start()
	h.apply(effective(t, webhookYML(hook.URL)))
	h.apply(effective(t, webhookYML(hook.URL, "continue: false", "routes: [{matchers: [a=b]}]")))
	h.fire("DiskFull")
	requireMetric(t, h.reg, 1, "alertmanager_dispatcher_aggregation_groups")
	begin := time.Now()
	h.stop()
	require.Less(t, time.Since(begin), time.Second)
	require.Empty(t, hook.messages())
	require.Eventually(t, func() bool { return waitFor(t.Context(), &h.engine.running) == nil }, patience, tick,
		"dispatchers that waited for their start have not ended")
}
