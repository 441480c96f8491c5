package alerting

import (
	"crypto/md5"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are those that Alertmanager's main and its coordinator own. See
// app/metrics.go and config/coordinator.go of Alertmanager. Those about the
// success of a reload belong to who reloads.
type metrics struct {
	requestDuration *prometheus.HistogramVec
	responseSize    *prometheus.HistogramVec
	clusterEnabled  prometheus.Gauge
	receivers       prometheus.Gauge
	integrations    prometheus.Gauge
	inhibitionRules prometheus.Gauge
	configHash      prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	reg.MustRegister(versioncollector.NewCollector("alertmanager"))
	f := promauto.With(reg)
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: "alertmanager_" + name, Help: help})
	}
	return &metrics{
		requestDuration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "alertmanager_http_request_duration_seconds",
			Help:                            "Histogram of latencies for HTTP requests.",
			Buckets:                         prometheus.DefBuckets,
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"handler", "method", "code"}),
		responseSize: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "alertmanager_http_response_size_bytes",
			Help:    "Histogram of response size for HTTP requests.",
			Buckets: prometheus.ExponentialBuckets(100, 10, 7),
		}, []string{"handler", "method"}),
		clusterEnabled:  gauge("cluster_enabled", "Indicates whether the clustering is enabled or not."),
		receivers:       gauge("receivers", "Number of configured receivers."),
		integrations:    gauge("integrations", "Number of configured integrations."),
		inhibitionRules: gauge("inhibition_rules", "Number of configured inhibition rules."),
		configHash:      gauge("config_hash", "Hash of the currently loaded alertmanager configuration. Note that this is not a cryptographically strong hash."),
	}
}

// instrument measures the handlers that Alertmanager's API does not.
func (m *metrics) instrument(name string, h http.HandlerFunc) http.HandlerFunc {
	labels := prometheus.Labels{"handler": name}
	return promhttp.InstrumentHandlerDuration(
		m.requestDuration.MustCurryWith(labels),
		promhttp.InstrumentHandlerResponseSize(m.responseSize.MustCurryWith(labels), h),
	)
}

// Instrument measures a handler of Alertmanager's surface that its API does not
// measure, under the name that the label "handler" gets. Without a built-in
// Alertmanager it measures nothing.
func (m *Manager) Instrument(name string, h http.HandlerFunc) http.HandlerFunc {
	if m.engine == nil {
		return h
	}
	return m.engine.metrics.instrument(name, h)
}

// hashValue is the hash of a text as config/coordinator.go of Alertmanager shows
// it: the 48 bits that a float64 holds exactly.
func hashValue(text string) float64 {
	sum := md5.Sum([]byte(text))
	var b [8]byte
	copy(b[:], sum[:6])
	return float64(binary.LittleEndian.Uint64(b[:]))
}
