package tsdb

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sourcegraph/srcprom/pkg/internal/counters"
)

// compactionTakes is how long a compaction may take until it fails.
const compactionTakes = 10 * time.Minute

// failureCounters are those of the engine that count what the disk did not take. It
// looks after blocks at each reload, and truncates only after it has written
// another block.
func failureCounters(o Options) map[string]Trouble {
	reload, block := cmp.Or(o.BlockReloadInterval, DefaultOptions().BlockReloadInterval), o.minBlockDuration()*5/4
	return map[string]Trouble{
		"prometheus_tsdb_wal_writes_failed_total":                   {What: "writing the write-ahead log"},
		"prometheus_tsdb_wal_truncations_failed_total":              {What: "truncating the write-ahead log", Again: block},
		"prometheus_tsdb_head_truncations_failed_total":             {What: "truncating the head", Again: block},
		"prometheus_tsdb_compactions_failed_total":                  {What: "compacting blocks", Again: reload + compactionTakes},
		"prometheus_tsdb_checkpoint_creations_failed_total":         {What: "writing a checkpoint", Again: block},
		"prometheus_tsdb_checkpoint_deletions_failed_total":         {What: "removing a checkpoint", Again: block},
		"prometheus_tsdb_reloads_failures_total":                    {What: "reading blocks", Again: reload},
		"prometheus_tsdb_out_of_order_wbl_writes_failed_total":      {What: "writing the log of samples that come late"},
		"prometheus_tsdb_out_of_order_wbl_truncations_failed_total": {What: "truncating the log of samples that come late", Again: block},
	}
}

// damageCounters count what was found damaged and was repaired by leaving it out.
func damageCounters() map[string]Trouble {
	return map[string]Trouble{
		"prometheus_tsdb_wal_corruptions_total":        {What: "the write-ahead log"},
		"prometheus_tsdb_mmap_chunk_corruptions_total": {What: "chunks of the head"},
	}
}

// Trouble counts how often something happened.
type Trouble struct {
	// What failed, or was damaged, in words.
	What  string
	Count float64
	// Again is after how long at most it is tried again; zero means soon.
	Again time.Duration
}

// Failures counts what the database could not do so far, sorted.
func (s *Store) Failures() []Trouble { return s.count(failureCounters(s.opts)) }

// Damage counts what was damaged and has been left out so far, sorted.
func (s *Store) Damage() []Trouble { return s.count(damageCounters()) }

func (s *Store) count(named map[string]Trouble) []Trouble {
	var all []Trouble
	for _, name := range slices.Sorted(maps.Keys(named)) {
		t := named[name]
		for _, v := range s.counters.Values(name) {
			t.Count += v.Value
		}
		all = append(all, t)
	}
	return all
}

func watchCounters(reg prometheus.Registerer) *counters.Registerer {
	names := slices.AppendSeq(slices.Collect(maps.Keys(failureCounters(Options{}))), maps.Keys(damageCounters()))
	return counters.Watch(reg, names...)
}
