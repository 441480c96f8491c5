package alerting

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// sendMetrics are about notifications and what is on the disk of them. They are
// among those of the server, where its own rules can see them.
type sendMetrics struct {
	unwritten  prometheus.Counter
	unwritable atomic.Bool // the last write was in vain; is said once only
	inDoubt    prometheus.Counter
}

func newSendMetrics(reg prometheus.Registerer, failing *failures) *sendMetrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "srcprom_alerting_failing_integrations",
		Help: "Number of integrations of receivers that cannot be delivered to: a notification was given up, or attempts have failed for a minute, and none has succeeded since.",
	}, func() float64 { return float64(len(failing.list(time.Now()))) })
	return &sendMetrics{
		unwritten: f.NewCounter(prometheus.CounterOpts{
			Name: "srcprom_notification_intents_unwritten_total",
			Help: "Total number of notifications that were sent although that could not be written, before or afterwards.",
		}),
		inDoubt: f.NewCounter(prometheus.CounterOpts{
			Name: "srcprom_notifications_in_doubt_total",
			Help: "Total number of notifications of which it was unknown at the start whether their receiver had got them, as the server was killed before the answer.",
		}),
	}
}
