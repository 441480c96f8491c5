package main

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/util/logging"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// setKubernetesClient gives the Kubernetes client, whose logger, metrics and
// warning handler belong to the whole process, ours. It follows Prometheus's
// cmd/prometheus/main.go.
func setKubernetesClient(reg prometheus.Registerer, log *slog.Logger) error {
	klog.SetSlogLogger(log.With("component", "k8s_client_runtime"))
	rest.SetDefaultWarningHandlerWithContext(logging.NewDedupDeprecationWarningLogger())
	if err := discovery.RegisterK8sClientMetricsWithPrometheus(reg); err != nil {
		return fmt.Errorf("register the metrics of the Kubernetes client: %w", err)
	}
	return nil
}
