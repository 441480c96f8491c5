package alerting

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestIntake_ExternalLabelsAndRelabellingAreApplied(t *testing.T) {
	hook := newWebhook(t, nil)
	h := newHarness(t, nil).start()
	h.apply(effective(t, webhookYML(hook.URL), func(next *config.Effective) {
		next.Prometheus = prometheusYML(t, `
global:
  external_labels: {site: berlin, job: prometheus}
alerting:
  alert_relabel_configs:
  - {source_labels: [alertname], regex: Noise, action: drop}
  - {regex: replica, action: labeldrop}
`)
	}))
	h.Send(firing("Noise"), firing("DiskFull", "job", "node", "replica", "a"))
	hook.requireMessages(t, 1)
	require.Equal(t, map[string]string{"alertname": "DiskFull", "job": "node", "site": "berlin"}, hook.messages()[0].Alerts[0].Labels)
	requireMetric(t, h.reg, 1, "alertmanager_alerts_received_total", "status", "firing")
}

func TestIntake_InvalidAlertDoesNotHoldUpTheOthers(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	backwards := firing("Backwards")
	backwards.StartsAt = backwards.EndsAt.Add(time.Hour)
	h.Send(backwards, &notifier.Alert{Labels: labels.FromStrings("alertname", "\xff"), StartsAt: time.Now()}, firing("DiskFull"))
	hook.requireMessages(t, 1)
	require.Equal(t, map[string]int{"DiskFull": 1}, hook.names())
	requireMetric(t, h.reg, 2, "alertmanager_alerts_invalid_total", "version", "v2")
	requireMetric(t, h.promReg, 2, "prometheus_notifications_errors_total", "alertmanager", h.engine.intake.target)
	requireMetric(t, h.promReg, 1, "prometheus_notifications_sent_total", "alertmanager", h.engine.intake.target)
}

func TestIntakeSettings_AlertWithoutTimesGetsThem(t *testing.T) {
	now := time.Now()
	s := &intakeSettings{resolveTimeout: time.Minute}
	a := s.convert(&notifier.Alert{}, labels.FromStrings("alertname", "A"), now)
	require.Equal(t, now, a.StartsAt)
	require.Equal(t, now.Add(time.Minute), a.EndsAt)
	require.True(t, a.Timeout)
	a = s.convert(&notifier.Alert{EndsAt: now.Add(-time.Hour)}, labels.FromStrings("alertname", "A"), now)
	require.Equal(t, a.EndsAt, a.StartsAt)
	require.False(t, a.Timeout)
}
