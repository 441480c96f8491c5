package alerting

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// BenchmarkPipeline_ThousandGroups sends one notification for each of a thousand
// groups at once to one fast webhook: with upstream's pipeline, whose notification
// log is in memory, and with ours, whose log, intents and history are on the disk.
// The metric to look at is that of notifications per second.
func BenchmarkPipeline_ThousandGroups(b *testing.B) {
	for _, durable := range []bool{false, true} {
		b.Run(fmt.Sprintf("durable=%t", durable), func(b *testing.B) {
			_, pipeline, _ := benchEngine(b, durable)
			benchmarkGroups(b, pipeline)
		})
	}
}

// BenchmarkManager_ThousandGroups does the same with the whole engine, from the
// hand-off to the receiver.
func BenchmarkManager_ThousandGroups(b *testing.B) {
	for _, durable := range []bool{false, true} {
		b.Run(fmt.Sprintf("durable=%t", durable), func(b *testing.B) {
			h, _, got := benchEngine(b, durable)
			h.start()
			sent := int64(0)
			for b.Loop() {
				for range benchGroups {
					sent++
					h.fire(fmt.Sprintf("Alert%d", sent))
				}
				require.Eventually(b, func() bool { return got.Load() >= sent }, patience, time.Millisecond, "notifications are missing")
			}
			b.ReportMetric(float64(b.N*benchGroups)/b.Elapsed().Seconds(), "notifications/s")
		})
	}
}

const benchGroups = 1000

// benchEngine is an engine before a fast webhook, with our pipeline or upstream's,
// and the number of requests that the webhook has got.
func benchEngine(b *testing.B, durable bool) (*harness, notify.Stage, *atomic.Int64) {
	var got atomic.Int64
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	b.Cleanup(hook.Close)
	h := newHarness(b, nil)
	h.apply(effective(b, strings.Replace(webhookYML(hook.URL), "group_interval: 200ms", "group_interval: 1h", 1)))
	live := h.engine.stage.live.Load()
	if durable {
		return h, live.pipeline, &got
	}
	log, err := nflog.New(nflog.Options{Metrics: prometheus.NewRegistry(), Retention: time.Hour})
	require.NoError(b, err)
	upstream := *live
	upstream.pipeline = notify.NewPipelineBuilder(prometheus.NewRegistry(), featurecontrol.NoopFlags{}, eventrecorder.Recorder{}).New(
		live.integrations(), h.engine.wait, live.inhibitor, h.engine.silencer, live.intervals, h.engine.groups, log, nil,
	)
	h.engine.stage.live.Store(&upstream)
	return h, upstream.pipeline, &got
}

func benchmarkGroups(b *testing.B, stage notify.Stage) {
	quiet := slog.New(slog.DiscardHandler)
	round := time.Now().UnixNano()
	for b.Loop() {
		round++
		var all sync.WaitGroup
		for i := range benchGroups {
			all.Go(func() {
				name := fmt.Sprintf("Alert%d-%d", round, i)
				_, _, err := stage.Exec(flushContext(b.Context(), name), quiet, benchAlert(name))
				if err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
	}
	b.ReportMetric(float64(b.N*benchGroups)/b.Elapsed().Seconds(), "notifications/s")
}

// flushContext is what the dispatcher says of a flush.
func flushContext(ctx context.Context, group string) context.Context {
	ctx = notify.WithNow(ctx, time.Now())
	ctx = notify.WithGroupKey(ctx, `{}:{alertname="`+group+`"}`)
	ctx = notify.WithGroupLabels(ctx, model.LabelSet{"alertname": model.LabelValue(group)})
	ctx = notify.WithReceiverName(ctx, "team")
	ctx = notify.WithRepeatInterval(ctx, time.Hour)
	ctx = notify.WithRouteID(ctx, "{}")
	return marker.WithContext(ctx, marker.NewAlertMarker())
}

func benchAlert(name string) *alert.Alert {
	return &alert.Alert{
		Alert: model.Alert{
			Labels: model.LabelSet{
				"alertname": model.LabelValue(name), "job": "gitserver", "instance": "gitserver-0:3178",
				"level": "critical", "service_name": "gitserver", "owner": "source", "description": "gitserver: disk space remaining",
			},
			Annotations:  model.LabelSet{"summary": "the disk of gitserver is nearly full"},
			StartsAt:     time.Now(),
			GeneratorURL: "http://here:9090/graph",
		},
		UpdatedAt: time.Now(),
	}
}

// BenchmarkStateGrowth measures what a thousand notifications leave in the state
// file, one alert in each: of alerts and groups that are new, through the whole
// engine, and of the same groups again and again, of which only the history grows.
// The metric to look at is that of bytes per notification; -benchtime=20x is enough
// for the steps in which the file grows to be small.
func BenchmarkStateGrowth(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		h, _, got := benchEngine(b, true)
		h.start()
		reportGrowth(b, h, func(round int) {
			for i := range benchGroups {
				a := firing(fmt.Sprintf("Alert%d-%d", round, i), "job", "gitserver", "instance", "gitserver-0:3178",
					"level", "critical", "service_name", "gitserver", "owner", "source", "description", "gitserver: disk space remaining")
				a.Annotations = labels.FromStrings("summary", "the disk of gitserver is nearly full")
				h.Send(a)
			}
			require.Eventually(b, func() bool { return got.Load() >= int64((round+1)*benchGroups) }, patience, time.Millisecond, "notifications are missing")
		})
	})
	b.Run("repeated", func(b *testing.B) {
		h, pipeline, got := benchEngine(b, true)
		quiet := slog.New(slog.DiscardHandler)
		reportGrowth(b, h, func(round int) {
			var all sync.WaitGroup
			for i := range benchGroups {
				all.Go(func() {
					name := fmt.Sprintf("Alert%d", i)
					ctx := notify.WithRepeatInterval(flushContext(b.Context(), name), 0)
					if _, _, err := pipeline.Exec(ctx, quiet, benchAlert(name)); err != nil {
						b.Error(err)
					}
				})
			}
			all.Wait()
			require.EqualValues(b, (round+1)*benchGroups, got.Load(), "each is sent")
		})
	})
}

// reportGrowth reports by how much the state file of h grows in rounds of benchGroups
// notifications, after a first one.
func reportGrowth(b *testing.B, h *harness, round func(n int)) {
	size := func() int64 {
		require.NoError(b, h.state.Flush(b.Context()))
		info, err := os.Stat(h.path)
		require.NoError(b, err)
		return info.Size()
	}
	round(0)
	before, rounds := size(), 0
	for b.Loop() {
		rounds++
		round(rounds)
	}
	b.ReportMetric(float64(size()-before)/float64(rounds*benchGroups), "bytes/notification")
}

// BenchmarkHistory_Add is what the history costs a notification, beside its share
// of the writing.
func BenchmarkHistory_Add(b *testing.B) {
	h := newHarness(b, nil)
	for _, alerts := range []int{1, 10, 100} {
		b.Run("alerts="+strconv.Itoa(alerts), func(b *testing.B) {
			d := &decision{
				Outcome: client.OutcomeDelivered, Receiver: "team", Integration: "webhook[0]", Route: "{}",
				GroupKey: `{}:{alertname="Disk"}`, Reason: "first notification", Attempt: 1, Latency: 0.01, Begun: time.Now().UnixNano(),
			}
			for i := range alerts {
				d.Alerts = append(d.Alerts, h.engine.pipelines.history.decided(benchAlert(fmt.Sprint("Alert", i))))
			}
			size := 0
			for b.Loop() {
				d.alertsText = nil
				packed, err := h.engine.pipelines.history.packer.pack(d)
				if err != nil {
					b.Fatal(err)
				}
				size = len(packed)
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
