package tsdb

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/prometheus/prometheus/util/compression"
)

const (
	mebibyte = 1 << 20

	minWALSegmentSize   = 10 * mebibyte
	maxWALSegmentSize   = 256 * mebibyte
	minChunkSegmentSize = mebibyte

	// defaultRetentionTime holds where neither flags nor configuration say
	// anything, as in upstream's cmd/prometheus/main.go.
	defaultRetentionTime = 15 * 24 * time.Hour
	// maxDefaultBlockDuration bounds what is derived from the retention time.
	maxDefaultBlockDuration = 31 * 24 * time.Hour
)

// Options are the settings that a configuration cannot change. Start from
// [DefaultOptions]; they follow the storage.* and query.* flags of upstream's
// cmd/prometheus/main.go in server mode.
type Options struct {
	// Dir is the data directory. It is created if it is missing. There is no default.
	Dir string

	// RetentionTime is how long samples are kept where the configuration has no
	// storage.tsdb.retention. Zero means no limit if RetentionSize is set, else 15 days.
	RetentionTime time.Duration
	// RetentionSize is how many bytes of blocks are kept where the configuration
	// has no storage.tsdb.retention. Zero means no limit.
	RetentionSize int64

	// MinBlockDuration is what a block spans before it is compacted. Default 2h,
	// also meant by zero.
	MinBlockDuration time.Duration
	// MaxBlockDuration is what a compacted block spans at most. Zero means a
	// tenth of the retention time, at most 31 days.
	MaxBlockDuration time.Duration
	// MaxBlockChunkSegmentSize is the size in bytes of a chunk file in a block, at
	// least 1 MiB. Zero means the engine's 512 MiB.
	MaxBlockChunkSegmentSize int64
	// WALSegmentSize is the size in bytes of a file of the write-ahead log, from
	// 10 to 256 MiB. Zero means the engine's 128 MiB.
	WALSegmentSize int
	// WALCompression is "snappy" (the default, also meant by the empty string),
	// "zstd" or "none".
	WALCompression string
	// NoLockfile leaves out the file that keeps a second process out.
	NoLockfile bool
	// NoOverlappingCompaction leaves overlapping blocks to another program.
	NoOverlappingCompaction bool
	// HeadChunksWriteQueueSize is the length of the queue through which chunks
	// reach the disk. Zero, the default, writes without a queue.
	HeadChunksWriteQueueSize int
	// SamplesPerChunk is what a chunk aims at. Default 120, also meant by zero.
	SamplesPerChunk int
	// StripeSize is the number of entries of the hash map of series, a power of
	// two. Zero means the engine's 16384.
	StripeSize int
	// BlockReloadInterval is how often blocks are looked for that others have
	// added or removed. Default 1m, also meant by zero; below 1s it is taken as 1s.
	BlockReloadInterval time.Duration
	// DelayCompactFile is the path of a JSON file that lists, under "uploaded",
	// the blocks that another program has copied: only those are compacted further.
	// Empty means that compaction waits for nobody.
	DelayCompactFile string
	// DelayedCompaction delays each compaction of the head by a random time.
	DelayedCompaction bool
	// CompactionDelayMaxPercent bounds that time, in percent of the block
	// duration. Default 10; outside of 1 to 100 it is taken as 10.
	CompactionDelayMaxPercent int

	// ExemplarStorage keeps exemplars in memory, as many as the configuration's
	// storage.exemplars says.
	ExemplarStorage bool
	// MemorySnapshotOnShutdown writes what is in memory on Close, which makes the
	// next Open faster.
	MemorySnapshotOnShutdown bool
	// FastStartup keeps what a start needs in a file of its own.
	FastStartup bool
	// UncachedIO writes blocks past the page cache, where the system can do that.
	UncachedIO bool
	// MetadataWALRecords writes the metadata of series to the write-ahead log.
	MetadataWALRecords bool
	// CreatedTimestampZeroIngestion stores a zero sample where a counter began.
	CreatedTimestampZeroIngestion bool
	// XOR2Encoding makes xor2 the encoding of float chunks where the
	// configuration has no storage.tsdb.chunk_encoding.
	XOR2Encoding bool
	// HistogramSTEncoding lets histogram chunks hold start timestamps.
	HistogramSTEncoding bool
	// STStorage stores start timestamps; it implies the two encodings above.
	STStorage bool

	// RemoteFlushDeadline is how long Close, and the removal of a remote write
	// endpoint, wait for what is still to be sent. Default 1m.
	RemoteFlushDeadline time.Duration

	// LookbackDelta is how far back a query looks for a sample. Default 5m, also
	// meant by zero.
	LookbackDelta time.Duration
	// QueryTimeout aborts queries. Default 2m.
	QueryTimeout time.Duration
	// QueryMaxConcurrency is how many queries run at once. Default 20.
	QueryMaxConcurrency int
	// QueryMaxSamples is how many samples one query may hold in memory. Default 50,000,000.
	QueryMaxSamples int
	// PerStepStats lets queries ask for statistics of each step.
	PerStepStats bool
	// DelayedNameRemoval keeps the metric name to the last step of a query.
	DelayedNameRemoval bool
	// UseStartTimestamps lets functions such as rate use start timestamps.
	UseStartTimestamps bool
	// TypeAndUnitLabels lets the engine and remote write use the labels
	// __type__ and __unit__.
	TypeAndUnitLabels bool
	// Parser switches parts of PromQL on. Duration expressions are on by default.
	Parser parser.Options
}

// DefaultOptions are the defaults of Prometheus's flags. Dir is left to the caller.
func DefaultOptions() Options {
	return Options{
		MinBlockDuration:          time.Duration(tsdb.DefaultBlockDuration) * time.Millisecond,
		WALCompression:            compression.Snappy,
		SamplesPerChunk:           tsdb.DefaultSamplesPerChunk,
		BlockReloadInterval:       time.Minute,
		CompactionDelayMaxPercent: tsdb.DefaultCompactionDelayMaxPercent,
		RemoteFlushDeadline:       time.Minute,
		LookbackDelta:             5 * time.Minute,
		QueryTimeout:              2 * time.Minute,
		QueryMaxConcurrency:       20,
		QueryMaxSamples:           50_000_000,
		Parser:                    parser.Options{ExperimentalDurationExpr: true},
	}
}

// Validate reports every problem at once.
func (o Options) Validate() error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(o.Dir != "", "Dir is empty: name the data directory")
	require(o.RetentionTime >= 0, "RetentionTime is %s: it must not be negative", o.RetentionTime)
	require(o.RetentionSize >= 0, "RetentionSize is %d: it must not be negative", o.RetentionSize)
	require(o.MinBlockDuration >= 0, "MinBlockDuration is %s: it must not be negative", o.MinBlockDuration)
	require(o.MaxBlockDuration == 0 || o.MaxBlockDuration >= o.MinBlockDuration,
		"MaxBlockDuration is %s: it must be 0 or at least MinBlockDuration (%s)", o.MaxBlockDuration, o.MinBlockDuration)
	require(o.MaxBlockChunkSegmentSize == 0 || o.MaxBlockChunkSegmentSize >= minChunkSegmentSize,
		"MaxBlockChunkSegmentSize is %d: it must be 0 or at least %d (1MB)", o.MaxBlockChunkSegmentSize, minChunkSegmentSize)
	require(o.WALSegmentSize == 0 || minWALSegmentSize <= o.WALSegmentSize && o.WALSegmentSize <= maxWALSegmentSize,
		"WALSegmentSize is %d: it must be 0 or between %d (10MB) and %d (256MB)", o.WALSegmentSize, minWALSegmentSize, maxWALSegmentSize)
	require(validCompression(o.WALCompression), "WALCompression is %q: it must be one of %q", o.WALCompression, compression.Types())
	require(o.HeadChunksWriteQueueSize >= 0, "HeadChunksWriteQueueSize is %d: it must not be negative", o.HeadChunksWriteQueueSize)
	require(o.SamplesPerChunk >= 0, "SamplesPerChunk is %d: it must not be negative", o.SamplesPerChunk)
	require(o.StripeSize >= 0 && o.StripeSize&(o.StripeSize-1) == 0, "StripeSize is %d: it must be 0 or a power of two", o.StripeSize)
	require(o.BlockReloadInterval >= 0, "BlockReloadInterval is %s: it must not be negative", o.BlockReloadInterval)
	require(!o.UncachedIO || fileutil.UncachedIOSupported(), "UncachedIO is true: this system does not support it")
	require(o.RemoteFlushDeadline >= 0, "RemoteFlushDeadline is %s: it must not be negative", o.RemoteFlushDeadline)
	require(o.LookbackDelta >= 0, "LookbackDelta is %s: it must not be negative", o.LookbackDelta)
	require(o.QueryTimeout > 0, "QueryTimeout is %s: it must be positive", o.QueryTimeout)
	require(o.QueryMaxConcurrency > 0, "QueryMaxConcurrency is %d: it must be positive", o.QueryMaxConcurrency)
	require(o.QueryMaxSamples > 0, "QueryMaxSamples is %d: it must be positive", o.QueryMaxSamples)
	return errors.Join(errs...)
}

func validCompression(name string) bool {
	switch name {
	case "", compression.None, compression.Snappy, compression.Zstd:
		return true
	}
	return false
}
