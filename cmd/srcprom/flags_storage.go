package main

import (
	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/sourcegraph/srcprom/pkg/tsdb"
)

// addStorage adds the flags of the store. Those that Prometheus hides, because
// they are for tests, are hidden here as well.
func (f *flags) addStorage(o *tsdb.Options) {
	f.group("Storage", "")
	f.text("storage.tsdb.path", "The one data directory. What is not the TSDB's own lies in its sub-directory srcprom.", &o.Dir)
	f.duration("storage.tsdb.retention.time", "How long to keep samples where prometheus.yml has no storage.tsdb.retention. 15d unless this or the size is given. Deprecated: use prometheus.yml.", &o.RetentionTime).Default()
	f.size64("storage.tsdb.retention.size", `Maximum size of what is kept where prometheus.yml has no storage.tsdb.retention, with a unit of B, KB, MB, GB, TB, PB or EB, each 1024 of the one before. Deprecated: use prometheus.yml.`, &o.RetentionSize)
	f.yes("storage.tsdb.no-lockfile", "Do not keep other processes out of the data directory by a lock file.", &o.NoLockfile)
	f.integer("storage.tsdb.head-chunks-write-queue-size", "Length of the queue through which chunks of the head reach the disk. 0 writes without one. Experimental.", &o.HeadChunksWriteQueueSize)
	f.text("storage.tsdb.delay-compact-file.path", "Path of a JSON file that lists the blocks that another program, such as Thanos, has uploaded. With it, only those are compacted beyond the first level.", &o.DelayCompactFile)
	f.duration("storage.remote.flush-deadline", "How long to wait for samples that are still to be sent, on shutdown and when an endpoint is removed.", &o.RemoteFlushDeadline)

	f.duration("storage.tsdb.min-block-duration", "Minimum duration of a block before it is written. For tests.", &o.MinBlockDuration).Hidden()
	f.duration("storage.tsdb.max-block-duration", "Maximum duration of a compacted block; by default a tenth of the retention. For tests.", &o.MaxBlockDuration).Default().Hidden()
	f.size64("storage.tsdb.max-block-chunk-segment-size", "Maximum size of a chunk file of a block.", &o.MaxBlockChunkSegmentSize).Hidden()
	f.size("storage.tsdb.wal-segment-size", "Size of a file of the write-ahead log.", &o.WALSegmentSize).Hidden()
	f.integer("storage.tsdb.samples-per-chunk", "Number of samples that a chunk aims at.", &o.SamplesPerChunk).Hidden()
	f.integer("storage.tsdb.delayed-compaction.max-percent", "Upper limit of the random delay of compactions, in percent of the block duration (--enable-feature=delayed-compaction).", &o.CompactionDelayMaxPercent).Hidden()
	f.duration("storage.tsdb.block-reload-interval", "Interval of looking for blocks that others have added or removed.", &o.BlockReloadInterval).Hidden()
	f.no("storage.tsdb.allow-overlapping-compaction", "Compact overlapping blocks.", &o.NoOverlappingCompaction).Hidden()
	f.walCompression(o)
}

// addQuery adds the limits of the query engine.
func (f *flags) addQuery(o *tsdb.Options) {
	f.group("Queries", "")
	f.duration("query.lookback-delta", "How far back a query looks for the latest sample.", &o.LookbackDelta)
	f.duration("query.timeout", "Time after which a query is aborted.", &o.QueryTimeout)
	f.integer("query.max-concurrency", "Maximum number of queries executed at the same time.", &o.QueryMaxConcurrency)
	f.integer("query.max-samples", "Maximum number of samples that one query may hold in memory; queries that need more fail.", &o.QueryMaxSamples)
}

// walCompression adds the two flags that Prometheus has for one setting.
func (f *flags) walCompression(o *tsdb.Options) {
	compress, algorithm := true, o.WALCompression
	f.yes("storage.tsdb.wal-compression", "Compress the write-ahead log.", &compress).Hidden()
	f.oneOf("storage.tsdb.wal-compression-type", "Algorithm for that.", &algorithm, compression.Snappy, compression.Zstd).Hidden()
	f.then(func() {
		o.WALCompression = algorithm
		if !compress {
			o.WALCompression = compression.None
		}
	})
}

func (f *flags) size(name, help string, target *int) *kingpin.FlagClause {
	return f.bytes(name, help, func(n int64) { *target = int(n) })
}

func (f *flags) size64(name, help string, target *int64) *kingpin.FlagClause {
	return f.bytes(name, help, func(n int64) { *target = n })
}

// bytes adds a flag that takes a size with its unit, and has no default.
func (f *flags) bytes(name, help string, set func(int64)) *kingpin.FlagClause {
	var size units.Base2Bytes
	clause := f.flag(name, help).PlaceHolder("<bytes>")
	clause.BytesVar(&size)
	f.then(func() {
		if size != 0 {
			set(int64(size))
		}
	})
	return clause
}
