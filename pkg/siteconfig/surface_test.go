package siteconfig_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/siteconfig"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

const (
	patience = 20 * time.Second
	tick     = 10 * time.Millisecond
)

// served is a server with a subscriber that takes what is pushed.
type served struct {
	*srcpromtest.Server
	*siteconfig.Subscriber
	client *client.Client
}

func subscribe(t testing.TB, edits ...srcpromtest.Option) *served {
	t.Helper()
	o := siteconfig.DefaultOptions()
	sub, err := siteconfig.New(o)
	require.NoError(t, err)
	server := srcpromtest.Start(t, append([]srcpromtest.Option{srcpromtest.WithOptions(func(o *srcprom.Options) {
		o.Source = srcprom.Source{
			Overlay:  sub.Overlay(),
			Handlers: sub.Handlers(),
			Checks:   sub.Checks(),
			Applied:  sub.Applied,
			Run:      func(ctx context.Context, s *srcprom.Server) error { return sub.Run(ctx, s) },
		}
	})}, edits...)...)
	http := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(http.CloseIdleConnections)
	c, err := client.New(server.URL, client.WithHTTPClient(http))
	require.NoError(t, err)
	return &served{Server: server, Subscriber: sub, client: c}
}

func (s *served) push(t testing.TB, text string) {
	t.Helper()
	_, err := s.Push(t.Context(), s.Server.Server, text, false)
	require.NoError(t, err)
}

// silenced are the silences that are active, by what their matcher says.
func (s *served) silenced(t testing.TB) map[string]string {
	t.Helper()
	all, err := s.Silences(t.Context())
	require.NoError(t, err)
	ids := map[string]string{}
	for _, silence := range all {
		ids[silence.Matchers[0].Value] = silence.ID
	}
	return ids
}

func (s *served) requireSilenced(t testing.TB, want ...string) map[string]string {
	t.Helper()
	var have map[string]string
	require.Eventually(t, func() bool {
		have = s.silenced(t)
		if len(have) != len(want) {
			return false
		}
		for _, matcher := range want {
			if have[matcher] == "" {
				return false
			}
		}
		return true
	}, patience, tick, "silenced should be %q", want)
	return have
}

const firingRules = `
groups:
- name: g
  rules:
  - {alert: critical_a, expr: vector(1), labels: {level: critical, service_name: frontend}}
  - {alert: critical_b, expr: vector(1), labels: {level: critical, service_name: gitserver}}
  - {alert: warning_c, expr: vector(1), labels: {level: warning, service_name: frontend}}
`

func (s *served) requireStatus(t testing.TB, want client.AlertsStatus) {
	t.Helper()
	require.Eventually(t, func() bool {
		have, err := s.client.GetAlertsStatus(t.Context())
		return err == nil && *have == want
	}, patience, tick, "the status of alerts should be %+v", want)
}

func TestSubscriber_SilencesOfARealServer(t *testing.T) {
	dir := t.TempDir()
	start := func() *served {
		return subscribe(t, srcpromtest.WithRules(firingRules), srcpromtest.WithOptions(func(o *srcprom.Options) { o.Storage.Dir = dir }))
	}
	s := start()
	s.requireStatus(t, client.AlertsStatus{Warning: 1, Critical: 2, ServicesCritical: 2})
	s.push(t, `{"observability.silenceAlerts": ["critical_a", "warning_.*", "gone"]}`)
	before := s.requireSilenced(t, "^(critical_a)$", "^(warning_.*)$", "^(gone)$")
	s.requireStatus(t, client.AlertsStatus{Silenced: 2, Critical: 1, ServicesCritical: 1})
	require.Eventually(t, func() bool {
		health, err := s.client.Health(t.Context())
		require.NoError(t, err)
		return slices.ContainsFunc(health.Parts, func(p client.PartHealth) bool {
			return p.Name == "site configuration" && len(p.Problems) == 1 && p.Problems[0].Subject == "gone"
		})
	}, patience, tick, "health does not show the entry that matches nothing")
	require.NoError(t, s.Stop())

	s = start()
	require.Equal(t, before, s.silenced(t))
	require.NoError(t, s.ExpireSilence(t.Context(), before["^(warning_.*)$"]))
	after := s.requireSilenced(t, "^(critical_a)$", "^(warning_.*)$", "^(gone)$")
	require.NotEqual(t, before["^(warning_.*)$"], after["^(warning_.*)$"])
	require.Equal(t, before["^(critical_a)$"], after["^(critical_a)$"], "it was left alone over the restart")
	s.push(t, `{"observability.silenceAlerts": ["gone"]}`)
	s.requireSilenced(t, "^(gone)$")
	s.requireStatus(t, client.AlertsStatus{Warning: 1, Critical: 2, ServicesCritical: 2})
}

// blockingOverlay makes a plan wait.
type blockingOverlay struct {
	config.Overlay
	reached, over chan struct{}
}

func (o blockingOverlay) Alertmanager(u config.Underlay) config.Overlaid {
	if strings.Contains(u.Site, "block") {
		select {
		case o.reached <- struct{}{}:
		default:
		}
		<-o.over
	}
	return o.Overlay.Alertmanager(u)
}

func TestSurface_AnswersWhileAnApplyAndAReceiverHang(t *testing.T) {
	over, applying, delivering := make(chan struct{}), make(chan struct{}, 1), make(chan struct{}, 1)
	s := subscribe(t, srcpromtest.WithRules(firingRules), srcpromtest.WithOptions(func(o *srcprom.Options) {
		o.Source.Overlay = blockingOverlay{o.Source.Overlay, applying, over}
	}))
	s.Receiver.Respond(func(http.ResponseWriter, *http.Request) {
		select {
		case delivering <- struct{}{}:
		default:
		}
		<-over
	})
	s.push(t, `{"observability.alerts": [`+webhook("critical", s.Receiver.URL)+`, {"level": "critical", "notifier": {"type": "pigeon"}}]}`)
	<-delivering
	s.requireStatus(t, client.AlertsStatus{Warning: 1, Critical: 2, ServicesCritical: 2})

	var pushing sync.WaitGroup
	t.Cleanup(pushing.Wait)
	t.Cleanup(sync.OnceFunc(func() { close(over) }))
	pushing.Go(func() {
		_, _ = s.Push(context.Background(), s.Server.Server, `{"externalURL": "https://block", "observability.silenceAlerts": []}`, false)
	})
	<-applying
	for range 100 {
		status, err := s.client.GetAlertsStatus(t.Context())
		require.NoError(t, err)
		require.Equal(t, &client.AlertsStatus{Warning: 1, Critical: 2, ServicesCritical: 2}, status)
		problems, err := s.client.GetConfigStatus(t.Context())
		require.NoError(t, err)
		require.Len(t, problems.Problems, 1)
		require.Contains(t, problems.Problems[0].Description, "`observability.alerts`: ")
	}
}

func webhook(level, url string) string {
	return fmt.Sprintf(`{"level": %q, "notifier": {"type": "webhook", "url": %q}}`, level, url)
}

// BenchmarkSurface measures what the frontend waits for, while a configuration of 500
// notifiers is applied each second and no receiver answers.
func BenchmarkSurface(b *testing.B) {
	over := make(chan struct{})
	s := subscribe(b, srcpromtest.WithRules(firingRules))
	s.Receiver.Respond(func(http.ResponseWriter, *http.Request) { <-over })
	var pushing sync.WaitGroup
	defer pushing.Wait()
	defer close(over)
	pushing.Go(func() {
		for generation := 0; ; generation++ {
			select {
			case <-over:
				return
			case <-time.After(time.Second):
			}
			notifiers := make([]string, 500)
			for i := range notifiers {
				notifiers[i] = webhook("critical", fmt.Sprintf("%s%d/%d", s.Receiver.URL, generation, i))
			}
			if _, err := s.Push(context.Background(), s.Server.Server, `{"observability.alerts": [`+strings.Join(notifiers, ",")+`]}`, false); err != nil {
				b.Error(err)
				return
			}
		}
	})
	for _, path := range []string{client.AlertsStatusPath, client.ConfigStatusPath} {
		b.Run(path, func(b *testing.B) {
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			var took []time.Duration
			for b.Loop() {
				time.Sleep(time.Millisecond) // or most of them would come between two applies
				begin := time.Now()
				resp, err := c.Get(s.URL + path)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}
