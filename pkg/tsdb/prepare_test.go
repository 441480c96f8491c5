package tsdb

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestPrepare_NothingToDo(t *testing.T) {
	const text = `
global: {query_log_file: %q, external_labels: {a: b}}
storage: {tsdb: {out_of_order_time_window: 1h, retention: {time: 3d}}, exemplars: {max_exemplars: 10}}
remote_write: [{url: "http://localhost:1/write", basic_auth: {username: u, password: p}, write_relabel_configs: [{source_labels: [a], regex: "x.*", action: keep}]}]
remote_read: [{url: "http://localhost:1/read"}]
`
	full := fmt.Sprintf(text, filepath.Join(t.TempDir(), "query.log"))
	s := startStore(t, full, nil)
	step, err := s.Prepare(effective(t, full), effective(t, full))
	require.NoError(t, err)
	require.Empty(t, step.Changes)
	require.Nil(t, step.Commit)
}

func TestPrepare_ExternalLabelsAloneChangeNothing(t *testing.T) {
	s := startStore(t, "", nil)
	step, err := s.Prepare(effective(t, ""), effective(t, "global: {external_labels: {a: b}}"))
	require.NoError(t, err)
	require.Empty(t, step.Changes, "there is nowhere to send them to")
}

func TestPrepare_BeforeOpenCommitsAfterIt(t *testing.T) {
	s := newStore(t, nil)
	first := effective(t, "storage: {tsdb: {retention: {time: 3d}}}")
	step, err := s.Prepare(nil, first)
	require.NoError(t, err)
	require.ErrorContains(t, step.Commit(), "storage: TSDB not ready")
	require.NoError(t, s.Open(t.Context(), first))
	require.NoError(t, step.Commit())
	require.Equal(t, "3d", s.RetentionInfo())
}

func TestPrepare_CommitAfterCloseFails(t *testing.T) {
	s := startStore(t, "", nil)
	step, err := s.Prepare(effective(t, ""), effective(t, `remote_write: [{url: "http://localhost:1/"}]`))
	require.NoError(t, err)
	require.NoError(t, s.Close(t.Context()))
	require.EqualError(t, step.Commit(), "tsdb: the store is closed")
}

func TestPrepare_Retention(t *testing.T) {
	none := effective(t, "")
	s := startStore(t, "", nil)
	require.Equal(t, "15d", s.RetentionInfo())
	three := effective(t, "storage: {tsdb: {retention: {time: 3d, size: 1GB}}}")
	step, err := s.Prepare(none, three)
	require.NoError(t, err)
	require.Equal(t, []string{"storage: retention 3d or 1GiB (was 15d)"}, step.Changes)
	require.Equal(t, "15d", s.RetentionInfo(), "nothing live is touched yet")

	require.NoError(t, step.Commit())
	require.Equal(t, "3d or 1GiB", s.RetentionInfo())
	require.Equal(t, (72 * time.Hour).Seconds(), s.metric(t, "prometheus_tsdb_retention_limit_seconds"))
	require.Equal(t, float64(1<<30), s.metric(t, "prometheus_tsdb_retention_limit_bytes"))

	require.NoError(t, step.Undo())
	require.Equal(t, "15d", s.RetentionInfo())
	require.Equal(t, (15 * 24 * time.Hour).Seconds(), s.metric(t, "prometheus_tsdb_retention_limit_seconds"))
}

func TestPrepare_RetentionPercentageWithoutCapacity(t *testing.T) {
	opts := DefaultOptions()
	opts.Dir = "/proc/self" // a file system without a capacity
	storage := opts.storage(effective(t, "storage: {tsdb: {retention: {percentage: 50}}}"))
	require.ErrorContains(t, opts.check(&storage), `storage.tsdb.retention.percentage is 50, but the capacity of the file system of "/proc/self" is not known`)
	opts.Dir = filepath.Join(t.TempDir(), "not", "made", "yet")
	require.NoError(t, opts.check(&storage))
}

func TestPrepare_ChunkEncodingThatCannotHoldStartTimestamps(t *testing.T) {
	s := startStore(t, "", func(o *Options) { o.STStorage = true })
	_, err := s.Prepare(effective(t, ""), effective(t, "storage: {tsdb: {chunk_encoding: {floats: xor}}}"))
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	require.ErrorContains(t, err, `prometheus: storage.tsdb.chunk_encoding.floats is "xor", which cannot hold the start timestamps`)
}

func TestPrepare_OutOfOrderWindow(t *testing.T) {
	s := startStore(t, "", nil)
	now := time.Now()
	require.NoError(t, s.append(t, now, 2, "__name__", "m"))
	late := now.Add(-10 * time.Minute)
	require.ErrorIs(t, s.append(t, late, 1, "__name__", "m"), storage.ErrOutOfOrderSample)

	step, err := s.Prepare(effective(t, ""), effective(t, "storage: {tsdb: {out_of_order_time_window: 1h}}"))
	require.NoError(t, err)
	require.Equal(t, []string{"storage: out-of-order window 1h0m0s (was 0s)"}, step.Changes)
	require.NoError(t, step.Commit())
	require.NoError(t, s.append(t, late, 1, "__name__", "m"))
	require.Equal(t, map[string]float64{`{__name__="m"}`: 1}, s.query(t, late, "m"))
	require.ErrorIs(t, s.append(t, now.Add(-2*time.Hour), 1, "__name__", "m"), storage.ErrTooOldSample)

	require.NoError(t, step.Undo())
	require.Error(t, s.append(t, late.Add(time.Minute), 1, "__name__", "m"))
}

func TestStore_OpensWithOutOfOrderWindow(t *testing.T) {
	s := startStore(t, "storage: {tsdb: {out_of_order_time_window: 1h}}", nil)
	now := time.Now()
	require.NoError(t, s.append(t, now, 2, "__name__", "m"))
	require.NoError(t, s.append(t, now.Add(-10*time.Minute), 1, "__name__", "m"))
}

// exemplars counts the exemplars of a series.
func (s *testStore) exemplars(t *testing.T, name string) int {
	t.Helper()
	q, err := s.Local().ExemplarQuerier(t.Context())
	require.NoError(t, err)
	found, err := q.Select(0, time.Now().UnixMilli(), []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", name)})
	require.NoError(t, err)
	n := 0
	for _, series := range found {
		n += len(series.Exemplars)
	}
	return n
}

func TestPrepare_ExemplarStorage(t *testing.T) {
	s := startStore(t, "", func(o *Options) { o.ExemplarStorage = true })
	now := time.Now()
	for i := range 4 {
		at := now.Add(time.Duration(i-4) * time.Second).UnixMilli()
		lbls := labels.FromStrings("__name__", "m")
		app := s.Storage().Appender(t.Context())
		ref, err := app.Append(0, lbls, at, 1)
		require.NoError(t, err)
		_, err = app.AppendExemplar(ref, lbls, exemplar.Exemplar{Labels: labels.FromStrings("trace_id", fmt.Sprint(i)), Value: 1, Ts: at, HasTs: true})
		require.NoError(t, err)
		require.NoError(t, app.Commit())
	}
	require.Equal(t, 4, s.exemplars(t, "m"))
	require.Equal(t, 100000.0, s.metric(t, "prometheus_tsdb_exemplar_max_exemplars"))

	changes := s.apply(t, effective(t, ""), effective(t, "storage: {exemplars: {max_exemplars: 2}}"))
	require.Equal(t, []string{"storage: 2 exemplars (were 100000)"}, changes)
	require.Equal(t, 2, s.exemplars(t, "m"))
}

func TestPrepare_SubqueryStep(t *testing.T) {
	s := startStore(t, "global: {evaluation_interval: 30s}", nil)
	now := time.Now()
	for i := range 10 {
		require.NoError(t, s.append(t, now.Add(time.Duration(i-10)*time.Minute), 1, "__name__", "m"))
	}
	count := func() float64 { return s.query(t, now, "count_over_time(m[5m:])")["{}"] }
	require.InDelta(t, 10, count(), 1)
	changes := s.apply(t, effective(t, "global: {evaluation_interval: 30s}"), effective(t, ""))
	require.Equal(t, []string{"query engine: subqueries without a step take 1m0s"}, changes)
	require.InDelta(t, 5, count(), 1)
}

func TestPrepare_QueryLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "query.log")
	off, on := effective(t, ""), effective(t, fmt.Sprintf("global: {query_log_file: %q}", path))
	s := startStore(t, "", nil)
	step, err := s.Prepare(off, on)
	require.NoError(t, err)
	require.Equal(t, []string{fmt.Sprintf("query log: %q", path)}, step.Changes)
	require.NoFileExists(t, path, "a plan leaves nothing behind")

	require.NoError(t, step.Commit())
	require.Equal(t, 1.0, s.metric(t, "prometheus_engine_query_log_enabled"))
	s.query(t, time.Now(), "first_query")
	require.Contains(t, readFile(t, path), "first_query")

	require.NoError(t, os.Rename(path, path+".1"))
	changes := s.apply(t, on, on)
	require.Equal(t, []string{fmt.Sprintf("query log: %q opened anew, it had been moved away", path)}, changes)
	s.query(t, time.Now(), "second_query")
	require.Contains(t, readFile(t, path), "second_query")
	require.NotContains(t, readFile(t, path+".1"), "second_query")

	require.Equal(t, []string{"query log: off"}, s.apply(t, on, off))
	require.Zero(t, s.metric(t, "prometheus_engine_query_log_enabled"))
	s.query(t, time.Now(), "third_query")
	require.NotContains(t, readFile(t, path), "third_query")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

func TestPrepare_QueryLogThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "query.log")
	s := startStore(t, "", nil)
	_, err := s.Prepare(effective(t, ""), effective(t, fmt.Sprintf("global: {query_log_file: %q}", path)))
	require.EqualError(t, err, fmt.Sprintf("prometheus: global.query_log_file: open log file %q for writing: no such file or directory", path))
}

func TestPrepare_QueryLogGoneBeforeCommit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	require.NoError(t, os.Mkdir(dir, 0o700))
	before := effective(t, "")
	next := effective(t, fmt.Sprintf("global: {query_log_file: %q}\nstorage: {tsdb: {retention: {time: 3d}}}", filepath.Join(dir, "query.log")))
	s := startStore(t, "", nil)
	step, err := s.Prepare(before, next)
	require.NoError(t, err)
	require.NoError(t, os.Remove(dir))
	require.ErrorContains(t, step.Commit(), dir)
	require.Equal(t, "15d", s.RetentionInfo(), "what ran before goes on running")
}
