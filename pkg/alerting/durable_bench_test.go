package alerting

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// many is how many silences and alerts there are.
const many = 10000

// ruleAlertsOf are alerts as a rule sends them, with labels of usual sizes.
func ruleAlertsOf(n int) []RuleAlert {
	alerts := make([]RuleAlert, n)
	for i := range alerts {
		a := firing("HighErrorRate", "instance", fmt.Sprintf("10.0.%d.%d:9100", i/256, i%256), "job", "node", "severity", "critical", "team", "infrastructure")
		a.Annotations = labels.FromStrings("summary", "The error rate is above 5 %", "description", "The error rate of the instance has been above 5 % for ten minutes.")
		alerts[i] = RuleAlert{Alert: a, Value: 0.07}
	}
	return alerts
}

func BenchmarkRestore(b *testing.B) {
	var r rules
	first := newHarness(b, r.deps) // without a dispatcher
	for batch := range slices.Chunk(ruleAlertsOf(many), handoffBatch) {
		var all []handed
		for _, a := range batch {
			all = append(all, handed{Alert: a.Alert, source: sourceRule, value: a.Value})
		}
		first.engine.intake.deliver(all)
	}
	for i := range many {
		id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", i)
		first.engine.silenceJournal.add(framed(b, silenced(id, fmt.Sprintf("Other%d", i))))
	}
	require.NoError(b, first.state.Flush(b.Context()))
	for b.Loop() {
		b.StopTimer()
		second := first.again(r.deps) // which makes a first one, to warm up
		opts, deps := DefaultOptions(), Deps{
			Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), PrometheusRegisterer: prometheus.NewRegistry(),
			ExternalURL: parseURL(b, "http://here/"), ProcessID: "here", State: second.state, Standing: r.standing,
		}
		b.StartTimer()
		m, err := New(opts, deps)
		b.StopTimer()
		require.NoError(b, err)
		require.Len(b, m.engine.alertJournal.fingerprints(), many)
		require.NoError(b, m.Close())
		require.NoError(b, second.Close())
		b.StartTimer()
	}
}

// quantiles reports the median and the 99th percentile of what f measures.
func quantiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkSilences(b *testing.B) {
	for _, clients := range []int{1, 16} {
		for name, durable := range map[string]bool{"upstream": false, "durable": true} {
			b.Run(fmt.Sprintf("clients=%d/%s", clients, name), func(b *testing.B) {
				h := running(b, webhookYML(newWebhook(b, nil).URL))
				handler := h.Handler("/alertmanager")
				if !durable {
					h.engine.silences.SetBroadcast(func([]byte) {})
					handler = h.engine.api.Register(route.New(), "/alertmanager")
				}
				var mu sync.Mutex
				var took []time.Duration
				var left atomic.Int64
				left.Store(int64(b.N))
				var posting sync.WaitGroup
				begin := time.Now()
				for range clients {
					posting.Go(func() {
						for left.Add(-1) >= 0 {
							begin := time.Now()
							answer := httptest.NewRecorder()
							r := httptest.NewRequest(http.MethodPost, "/alertmanager/api/v2/silences", strings.NewReader(silenceText("", "A", "bench", begin.Add(time.Hour))))
							r.Header.Set("Content-Type", "application/json")
							handler.ServeHTTP(answer, r)
							mu.Lock()
							took = append(took, time.Since(begin))
							mu.Unlock()
							if answer.Code != http.StatusOK {
								b.Error(answer.Body)
							}
						}
					})
				}
				posting.Wait()
				b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "silences/s")
				quantiles(b, took)
			})
		}
	}
}

// mutesWhile measures how long the silencer takes to decide about alerts while
// clients make silences.
func mutesWhile(h *harness, clients int, during time.Duration) (took []time.Duration) {
	server := h.Handler("/alertmanager")
	ctx, cancel := context.WithTimeout(h.t.Context(), during)
	defer cancel()
	var posting sync.WaitGroup
	defer posting.Wait()
	for range clients {
		posting.Go(func() {
			for ctx.Err() == nil {
				r := httptest.NewRequest(http.MethodPost, "/alertmanager/api/v2/silences", strings.NewReader(silenceText("", "A", "load", time.Now().Add(time.Hour))))
				r.Header.Set("Content-Type", "application/json")
				server.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
	for i := 0; ctx.Err() == nil; i++ {
		begin := time.Now()
		h.engine.silencer.Mutes(ctx, model.LabelSet{"alertname": "B", "instance": model.LabelValue(fmt.Sprint(i % 100))})
		took = append(took, time.Since(begin))
		time.Sleep(100 * time.Microsecond) // between two flushes
	}
	return took
}

// No lock of the engine is held over a write.
func TestMutes_StaysFastWhileCommitsAreSlow(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	h.disk.slow(50 * time.Millisecond)
	defer h.disk.slow(0)
	took := mutesWhile(h, 8, time.Second)
	slices.Sort(took)
	require.NotEmpty(t, stored(t, h.state, state.Silences))
	require.Less(t, took[len(took)*9/10], 25*time.Millisecond, "the silencer waits for the disk")
}

func BenchmarkMutes(b *testing.B) {
	for _, delay := range []time.Duration{0, 10 * time.Millisecond} {
		b.Run(fmt.Sprintf("commit=+%v", delay), func(b *testing.B) {
			h := running(b, webhookYML(newWebhook(b, nil).URL))
			h.disk.slow(delay)
			defer h.disk.slow(0)
			quantiles(b, mutesWhile(h, 8, time.Duration(b.N)*100*time.Microsecond+500*time.Millisecond))
		})
	}
}

// BenchmarkHandoff measures the taking in of alerts that go on firing, as rules
// send them again and again; upstream is Alertmanager's provider alone.
func BenchmarkHandoff(b *testing.B) {
	alerts := ruleAlertsOf(many)
	b.Run("upstream", func(b *testing.B) {
		up, err := mem.NewAlerts(b.Context(), time.Hour, 0, nil, slog.New(slog.DiscardHandler), eventrecorder.Recorder{}, prometheus.NewRegistry(), nil)
		require.NoError(b, err)
		defer up.Close()
		settings := &intakeSettings{}
		put := func() {
			for batch := range slices.Chunk(alerts, handoffBatch) {
				var all []*alert.Alert
				for _, a := range batch {
					all = append(all, settings.convert(a.Alert, a.Labels, time.Now()))
				}
				require.NoError(b, up.Put(b.Context(), all...))
			}
		}
		put()
		begin, n := time.Now(), 0
		for b.Loop() {
			put()
			n += many
		}
		b.ReportMetric(float64(n)/time.Since(begin).Seconds(), "alerts/s")
	})
	for name, change := range map[string]func(a RuleAlert, round int) RuleAlert{
		"durable, ends move": func(a RuleAlert, _ int) RuleAlert { return a },
		"durable, annotations change": func(a RuleAlert, round int) RuleAlert {
			next := *a.Alert
			next.Annotations = labels.FromStrings("summary", fmt.Sprint("Round ", round))
			return RuleAlert{Alert: &next, Value: a.Value}
		},
	} {
		b.Run(name, func(b *testing.B) {
			var r rules
			h := newHarness(b, r.deps)
			put := func(round int) {
				for batch := range slices.Chunk(alerts, handoffBatch) {
					var all []handed
					for _, a := range batch {
						a = change(a, round)
						all = append(all, handed{Alert: a.Alert, source: sourceRule, value: a.Value})
					}
					h.engine.intake.deliver(all)
				}
			}
			put(0)
			require.NoError(b, h.state.Flush(b.Context()))
			begin, n := time.Now(), 0
			for round := 1; b.Loop(); round++ {
				put(round)
				n += many
			}
			require.NoError(b, h.state.Flush(b.Context()))
			b.ReportMetric(float64(n)/time.Since(begin).Seconds(), "alerts/s")
		})
	}
}
