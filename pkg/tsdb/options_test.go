package tsdb

import (
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"
)

func TestOptions_DefaultsAreValidWithADirectory(t *testing.T) {
	opts := DefaultOptions()
	require.EqualError(t, opts.Validate(), "Dir is empty: name the data directory")
	opts.Dir = "data"
	require.NoError(t, opts.Validate())
}

func TestOptions_ValidateReportsEveryProblem(t *testing.T) {
	opts := Options{
		RetentionTime: -1, RetentionSize: -1,
		MinBlockDuration: 2 * time.Hour, MaxBlockDuration: time.Hour,
		MaxBlockChunkSegmentSize: 1, WALSegmentSize: 1, WALCompression: "gzip",
		HeadChunksWriteQueueSize: -1, SamplesPerChunk: -1, StripeSize: 3, BlockReloadInterval: -1,
		RemoteFlushDeadline: -1, LookbackDelta: -1,
	}
	err := opts.Validate()
	for _, field := range []string{
		"Dir", "RetentionTime", "RetentionSize", "MaxBlockDuration", "MaxBlockChunkSegmentSize", "WALSegmentSize",
		`WALCompression is "gzip"`, "HeadChunksWriteQueueSize", "SamplesPerChunk", "StripeSize", "BlockReloadInterval",
		"RemoteFlushDeadline", "LookbackDelta", "QueryTimeout", "QueryMaxConcurrency", "QueryMaxSamples",
	} {
		require.ErrorContains(t, err, field)
	}
}

func TestOptions_WALSegmentSizeBounds(t *testing.T) {
	opts := DefaultOptions()
	opts.Dir = "data"
	for size, ok := range map[int]bool{0: true, 10<<20 - 1: false, 10 << 20: true, 256 << 20: true, 256<<20 + 1: false} {
		opts.WALSegmentSize = size
		require.Equal(t, ok, opts.Validate() == nil, "%d", size)
	}
}

func TestOptions_Retention(t *testing.T) {
	days := func(n int) model.Duration { return model.Duration(time.Duration(n) * 24 * time.Hour) }
	flags := Options{RetentionTime: 48 * time.Hour, RetentionSize: 1 << 20}
	for name, test := range map[string]struct {
		opts Options
		text string
		want promconfig.TSDBRetentionConfig
	}{
		"neither says anything":       {want: promconfig.TSDBRetentionConfig{Time: days(15)}},
		"flags":                       {opts: flags, want: promconfig.TSDBRetentionConfig{Time: days(2), Size: units.Base2Bytes(1 << 20)}},
		"only the size flag":          {opts: Options{RetentionSize: 1 << 20}, want: promconfig.TSDBRetentionConfig{Size: units.Base2Bytes(1 << 20)}},
		"configuration":               {opts: flags, text: "storage: {tsdb: {retention: {time: 3d, percentage: 50}}}", want: promconfig.TSDBRetentionConfig{Time: days(3), Percentage: 50}},
		"configuration says for ever": {opts: flags, text: "storage: {tsdb: {retention: {time: 0s}}}"},
		"section without retention":   {opts: flags, text: "storage: {tsdb: {out_of_order_time_window: 1h}}", want: promconfig.TSDBRetentionConfig{Time: days(2), Size: units.Base2Bytes(1 << 20)}},
		"empty retention":             {text: "storage: {tsdb: {retention: }}", want: promconfig.TSDBRetentionConfig{Time: days(15)}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, test.opts.retention(effective(t, test.text)))
		})
	}
}

func TestOptions_MaxBlockDurationFollowsRetention(t *testing.T) {
	opts := DefaultOptions()
	require.Equal(t, 36*time.Hour, opts.maxBlockDuration(15*24*time.Hour))
	require.Equal(t, 31*24*time.Hour, opts.maxBlockDuration(0))
	require.Equal(t, 31*24*time.Hour, opts.maxBlockDuration(10*365*24*time.Hour))
	opts.MaxBlockDuration = 2 * time.Hour
	require.Equal(t, 2*time.Hour, opts.maxBlockDuration(0))
}

func TestOptions_FloatChunkEncoding(t *testing.T) {
	for name, test := range map[string]struct {
		opts Options
		text string
		want chunkenc.Encoding
	}{
		"default":                           {want: chunkenc.EncXOR},
		"flag":                              {opts: Options{XOR2Encoding: true}, want: chunkenc.EncXOR2},
		"configuration wins":                {opts: Options{XOR2Encoding: true}, text: "storage: {tsdb: {chunk_encoding: {floats: xor}}}", want: chunkenc.EncXOR},
		"configuration":                     {text: "storage: {tsdb: {chunk_encoding: {floats: xor2}}}", want: chunkenc.EncXOR2},
		"start timestamps need the new one": {opts: Options{STStorage: true}, want: chunkenc.EncXOR2},
	} {
		t.Run(name, func(t *testing.T) {
			storage := test.opts.storage(effective(t, test.text))
			require.Equal(t, test.want, test.opts.floatChunkEncoding(&storage))
		})
	}
}

func TestDescribeRetention(t *testing.T) {
	require.Empty(t, describeRetention(promconfig.TSDBRetentionConfig{}))
	require.Equal(t, "15d or 512MiB or 12.5%", describeRetention(promconfig.TSDBRetentionConfig{
		Time: model.Duration(15 * 24 * time.Hour), Size: 512 * units.MiB, Percentage: 12.5,
	}))
}
