package tsdb

import (
	"log/slog"
	"time"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/compression"
	"github.com/prometheus/prometheus/util/features"
)

// engineOptions translates into what the engine is opened with. What storage
// says is put in as well, since the engine reads it while it replays. It follows
// upstream's cmd/prometheus/main.go.
func (o Options) engineOptions(storage *promconfig.StorageConfig, log *slog.Logger, registry features.Collector) *tsdb.Options {
	retention := storage.TSDBConfig.Retention
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = time.Duration(retention.Time).Milliseconds()
	opts.MaxBytes = int64(retention.Size)
	opts.MaxPercentage = retention.Percentage
	opts.OutOfOrderTimeWindow = storage.TSDBConfig.OutOfOrderTimeWindow
	opts.StaleSeriesCompactionThreshold = storage.TSDBConfig.StaleSeriesCompactionThreshold
	opts.FloatChunkEncoding = o.floatChunkEncoding(storage)
	opts.EnableExemplarStorage = o.ExemplarStorage
	if o.ExemplarStorage {
		opts.MaxExemplars = storage.ExemplarsConfig.MaxExemplars
	}

	opts.MinBlockDuration = o.minBlockDuration().Milliseconds()
	opts.MaxBlockDuration = o.maxBlockDuration(time.Duration(retention.Time)).Milliseconds()
	opts.MaxBlockChunkSegmentSize = o.MaxBlockChunkSegmentSize
	opts.WALSegmentSize = o.WALSegmentSize
	opts.WALCompression = o.walCompression()
	opts.NoLockfile = o.NoLockfile
	opts.EnableOverlappingCompaction = !o.NoOverlappingCompaction
	opts.HeadChunksWriteQueueSize = o.HeadChunksWriteQueueSize
	opts.SamplesPerChunk = o.SamplesPerChunk
	opts.StripeSize = o.StripeSize
	opts.BlockReloadInterval = o.BlockReloadInterval
	opts.EnableDelayedCompaction = o.DelayedCompaction
	if p := o.CompactionDelayMaxPercent; 0 < p && p <= 100 {
		opts.CompactionDelayMaxPercent = p
	}
	if o.DelayCompactFile != "" {
		opts.BlockCompactionExcludeFunc = newUploads(o.DelayCompactFile, log).excluded
	}

	opts.EnableMemorySnapshotOnShutdown = o.MemorySnapshotOnShutdown
	opts.EnableFastStartup = o.FastStartup
	opts.UseUncachedIO = o.UncachedIO
	opts.EnableMetadataWALRecords = o.MetadataWALRecords
	opts.EnableSTAsZeroSample = o.CreatedTimestampZeroIngestion
	opts.EnableSTStorage = o.STStorage
	opts.EnableHistogramSTEncoding = o.HistogramSTEncoding || o.STStorage
	opts.FeatureRegistry = registry
	return opts
}

func (o Options) floatChunkEncoding(storage *promconfig.StorageConfig) chunkenc.Encoding {
	switch storage.TSDBConfig.ChunkEncoding.Floats {
	case promconfig.FloatChunkEncodingXOR:
		return chunkenc.EncXOR
	case promconfig.FloatChunkEncodingXOR2:
		return chunkenc.EncXOR2
	}
	if o.XOR2Encoding || o.STStorage {
		return chunkenc.EncXOR2
	}
	return chunkenc.EncXOR
}

func (o Options) minBlockDuration() time.Duration {
	if o.MinBlockDuration == 0 {
		return time.Duration(tsdb.DefaultBlockDuration) * time.Millisecond
	}
	return o.MinBlockDuration
}

func (o Options) maxBlockDuration(retention time.Duration) time.Duration {
	switch {
	case o.MaxBlockDuration != 0:
		return o.MaxBlockDuration
	case retention != 0 && retention/10 < maxDefaultBlockDuration:
		return retention / 10
	default:
		return maxDefaultBlockDuration
	}
}

func (o Options) walCompression() compression.Type {
	if o.WALCompression == "" {
		return compression.Snappy
	}
	return o.WALCompression
}
