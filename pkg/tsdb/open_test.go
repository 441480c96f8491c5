package tsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
)

func TestStore_KeepsSamplesAcrossReopen(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	inDir := func(o *Options) { o.Dir = dir }
	first := startStore(t, "", inDir)
	require.NoError(t, first.append(t, now, 42, "__name__", "answer"))
	require.NoError(t, first.Close(t.Context()))

	second := startStore(t, "", inDir)
	require.Equal(t, map[string]float64{`{__name__="answer"}`: 42}, second.query(t, now, "answer"))
}

func TestStore_SideBySide(t *testing.T) {
	a, b := startStore(t, "", nil), startStore(t, "", nil)
	now := time.Now()
	require.NoError(t, a.append(t, now, 1, "__name__", "only_in_a"))
	require.Len(t, a.query(t, now, "only_in_a"), 1)
	require.Empty(t, b.query(t, now, "only_in_a"))
}

func TestStore_NotReadyBeforeOpen(t *testing.T) {
	s := newStore(t, nil)
	requireNotReady(t, s)
	status, err := s.Local().WALReplayStatus()
	require.NoError(t, err)
	require.Zero(t, status.Max)
	select {
	case <-s.Opened():
		require.Fail(t, "not open yet")
	default:
	}
	require.Empty(t, s.RetentionInfo())
	require.NoFileExists(t, filepath.Join(s.opts.Dir, "queries.active"))
}

func requireNotReady(t *testing.T, s *testStore) {
	t.Helper()
	require.ErrorIs(t, s.append(t, time.Now(), 1, "__name__", "m"), tsdb.ErrNotReady)
	require.ErrorIs(t, s.queryErr(t, "1"), tsdb.ErrNotReady)
	app := s.Storage().AppenderV2(t.Context())
	require.ErrorIs(t, app.Commit(), tsdb.ErrNotReady)
	_, err := s.Local().Querier(0, 1)
	require.ErrorIs(t, err, tsdb.ErrNotReady)
	_, err = s.Local().ChunkQuerier(0, 1)
	require.ErrorIs(t, err, tsdb.ErrNotReady)
	_, err = s.Local().ExemplarQuerier(t.Context())
	require.ErrorIs(t, err, tsdb.ErrNotReady)
	_, err = s.Local().StartTime()
	require.ErrorIs(t, err, tsdb.ErrNotReady)
	_, err = s.Local().Stats("__name__", 1)
	require.ErrorIs(t, err, tsdb.ErrNotReady)
	_, err = s.Local().BlockMetas()
	require.ErrorIs(t, err, tsdb.ErrNotReady)
	require.ErrorIs(t, s.Local().CleanTombstones(), tsdb.ErrNotReady)
	require.ErrorIs(t, s.Local().Delete(t.Context(), 0, 1), tsdb.ErrNotReady)
	require.ErrorIs(t, s.Local().Snapshot(t.TempDir(), true), tsdb.ErrNotReady)
}

func TestStore_NotReadyAfterClose(t *testing.T) {
	s := startStore(t, "", nil)
	require.NoError(t, s.Close(t.Context()))
	requireNotReady(t, s)
	require.EqualError(t, s.Open(t.Context(), effective(t, "")), "tsdb: Open has been called before")
}

func TestStore_AdministersWhatIsOpen(t *testing.T) {
	s := startStore(t, "", nil)
	now := time.Now()
	require.NoError(t, s.append(t, now, 1, "__name__", "m"))
	stats, err := s.Local().Stats("__name__", 10)
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.NumSeries)

	snapshot := t.TempDir()
	require.NoError(t, s.Local().Snapshot(snapshot, true))
	require.NotEmpty(t, mustGlob(t, filepath.Join(snapshot, "*", "meta.json")))

	require.NoError(t, s.Local().Delete(t.Context(), 0, now.UnixMilli(), labels.MustNewMatcher(labels.MatchEqual, "__name__", "m")))
	require.Empty(t, s.query(t, now, "m"))
	require.NoError(t, s.Local().CleanTombstones())
	metas, err := s.Local().BlockMetas()
	require.NoError(t, err)
	require.Empty(t, metas)
	start, err := s.Local().StartTime()
	require.NoError(t, err)
	require.InDelta(t, now.Add(4*time.Hour).UnixMilli(), start, 60_000)
}

func mustGlob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	require.NoError(t, err)
	return found
}

func TestStore_RegistersMetricsAndFeatures(t *testing.T) {
	s := startStore(t, "", func(o *Options) { o.MetadataWALRecords = true })
	require.NoError(t, s.append(t, time.UnixMilli(5000), 1, "__name__", "m"))
	require.Equal(t, 5.0, s.metric(t, "prometheus_tsdb_lowest_timestamp_seconds"))
	require.Equal(t, 5.0, s.metric(t, "prometheus_tsdb_head_min_time_seconds"))
	require.Equal(t, 5.0, s.metric(t, "prometheus_tsdb_head_max_time_seconds"))
	require.Equal(t, 20.0, s.metric(t, "prometheus_engine_queries_concurrent_max"))
	require.True(t, s.features.Get()["tsdb"]["metadata_wal_records"])
	require.Contains(t, s.features.Get()["promql"], "per_step_stats")
}

func TestStore_EverythingSwitchedOn(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	everything := func(o *Options) {
		o.Dir = dir
		o.RetentionTime, o.RetentionSize = 24*time.Hour, 1<<30
		o.MaxBlockChunkSegmentSize, o.WALSegmentSize, o.WALCompression = 1<<20, 10<<20, "zstd"
		o.NoLockfile, o.NoOverlappingCompaction = true, true
		o.HeadChunksWriteQueueSize, o.SamplesPerChunk, o.StripeSize = 10, 60, 1<<10
		o.DelayCompactFile, o.DelayedCompaction, o.CompactionDelayMaxPercent = filepath.Join(dir, "shipper.json"), true, 50
		o.ExemplarStorage, o.MemorySnapshotOnShutdown, o.FastStartup, o.MetadataWALRecords = true, true, true, true
		o.CreatedTimestampZeroIngestion, o.XOR2Encoding, o.HistogramSTEncoding, o.STStorage = true, true, true, true
		o.PerStepStats, o.DelayedNameRemoval, o.UseStartTimestamps, o.TypeAndUnitLabels = true, true, true, true
		o.Parser.EnableExperimentalFunctions = true
	}
	first := startStore(t, "", everything)
	require.NoError(t, first.append(t, now, 42, "__name__", "answer"))
	require.NoError(t, first.Close(t.Context()))
	require.NotEmpty(t, mustGlob(t, filepath.Join(dir, "chunk_snapshot.*")))

	second := startStore(t, "", everything)
	require.Equal(t, "1d or 1GiB", second.RetentionInfo())
	require.Equal(t, map[string]float64{`{__name__="answer"}`: 42}, second.query(t, now, "sort_by_label(answer, 'a')"))
	require.True(t, second.features.Get()["tsdb"]["st_storage"])
}

func TestStore_OpenTwiceFails(t *testing.T) {
	s := startStore(t, "", nil)
	require.EqualError(t, s.Open(t.Context(), effective(t, "")), "tsdb: Open has been called before")
}

func TestStore_OpenAfterCloseFails(t *testing.T) {
	s := newStore(t, nil)
	require.NoError(t, s.Close(t.Context()))
	require.EqualError(t, s.Open(t.Context(), effective(t, "")), "tsdb: Open called after Close")
}

func TestStore_OpenInUseBySameProcess(t *testing.T) {
	running := startStore(t, "", nil)
	second := newStore(t, func(o *Options) { o.Dir = running.opts.Dir })
	err := second.Open(t.Context(), effective(t, ""))
	require.ErrorIs(t, err, syscall.EAGAIN)
	require.ErrorContains(t, err, fmt.Sprintf("data directory %q is in use by", running.opts.Dir))
	require.ErrorContains(t, err, "stop that, or name another directory")
	require.NoError(t, second.Close(t.Context()))
	require.NoError(t, running.append(t, time.Now(), 1, "__name__", "m"), "the first one goes on")
	require.Len(t, running.query(t, time.Now(), "m"), 1, "its file of active queries is left alone")
}

func TestStore_OpenInUseByOtherProcess(t *testing.T) {
	s := newStore(t, nil)
	pid := lockInOtherProcess(t, filepath.Join(s.opts.Dir, "lock"))
	err := s.Open(t.Context(), effective(t, ""))
	require.ErrorIs(t, err, syscall.EAGAIN)
	if locks, _ := os.ReadFile("/proc/locks"); len(locks) > 0 {
		require.ErrorContains(t, err, fmt.Sprintf("in use by process %d (", pid))
	}
	require.NotContains(t, err.Error(), "\n")
}

func TestLockingProcess(t *testing.T) {
	const locks = `1: POSIX  ADVISORY  WRITE 11 08:02:131124 0 EOF
2: FLOCK  ADVISORY  WRITE 4711 08:02:131124 0 EOF
2: -> FLOCK  ADVISORY  WRITE 12 08:02:999 0 EOF
3: FLOCK  ADVISORY  WRITE 4712 08:02:1131124 0 EOF
4: FLOCK  ADVISORY  WRITE -1 08:02:77 0 EOF
`
	require.Equal(t, 4711, lockingProcess(locks, 131124))
	require.Zero(t, lockingProcess(locks, 31124), "not by the end of another number")
	require.Zero(t, lockingProcess(locks, 77), "of a process in another namespace")
}

// asOtherUser runs f on a thread that has no rights on what root owns.
func asOtherUser(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		_, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
		if errno == 0 {
			f()
		}
	}()
	<-done
}

func TestStore_OpenNotWritable(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(dir, 0o555))
	s := newStore(t, func(o *Options) { o.Dir = dir })
	var err error
	asOtherUser(t, func() { err = s.Open(context.Background(), effective(t, "")) })
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, fmt.Sprintf("data directory %q cannot be written by uid", dir))
	require.ErrorContains(t, err, fmt.Sprintf("(%q belongs to uid %d, mode dr-xr-xr-x)", dir, os.Getuid()))
}

func TestStore_OpenNotADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	s := newStore(t, func(o *Options) { o.Dir = file })
	require.ErrorContains(t, s.Open(t.Context(), effective(t, "")), fmt.Sprintf("data directory %q is not a directory", file))
}

func TestExplain(t *testing.T) {
	for errno, text := range map[syscall.Errno]string{
		syscall.EROFS:  `data directory "d" is on a read-only file system: mount it writable, or name another directory: write d/wal: read-only file system`,
		syscall.ENOSPC: `data directory "d" has no space left: free some, or lower the retention: write d/wal: no space left on device`,
		syscall.EDQUOT: `data directory "d" has no space left: free some, or lower the retention: write d/wal: disk quota exceeded`,
		syscall.EIO:    `open data directory "d": write d/wal: input/output error`,
	} {
		err := explain("d", &fs.PathError{Op: "write", Path: "d/wal", Err: errno})
		require.EqualError(t, err, text)
		require.ErrorIs(t, err, errno)
	}
}

func TestStore_OpenNewerFormat(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, block string){
		"meta.json": func(t *testing.T, block string) {
			path := filepath.Join(block, "meta.json")
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			var meta map[string]any
			require.NoError(t, json.Unmarshal(text, &meta))
			meta["version"] = 2
			text, err = json.Marshal(meta)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, text, 0o600))
		},
		"index":  func(t *testing.T, block string) { setFormat(t, filepath.Join(block, "index"), 9) },
		"chunks": func(t *testing.T, block string) { setFormat(t, filepath.Join(block, "chunks", "000001"), 9) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := dirWithBlock(t)
			block := filepath.Dir(mustGlob(t, filepath.Join(dir, "*", "meta.json"))[0])
			damage(t, block)
			s := newStore(t, func(o *Options) { o.Dir = dir })
			err := s.Open(t.Context(), effective(t, ""))
			require.ErrorContains(t, err, fmt.Sprintf("data directory %q was written by a newer version: run that, or move these blocks away", dir))
			require.ErrorContains(t, err, filepath.Base(block))
			require.ErrorContains(t, err, name+" has format")
		})
	}
}

// dirWithBlock returns a data directory with one block.
func dirWithBlock(t *testing.T) string {
	t.Helper()
	s := startStore(t, "", nil)
	require.NoError(t, s.append(t, time.Now(), 1, "__name__", "m"))
	dir := t.TempDir()
	require.NoError(t, s.Local().Snapshot(dir, true))
	require.NoError(t, s.Close(t.Context()))
	return dir
}

func setFormat(t *testing.T, path string, format byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{format}, formatOffset)
	require.NoError(t, errors.Join(err, f.Close()))
}

func TestStore_OpenOpensBlocks(t *testing.T) {
	dir := dirWithBlock(t)
	s := startStore(t, "", func(o *Options) { o.Dir = dir })
	metas, err := s.Local().BlockMetas()
	require.NoError(t, err)
	require.Len(t, metas, 1)
}

// blockReplay makes the replay of the log in dir wait until the returned func is
// called: a named pipe is read until somebody has written to it.
func blockReplay(t *testing.T, dir string) (release func()) {
	t.Helper()
	pipe := filepath.Join(dir, "wal", "00000000")
	require.NoError(t, os.MkdirAll(filepath.Dir(pipe), 0o700))
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	return func() {
		f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

func TestStore_OpenReturnsWhenToldToDuringReplay(t *testing.T) {
	dir := t.TempDir()
	release := blockReplay(t, dir)
	s := newStore(t, func(o *Options) { o.Dir = dir })
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	first := effective(t, "")
	go func() { result <- s.Open(ctx, first) }()
	require.Eventually(t, func() bool {
		status, err := s.Local().WALReplayStatus()
		return err == nil && status.Max > 0
	}, 10*time.Second, time.Millisecond, "the replay begins")
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)

	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := s.Close(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, "close data directory "+strconv.Quote(dir)+": still waiting for the replay of the write-ahead log, which cannot be interrupted: context deadline exceeded")

	release()
	require.NoError(t, s.Close(t.Context()))
	requireNotReady(t, s)
	require.NoFileExists(t, filepath.Join(dir, "lock"), "what was opened has been closed again")
}

func TestStore_CloseIsIdempotent(t *testing.T) {
	s := startStore(t, "", nil)
	results := make(chan error)
	for range 3 {
		go func() { results <- s.Close(context.Background()) }()
	}
	for range 3 {
		require.NoError(t, <-results)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, s.Close(cancelled), "it is closed already")
}

func TestUploads_DelayCompaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shipper.json")
	copied, waiting := ulid.MustNew(1, nil), ulid.MustNew(2, nil)
	meta := func(id ulid.ULID, level int) *tsdb.BlockMeta {
		return &tsdb.BlockMeta{ULID: id, Compaction: tsdb.BlockMetaCompaction{Level: level}}
	}
	u := newUploads(path, newStore(t, nil).log)
	require.False(t, u.excluded(meta(waiting, 1)), "there is no file yet: nothing waits for it")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `{"uploaded": [%q]}`, copied), 0o600))
	require.True(t, u.excluded(meta(waiting, 1)))
	require.False(t, u.excluded(meta(copied, 1)))
	require.False(t, u.excluded(meta(waiting, 2)), "larger blocks are never copied")
}
