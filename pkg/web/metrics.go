package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are those of Prometheus's web/web.go and web/federate.go, under their
// names.
type metrics struct {
	requests           *prometheus.CounterVec
	duration           *prometheus.HistogramVec
	responseSize       *prometheus.HistogramVec
	federationErrors   prometheus.Counter
	federationWarnings prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, ready func() bool) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "prometheus_http_requests_total",
			Help: "Counter of HTTP requests.",
		}, []string{"handler", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "prometheus_http_request_duration_seconds",
			Help:                            "Histogram of latencies for HTTP requests.",
			Buckets:                         []float64{.1, .2, .4, 1, 3, 8, 20, 60, 120},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: 1 * time.Hour,
		}, []string{"handler"}),
		responseSize: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "prometheus_http_response_size_bytes",
			Help:    "Histogram of response size for HTTP requests.",
			Buckets: prometheus.ExponentialBuckets(100, 10, 8),
		}, []string{"handler"}),
		federationErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "prometheus_web_federation_errors_total",
			Help: "Total number of errors that occurred while sending federation responses.",
		}),
		federationWarnings: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "prometheus_web_federation_warnings_total",
			Help: "Total number of warnings that occurred while sending federation responses.",
		}),
	}
	readyGauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "prometheus_ready",
		Help: "Whether Prometheus startup was fully completed and the server is ready for normal operation.",
	}, func() float64 {
		if ready() {
			return 1
		}
		return 0
	})
	return m, errors.Join(
		reg.Register(m.requests),
		reg.Register(m.duration),
		reg.Register(m.responseSize),
		reg.Register(m.federationErrors),
		reg.Register(m.federationWarnings),
		reg.Register(readyGauge),
	)
}

// instrumented returns what a router wraps its handlers in; prefix completes the
// name that the router gives them.
func (m *metrics) instrumented(prefix string) func(string, http.HandlerFunc) http.HandlerFunc {
	return func(name string, handler http.HandlerFunc) http.HandlerFunc {
		return m.instrument(prefix+name, handler)
	}
}

func (m *metrics) instrument(name string, handler http.HandlerFunc) http.HandlerFunc {
	label := prometheus.Labels{"handler": name}
	m.requests.WithLabelValues(name, "200")
	return promhttp.InstrumentHandlerCounter(m.requests.MustCurryWith(label),
		promhttp.InstrumentHandlerDuration(m.duration.MustCurryWith(label),
			promhttp.InstrumentHandlerResponseSize(m.responseSize.MustCurryWith(label), handler)))
}
