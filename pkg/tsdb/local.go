package tsdb

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// Local is the database on disk, as everybody else sees it: one that is there
// from the start, and answers [tsdb.ErrNotReady] while it is not open. It
// follows readyStorage of upstream's cmd/prometheus/main.go and has what its web
// API needs: storage.Storage, storage.ExemplarQueryable and TSDBAdminStats.
type Local struct {
	db     atomic.Pointer[tsdb.DB] // nil before Open and after Close
	stats  *tsdb.DBStats
	margin time.Duration // added to the start time: it takes a while until everything has come up
}

var (
	_ storage.Storage           = (*Local)(nil)
	_ storage.ExemplarQueryable = (*Local)(nil)
)

// StartTime is that of the oldest block in milliseconds, or about now if there
// is none.
func (l *Local) StartTime() (int64, error) {
	db := l.db.Load()
	if db == nil {
		return math.MaxInt64, tsdb.ErrNotReady
	}
	if blocks := db.Blocks(); len(blocks) > 0 {
		return blocks[0].Meta().MinTime + l.margin.Milliseconds(), nil
	}
	return time.Now().Add(l.margin).UnixMilli(), nil
}

// Querier implements storage.Queryable.
func (l *Local) Querier(mint, maxt int64) (storage.Querier, error) {
	if db := l.db.Load(); db != nil {
		return db.Querier(mint, maxt)
	}
	return nil, tsdb.ErrNotReady
}

// ChunkQuerier implements storage.ChunkQueryable.
func (l *Local) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	if db := l.db.Load(); db != nil {
		return db.ChunkQuerier(mint, maxt)
	}
	return nil, tsdb.ErrNotReady
}

// ExemplarQuerier implements storage.ExemplarQueryable.
func (l *Local) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	if db := l.db.Load(); db != nil {
		return db.ExemplarQuerier(ctx)
	}
	return nil, tsdb.ErrNotReady
}

// Appender implements storage.Appendable. While the database is not open, each
// call on what it returns is an error.
func (l *Local) Appender(ctx context.Context) storage.Appender {
	if db := l.db.Load(); db != nil {
		return db.Appender(ctx)
	}
	return notReady{}
}

// AppenderV2 implements storage.AppendableV2, as Appender does.
func (l *Local) AppenderV2(ctx context.Context) storage.AppenderV2 {
	if db := l.db.Load(); db != nil {
		return db.AppenderV2(ctx)
	}
	return notReadyV2{}
}

// CleanTombstones removes deleted samples from disk.
func (l *Local) CleanTombstones() error {
	if db := l.db.Load(); db != nil {
		return db.CleanTombstones()
	}
	return tsdb.ErrNotReady
}

// Delete marks the samples that match, in the given range of milliseconds, as
// deleted.
func (l *Local) Delete(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) error {
	if db := l.db.Load(); db != nil {
		return db.Delete(ctx, mint, maxt, ms...)
	}
	return tsdb.ErrNotReady
}

// Snapshot writes all blocks, and what is in memory if withHead, to dir.
func (l *Local) Snapshot(dir string, withHead bool) error {
	if db := l.db.Load(); db != nil {
		return db.Snapshot(dir, withHead)
	}
	return tsdb.ErrNotReady
}

// Stats counts what is in memory.
func (l *Local) Stats(statsByLabelName string, limit int) (*tsdb.Stats, error) {
	if db := l.db.Load(); db != nil {
		return db.Head().Stats(statsByLabelName, limit), nil
	}
	return nil, tsdb.ErrNotReady
}

// BlockMetas describes all blocks on disk.
func (l *Local) BlockMetas() ([]tsdb.BlockMeta, error) {
	if db := l.db.Load(); db != nil {
		return db.BlockMetas(), nil
	}
	return nil, tsdb.ErrNotReady
}

// WALReplayStatus tells how far the replay is; also before the database is open.
func (l *Local) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return l.stats.Head.WALReplayStatus.GetWALReplayStatus(), nil
}

// Close closes the database if it is open. It is for [Store.Close]: nothing new
// reaches a database that is about to close, whose Append would go on to
// succeed.
func (l *Local) Close() error {
	if db := l.db.Swap(nil); db != nil {
		return db.Close()
	}
	return nil
}

type notReady struct{}

func (notReady) SetOptions(*storage.AppendOptions) {}

func (notReady) Append(storage.SeriesRef, labels.Labels, int64, float64) (storage.SeriesRef, error) {
	return 0, tsdb.ErrNotReady
}

func (notReady) AppendExemplar(storage.SeriesRef, labels.Labels, exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, tsdb.ErrNotReady
}

func (notReady) AppendHistogram(storage.SeriesRef, labels.Labels, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, tsdb.ErrNotReady
}

func (notReady) AppendHistogramSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, tsdb.ErrNotReady
}

func (notReady) AppendSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64) (storage.SeriesRef, error) {
	return 0, tsdb.ErrNotReady
}

func (notReady) UpdateMetadata(storage.SeriesRef, labels.Labels, metadata.Metadata) (storage.SeriesRef, error) {
	return 0, tsdb.ErrNotReady
}

func (notReady) Commit() error { return tsdb.ErrNotReady }

func (notReady) Rollback() error { return tsdb.ErrNotReady }

type notReadyV2 struct{}

func (notReadyV2) Append(storage.SeriesRef, labels.Labels, int64, int64, float64, *histogram.Histogram, *histogram.FloatHistogram, storage.AOptions) (storage.SeriesRef, error) {
	return 0, tsdb.ErrNotReady
}

func (notReadyV2) Commit() error { return tsdb.ErrNotReady }

func (notReadyV2) Rollback() error { return tsdb.ErrNotReady }
