package tsdb

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
)

// registerGauges registers what upstream's main adds to the engine's own
// metrics: bounds in seconds, where the engine's are in milliseconds.
func registerGauges(reg prometheus.Registerer, db *tsdb.DB) error {
	if reg == nil {
		return nil
	}
	gauge := func(name, help string, milliseconds func() int64) error {
		return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(milliseconds() / 1000) }))
	}
	return errors.Join(
		gauge("prometheus_tsdb_lowest_timestamp_seconds", "Lowest timestamp value stored in the database.", func() int64 {
			if blocks := db.Blocks(); len(blocks) > 0 {
				return blocks[0].Meta().MinTime
			}
			return db.Head().MinTime()
		}),
		gauge("prometheus_tsdb_head_min_time_seconds", "Minimum time bound of the head block.",
			func() int64 { return db.Head().MinTime() }),
		gauge("prometheus_tsdb_head_max_time_seconds", "Maximum timestamp of the head block.",
			func() int64 { return db.Head().MaxTime() }),
	)
}
