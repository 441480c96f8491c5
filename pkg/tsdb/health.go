package tsdb

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sourcegraph/srcprom/pkg/internal/counters"
)

// failureCounters are those of the engine that count what the disk did not take,
// by what failed.
func failureCounters() map[string]string {
	return map[string]string{
		"prometheus_tsdb_wal_writes_failed_total":                   "writing the write-ahead log",
		"prometheus_tsdb_wal_truncations_failed_total":              "truncating the write-ahead log",
		"prometheus_tsdb_head_truncations_failed_total":             "truncating the head",
		"prometheus_tsdb_compactions_failed_total":                  "compacting blocks",
		"prometheus_tsdb_checkpoint_creations_failed_total":         "writing a checkpoint",
		"prometheus_tsdb_checkpoint_deletions_failed_total":         "removing a checkpoint",
		"prometheus_tsdb_reloads_failures_total":                    "reading blocks",
		"prometheus_tsdb_out_of_order_wbl_writes_failed_total":      "writing the log of samples that come late",
		"prometheus_tsdb_out_of_order_wbl_truncations_failed_total": "truncating the log of samples that come late",
	}
}

// damageCounters count what was found damaged and was repaired by leaving it out.
func damageCounters() map[string]string {
	return map[string]string{
		"prometheus_tsdb_wal_corruptions_total":        "the write-ahead log",
		"prometheus_tsdb_mmap_chunk_corruptions_total": "chunks of the head",
	}
}

// Trouble counts how often something happened.
type Trouble struct {
	// What failed, or was damaged, in words.
	What  string
	Count float64
}

// Failures counts what the database could not do so far, sorted.
func (s *Store) Failures() []Trouble { return s.count(failureCounters()) }

// Damage counts what was damaged and has been left out so far, sorted.
func (s *Store) Damage() []Trouble { return s.count(damageCounters()) }

func (s *Store) count(names map[string]string) []Trouble {
	var all []Trouble
	for _, name := range slices.Sorted(maps.Keys(names)) {
		sum := 0.0
		for _, v := range s.counters.Values(name) {
			sum += v.Value
		}
		all = append(all, Trouble{What: names[name], Count: sum})
	}
	return all
}

func watchCounters(reg prometheus.Registerer) *counters.Registerer {
	names := slices.AppendSeq(slices.Collect(maps.Keys(failureCounters())), maps.Keys(damageCounters()))
	return counters.Watch(reg, names...)
}
