package alerting

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// BenchmarkPipeline_ThousandGroups sends one notification for each of a thousand
// groups at once to one fast webhook: with upstream's pipeline, whose notification
// log is in memory, and with ours, whose log, intents and history are on the disk.
// The metric to look at is that of notifications per second.
func BenchmarkPipeline_ThousandGroups(b *testing.B) {
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(hook.Close)
	h := newHarness(b, nil)
	h.apply(effective(b, webhookYML(hook.URL)))
	live := h.engine.stage.live.Load()

	log, err := nflog.New(nflog.Options{Metrics: prometheus.NewRegistry(), Retention: time.Hour})
	require.NoError(b, err)
	upstream := notify.NewPipelineBuilder(prometheus.NewRegistry(), featurecontrol.NoopFlags{}, eventrecorder.Recorder{}).New(
		live.integrations(), h.engine.wait,
		inhibit.NewInhibitor(h.engine.alerts, nil, slog.New(slog.DiscardHandler), eventrecorder.Recorder{}),
		h.engine.silencer, timeinterval.NewIntervener(nil), marker.NewGroupMarker(), log, nil,
	)
	for name, stage := range map[string]notify.Stage{"memory": upstream, "state": live.pipeline} {
		b.Run(name, func(b *testing.B) { benchmarkGroups(b, stage) })
	}
}

func benchmarkGroups(b *testing.B, stage notify.Stage) {
	const groups = 1000
	quiet := slog.New(slog.DiscardHandler)
	round := time.Now().UnixNano()
	for b.Loop() {
		round++
		var all sync.WaitGroup
		for i := range groups {
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
	b.ReportMetric(float64(b.N*groups)/b.Elapsed().Seconds(), "notifications/s")
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
