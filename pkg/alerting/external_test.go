package alerting

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/discovery"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// newDiscovery runs Prometheus's own until the test ends.
func newDiscovery(t *testing.T, h *harness) *discovery.Manager {
	t.Helper()
	sd, err := discovery.CreateAndRegisterSDMetrics(h.promReg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	d := discovery.NewManager(ctx, promslog.NewNopLogger(), h.promReg, sd, discovery.Name("notify"), discovery.Updatert(10*time.Millisecond))
	var running sync.WaitGroup
	running.Go(func() { _ = d.Run() })
	t.Cleanup(func() { cancel(); running.Wait() })
	return d
}

// newExternalHarness is a Manager that can find external Alertmanagers.
func newExternalHarness(t *testing.T, edit func(*Options)) *harness {
	h := newHarness(t, func(o *Options, _ *Deps) {
		if edit != nil {
			edit(o)
		}
	})
	h.external.discovery = newDiscovery(t, h)
	return h.start()
}

func withAlertmanagers(t *testing.T, servers ...string) func(*config.Effective) {
	return func(next *config.Effective) {
		text := "alerting:\n  alertmanagers:\n"
		for _, server := range servers {
			u := parseURL(t, server)
			text += fmt.Sprintf("  - {path_prefix: '%s', timeout: 5s, static_configs: [{targets: ['%s']}]}\n", u.Path, u.Host)
		}
		next.Prometheus = prometheusYML(t, text)
	}
}

// alertmanager stands for an external one; posts are the bodies that came.
type alertmanager struct {
	*httptest.Server
	mu    sync.Mutex // guards what follows
	posts []string
}

func newAlertmanager(t *testing.T, before func()) *alertmanager {
	a := &alertmanager{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if before != nil {
			before()
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.posts = append(a.posts, r.URL.Path+" "+r.Header.Get(processHeader)+" "+string(body))
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *alertmanager) received() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.posts...)
}

func (h *harness) requireAlertmanagers(n int) {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return len(h.Alertmanagers()) == n }, patience, tick, "there are never %d targets", n)
}

func TestExternal_AlertReachesBothBuiltInAndExternal(t *testing.T) {
	hook, am := newWebhook(t, nil), newAlertmanager(t, nil)
	h := newExternalHarness(t, nil)
	h.apply(effective(t, webhookYML(hook.URL), withAlertmanagers(t, am.URL+"/am")))
	h.requireAlertmanagers(2)
	require.Equal(t, am.URL+"/am/api/v2/alerts", h.Alertmanagers()[1].String())
	requireMetric(t, h.promReg, 2, discoveredMetric)
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
	require.Eventually(t, func() bool { return len(am.received()) == 1 }, patience, tick, "nothing came to the external one")
	require.Contains(t, am.received()[0], "/am/api/v2/alerts "+h.external.processID)
	require.Contains(t, am.received()[0], "DiskFull")

	require.Equal(t, []string{"external alertmanagers"}, h.apply(effective(t, webhookYML(hook.URL))))
	h.requireAlertmanagers(1)
	h.fire("Second")
	hook.requireMessages(t, 2)
	require.Len(t, am.received(), 1)
}

func TestExternal_TargetThatIsThisProcessGetsNothingTwice(t *testing.T) {
	hook := newWebhook(t, nil)
	h := newExternalHarness(t, nil)
	own := h.serve().URL + "/alertmanager"
	h.apply(effective(t, webhookYML(hook.URL), withAlertmanagers(t, own)))
	h.requireAlertmanagers(2)
	h.fire("DiskFull")
	requireMetric(t, h.promReg, 1, "prometheus_notifications_sent_total", "alertmanager", own+"/api/v2/alerts")
	hook.requireMessages(t, 1)
	requireMetric(t, h.reg, 1, "alertmanager_alerts_received_total", "status", "firing")
}

func TestExternal_HangingOneHoldsUpNeitherRulesNorApplyNorStop(t *testing.T) {
	release := make(chan struct{})
	am := newAlertmanager(t, func() { <-release })
	t.Cleanup(func() { close(release) }) // before the server's own
	hook := newWebhook(t, nil)
	h := newExternalHarness(t, func(o *Options) { o.DrainTimeout = 200 * time.Millisecond })
	h.apply(effective(t, webhookYML(hook.URL), withAlertmanagers(t, am.URL)))
	h.requireAlertmanagers(2)
	begin := time.Now()
	for i := range 300 {
		h.fire(fmt.Sprintf("A%d", i))
	}
	h.apply(effective(t, webhookYML(hook.URL)))
	h.fire("Last")
	hook.requireMessages(t, 301)
	h.stop()
	require.Less(t, time.Since(begin), 5*time.Second)
}

func TestExternal_WaitingAlertsLeaveBeforeTheEnd(t *testing.T) {
	am := newAlertmanager(t, nil)
	h := newExternalHarness(t, nil)
	h.apply(effective(t, webhookYML(newWebhook(t, nil).URL), withAlertmanagers(t, am.URL)))
	h.requireAlertmanagers(2)
	for i := range 100 {
		h.fire(fmt.Sprintf("A%d", i))
	}
	h.stop()
	sent := 0
	for _, post := range am.received() {
		for i := range 100 {
			if containsAlert(post, fmt.Sprintf("A%d", i)) {
				sent++
			}
		}
	}
	require.Equal(t, 100, sent)
}

func TestExternal_WithoutDiscoveryIsRefused(t *testing.T) {
	h := newHarness(t, nil)
	_, err := h.Prepare(nil, effective(t, webhookYML("http://127.0.0.1:1"), withAlertmanagers(t, "http://127.0.0.1:2")))
	require.ErrorContains(t, err, "Deps.Discovery is nil")
	requireFaultIn(t, config.PrometheusDocument, err)
}

func TestExternal_BrokenClientIsRefusedByName(t *testing.T) {
	h := newExternalHarness(t, nil)
	_, err := h.Prepare(nil, effective(t, webhookYML("http://127.0.0.1:1"), func(next *config.Effective) {
		next.Prometheus = prometheusYML(t, "alerting: {alertmanagers: [{tls_config: {ca_file: /does/not/exist}}]}")
	}))
	require.ErrorContains(t, err, "build client of alerting.alertmanagers[0]")
	requireFaultIn(t, config.PrometheusDocument, err)
}

func containsAlert(post, name string) bool {
	return strings.Contains(post, `"alertname":"`+name+`"`)
}

func TestExternal_AlertAfterTheEndIsCounted(t *testing.T) {
	h := newExternalHarness(t, nil)
	h.apply(effective(t, webhookYML("http://127.0.0.1:1"), withAlertmanagers(t, "http://127.0.0.1:2")))
	h.stop()
	h.fire("Late")
	requireMetric(t, h.promReg, 1, "prometheus_notifications_dropped_total", "alertmanager", externalTarget)
}
