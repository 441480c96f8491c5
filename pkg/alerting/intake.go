package alerting

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/notifier"
)

// intake takes alerts from the hand-off into the provider. It does what
// Prometheus's notifier and Alertmanager's POST /api/v2/alerts would have done on
// the way: notifier/alert.go, notifier/sendloop.go and api/v2/api.go.
type intake struct {
	log      *slog.Logger
	alerts   *alertStore
	settings atomic.Pointer[intakeSettings]
	held     func(a *alert.Alert, now time.Time) bool // whether a rule's alert must not be delivered yet

	target   string // the label value that stands for the built-in Alertmanager
	sent     *notificationMetrics
	received *prometheus.CounterVec
	invalid  prometheus.Counter
}

// intakeSettings is what the configuration says about alerts on their way in.
type intakeSettings struct {
	externalLabels labels.Labels
	relabel        []*relabel.Config
	resolveTimeout time.Duration
}

func newIntakeSettings(prom *promconfig.Config, resolveTimeout time.Duration) *intakeSettings {
	return &intakeSettings{
		externalLabels: prom.GlobalConfig.ExternalLabels,
		relabel:        prom.AlertingConfig.AlertRelabelConfigs,
		resolveTimeout: resolveTimeout,
	}
}

// deliver puts one batch into the provider. An alert that is not valid is left
// out and does not hold up the others.
func (in *intake) deliver(batch []handed) {
	begin := time.Now()
	settings := in.settings.Load()
	alerts := make([]*alert.Alert, 0, len(batch))
	origins := make(map[model.Fingerprint]origin, len(batch))
	for _, given := range batch {
		lset, keep := settings.relabelled(given.Labels)
		if !keep {
			continue
		}
		a := settings.convert(given.Alert, lset, begin)
		in.received.WithLabelValues(string(a.StatusAt(begin))).Inc()
		if err := a.Validate(); err != nil {
			in.refuse(a, err)
			continue
		}
		if given.source == sourceRule && in.held(a, begin) {
			continue
		}
		origins[a.Fingerprint()] = given.origin(begin)
		alerts = append(alerts, a)
	}
	if len(alerts) == 0 {
		return
	}
	// The provider has no error of its own: what a limit keeps out it logs and counts.
	from := func(_ origin, a *alert.Alert) origin { return origins[a.Fingerprint()] }
	if err := in.alerts.putFrom(eventrecorder.WithEventRecording(context.Background()), from, alerts...); err != nil {
		in.log.Error("Alerts not taken", "count", len(alerts), "err", err)
		in.sent.failed(in.target, len(alerts))
		return
	}
	in.sent.delivered(in.target, len(alerts), time.Since(begin))
}

func (in *intake) refuse(a *alert.Alert, err error) {
	in.invalid.Inc()
	in.sent.failed(in.target, 1)
	in.log.Error("Invalid alert dropped", "alert", a.Name(), "err", err)
}

// relabelled adds the external labels that the alert lacks and applies
// alert_relabel_configs; keep is false when they drop it.
func (s *intakeSettings) relabelled(lset labels.Labels) (_ labels.Labels, keep bool) {
	b := labels.NewBuilder(lset)
	s.externalLabels.Range(func(l labels.Label) {
		if lset.Get(l.Name) == "" {
			b.Set(l.Name, l.Value)
		}
	})
	if !relabel.ProcessBuilder(b, s.relabel...) {
		return labels.EmptyLabels(), false
	}
	return b.Labels(), true
}

func (s *intakeSettings) convert(given *notifier.Alert, lset labels.Labels, now time.Time) *alert.Alert {
	a := &alert.Alert{
		Alert: model.Alert{
			Labels:       labelSet(lset),
			Annotations:  labelSet(given.Annotations),
			StartsAt:     given.StartsAt,
			EndsAt:       given.EndsAt,
			GeneratorURL: given.GeneratorURL,
		},
		UpdatedAt: now,
	}
	if a.StartsAt.IsZero() {
		a.StartsAt = now
		if !a.EndsAt.IsZero() {
			a.StartsAt = a.EndsAt
		}
	}
	if a.EndsAt.IsZero() {
		a.Timeout = true
		a.EndsAt = now.Add(s.resolveTimeout)
	}
	return a
}

func labelSet(lset labels.Labels) model.LabelSet {
	set := make(model.LabelSet, lset.Len())
	lset.Range(func(l labels.Label) {
		set[model.LabelName(l.Name)] = model.LabelValue(l.Value)
	})
	return set
}
