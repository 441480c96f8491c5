package alerting

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// writeSnapshots makes the files that an Alertmanager leaves in its data directory:
// a silence of alert "Silenced", and that receiver team was told of "Notified".
func writeSnapshots(t *testing.T, dir string) {
	t.Helper()
	silences, err := silence.New(silence.Options{Metrics: prometheus.NewRegistry(), Retention: 120 * time.Hour})
	require.NoError(t, err)
	sil := silenced("", "Silenced").Silence
	sil.Comment = "imported"
	require.NoError(t, silences.Set(t.Context(), sil))
	log, err := nflog.New(nflog.Options{Metrics: prometheus.NewRegistry(), Retention: 120 * time.Hour})
	require.NoError(t, err)
	hash := hashAlert(alertRecord{Labels: model.LabelSet{"alertname": "Notified"}}.alert())
	require.NoError(t, log.Log(&nflogpb.Receiver{GroupName: "team", Integration: "webhook"},
		`{}:{alertname="Notified"}`, []uint64{hash}, nil, nil, 2*time.Hour))
	for name, snapshot := range map[string]func() ([]byte, error){silencesFile: silences.MarshalBinary, nflogFile: log.MarshalBinary} {
		content, err := snapshot()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
}

// requireImported shows that both files of writeSnapshots are in force.
func requireImported(t *testing.T, h *harness, hook *webhookServer) {
	t.Helper()
	h.apply(effective(t, webhookYML(hook.URL)))
	h.fire("Silenced", "Notified", "New")
	hook.requireMessages(t, 1)
	require.Equal(t, map[string]int{"New": 1}, hook.names())
}

func TestImport_FilesOfAnAlertmanagerOnceAndLeftAlone(t *testing.T) {
	dir, hook := t.TempDir(), newWebhook(t, nil)
	writeSnapshots(t, dir)
	from := func(o *Options, _ *Deps) { o.ImportDir = dir }
	first := newHarness(t, from).start()
	requireImported(t, first, hook)
	for _, name := range []string{silencesFile, nflogFile} {
		require.FileExists(t, filepath.Join(dir, name))
	}
	for id := range stored(t, first.state, state.Silences) {
		status, _ := first.expire(id)
		require.Equal(t, 200, status)
	}
	// The Alertmanager goes on, and writes other files.
	writeSnapshots(t, dir)
	require.NoError(t, os.Chtimes(filepath.Join(dir, silencesFile), time.Now(), time.Now().Add(time.Hour)))
	second := first.again(from)
	require.Equal(t, map[string]string{"imported": "expired"}, second.silencesNow())
}

func TestImport_FilesOfEarlierVersionsAreRenamed(t *testing.T) {
	hook := newWebhook(t, nil)
	dir := t.TempDir()
	writeSnapshots(t, dir)
	first := newHarness(t, func(o *Options, d *Deps) { o.DataDir, d.State = dir, openState(t, dir) }).start()
	requireImported(t, first, hook)
	for _, name := range []string{silencesFile, nflogFile} {
		require.NoFileExists(t, filepath.Join(dir, name))
		require.FileExists(t, filepath.Join(dir, name+".imported"))
	}
	first.stop()
	second := first.again(nil)
	require.Equal(t, map[string]string{"imported": "active"}, second.silencesNow(), "it is in the state")
}

// A crash came between the writing of the state and the renaming.
func TestImport_FileThatIsStillThereIsNotReadAgain(t *testing.T) {
	dir := t.TempDir()
	writeSnapshots(t, dir)
	s := openState(t, dir)
	in := func(o *Options, d *Deps) { o.DataDir, d.State = dir, s }
	require.NoError(t, newHarness(t, in).Close())
	for key := range stored(t, s, state.Silences) {
		s.Delete(state.Silences, key)
	}
	require.NoError(t, s.Flush(t.Context()))
	path := filepath.Join(dir, silencesFile)
	require.NoError(t, os.Rename(path+".imported", path))
	second := newHarness(t, in)
	require.Empty(t, second.silencesNow())
	require.NoFileExists(t, path)
	require.NoError(t, second.Close())

	writeSnapshots(t, dir) // by hand, as docs/migration.md of the version before said
	require.Equal(t, map[string]string{"imported": "active"}, newHarness(t, in).silencesNow())
}

func TestImport_DamagedSnapshotIsImportedAsFarAsItCanBeRead(t *testing.T) {
	dir := t.TempDir()
	bad := framed(t, silenced("bad", "Bad", func(s *silencepb.MeshSilence) { s.Silence.MatcherSets[0].Matchers[0].Type = 7 }))
	whole := bytes.Join([][]byte{framed(t, silenced("a", "A")), bad, {3, 0xff, 0xff, 0xff}, framed(t, silenced("b", "B")), framed(t, silenced("torn", "Torn"))}, nil)
	path := filepath.Join(dir, silencesFile)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)-5], 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, nflogFile), []byte("\xff\xff\xff\xff not a snapshot"), 0o600))
	var log bytes.Buffer
	h := newHarness(t, func(o *Options, d *Deps) { o.ImportDir, d.Logger = dir, slog.New(slog.NewTextHandler(&log, nil)) })
	require.Len(t, stored(t, h.state, state.Silences), 2)
	require.True(t, h.mutes("A"))
	require.True(t, h.mutes("B"))
	require.Contains(t, log.String(), "Snapshot is damaged")
	require.Contains(t, log.String(), "imported=2 lost_records=2 lost_bytes=")
	require.Contains(t, log.String(), "path="+path)
	requireMetric(t, h.promReg, 2, "srcprom_alerting_set_aside_records", "kind", "silences")
}

func TestImport_WhatIsNewerInTheStateWins(t *testing.T) {
	dir := t.TempDir()
	old, fresh := silenced("a", "A"), silenced("a", "A")
	fresh.Silence.UpdatedAt, fresh.Silence.Comment = timestamppb.Now(), "fresh"
	require.NoError(t, os.WriteFile(filepath.Join(dir, silencesFile), framed(t, old), 0o600))
	s := openState(t, t.TempDir())
	s.Put(state.Silences, "a", framed(t, fresh))
	require.NoError(t, s.Flush(t.Context()))
	h := newHarness(t, func(o *Options, d *Deps) { o.ImportDir, d.State = dir, s })
	require.Equal(t, map[string]string{"fresh": "active"}, h.silencesNow())
	require.Equal(t, framed(t, fresh), stored(t, s, state.Silences)["a"])
}

func TestImport_UnreadableFileDoesNotPreventTheStart(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, silencesFile), 0o700))
	var log bytes.Buffer
	h := newHarness(t, func(o *Options, d *Deps) { o.ImportDir, d.Logger = dir, slog.New(slog.NewTextHandler(&log, nil)) })
	require.Contains(t, log.String(), "Snapshot not imported; it is tried again at the next start")
	require.Empty(t, stored(t, h.state, state.Marks))
}

func TestImport_IsRepeatedWhereItCouldNotBeWritten(t *testing.T) {
	dir := t.TempDir()
	writeSnapshots(t, dir)
	disk := &testDisk{}
	s := openStateOn(t, dir, disk)
	disk.fail(errDiskFull)
	h := newHarness(t, func(o *Options, d *Deps) { o.DataDir, d.State = dir, s })
	require.Equal(t, map[string]string{"imported": "active"}, h.silencesNow())
	require.FileExists(t, filepath.Join(dir, silencesFile))
	disk.mend()
	require.NoError(t, h.Close())
}
