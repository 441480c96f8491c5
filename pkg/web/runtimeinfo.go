package web

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	dto "github.com/prometheus/client_model/go"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"
)

// runtimeInfo is what /api/v1/status/runtimeinfo answers. It follows runtimeInfo
// of Prometheus's web/web.go.
func (s *Server) runtimeInfo() (apiv1.RuntimeInfo, error) {
	info := apiv1.RuntimeInfo{
		StartTime:      s.started,
		CWD:            s.workingDir,
		ServerTime:     time.Now().UTC(),
		GoroutineCount: runtime.NumGoroutine(),
		GOMAXPROCS:     runtime.GOMAXPROCS(0),
		GOMEMLIMIT:     debug.SetMemoryLimit(-1),
		GOGC:           os.Getenv("GOGC"),
		GODEBUG:        os.Getenv("GODEBUG"),
	}
	if s.deps.Retention != nil {
		info.StorageRetention = s.deps.Retention()
	}
	var err error
	if info.Hostname, err = os.Hostname(); err != nil {
		return info, fmt.Errorf("get the host's name: %w", err)
	}
	families, err := s.gatherer.Gather()
	if err != nil {
		return info, fmt.Errorf("gather runtime status: %w", err)
	}
	for _, family := range families {
		switch family.GetName() {
		case "prometheus_tsdb_wal_corruptions_total":
			info.CorruptionCount = int64(firstValue(family))
		case "prometheus_config_last_reload_successful":
			info.ReloadConfigSuccess = firstValue(family) != 0
		case "prometheus_config_last_reload_success_timestamp_seconds":
			info.LastConfigTime = time.Unix(int64(firstValue(family)), 0).UTC()
		}
	}
	return info, nil
}

// firstValue of a counter or a gauge.
func firstValue(family *dto.MetricFamily) float64 {
	if len(family.Metric) == 0 {
		return 0
	}
	return family.Metric[0].GetCounter().GetValue() + family.Metric[0].GetGauge().GetValue()
}
