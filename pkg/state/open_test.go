package state

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// writeFirstFormat makes a file as the first version did.
func writeFirstFormat(t *testing.T, path string, accepted []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		for _, r := range []struct{ bucket, key, value string }{
			{"meta", "format", "1"}, {"config", "accepted", string(accepted)},
		} {
			if r.value == "" {
				continue
			}
			b, err := tx.CreateBucketIfNotExists([]byte(r.bucket))
			if err != nil {
				return err
			}
			if err := b.Put([]byte(r.key), []byte(r.value)); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestOpen_FirstFormatIsMigrated(t *testing.T) {
	text, err := json.Marshal(bigAccepted())
	require.NoError(t, err)
	path := statePath(t)
	writeFirstFormat(t, path, text)
	for range 2 {
		s, err := Open(path, Options{})
		require.NoError(t, err)
		require.Empty(t, s.SetAside())
		accepted, err := s.Accepted()
		require.NoError(t, err)
		require.Equal(t, bigAccepted(), accepted)
		require.Equal(t, []uint64{3}, listed(t, s, 0, 10))
		require.NoError(t, s.Close())
	}
}

func TestOpen_FirstFormatWithNothingInIt(t *testing.T) {
	path := statePath(t)
	writeFirstFormat(t, path, nil)
	s := mustOpen(t, path)
	require.Empty(t, s.SetAside())
	accepted, err := s.Accepted()
	require.NoError(t, err)
	require.Nil(t, accepted)
}

func TestOpen_DamagedFirstFormatIsSalvaged(t *testing.T) {
	path := statePath(t)
	text, err := json.Marshal(bigAccepted())
	require.NoError(t, err)
	writeFirstFormat(t, path, text)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	img, err := newImage(data)
	require.NoError(t, err)
	data[int(img.meta.freelist)*img.pageSize] ^= 1 // not where the configuration is
	require.NoError(t, os.WriteFile(path, data, 0o600))
	s := mustOpen(t, path)
	require.NotEmpty(t, s.SetAside())
	accepted, err := s.Accepted()
	require.NoError(t, err)
	require.Equal(t, bigAccepted(), accepted)

	path = statePath(t)
	writeFirstFormat(t, path, []byte(`{"version": 1`))
	s = mustOpen(t, path)
	require.NotEmpty(t, s.SetAside())
	accepted, err = s.Accepted()
	require.NoError(t, err)
	require.Nil(t, accepted)
}

func TestOpen_NewerFormatIsLeftAloneWhateverItHolds(t *testing.T) {
	path := statePath(t)
	writeFirstFormat(t, path, []byte("as a newer program writes it"))
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("of tomorrow"))
		if err != nil {
			return err
		}
		return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("3"))
	}))
	require.NoError(t, db.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = Open(path, Options{})
	require.ErrorContains(t, err, "it has format version 3, this program knows up to 2; run a newer program or use another data directory")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after))
}

// damage breaks a file that exists.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	img, err := newImage(data)
	require.NoError(t, err)
	data[int(img.meta.root)*img.pageSize+8] ^= 0xFF
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

func damagedPath(t *testing.T) string {
	t.Helper()
	path := statePath(t)
	s := mustOpen(t, path)
	s.Put(Silences, "a", []byte("b"))
	require.NoError(t, s.Flush(t.Context()))
	require.NoError(t, s.Close())
	damage(t, path)
	return path
}

func TestOpen_LeaveDamagedChangesNothing(t *testing.T) {
	path := damagedPath(t)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	for range 2 {
		_, err = Open(path, Options{LeaveDamaged: true})
		require.ErrorIs(t, err, ErrDamaged)
		require.ErrorContains(t, err, "read the state file")
	}
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after))
	require.Equal(t, []string{"state.db"}, names(t, filepath.Dir(path)))
}

func TestOpen_DamagedTwiceInASecondOverwritesNothing(t *testing.T) {
	path := damagedPath(t)
	aside := map[string]bool{}
	for range 3 {
		s, err := Open(path, Options{})
		require.NoError(t, err)
		require.Equal(t, map[string]string{"a": "b"}, recordsOf(t, s, Silences))
		require.NotEmpty(t, s.SetAside())
		aside[s.SetAside()] = true
		require.NoError(t, s.Close())
		damage(t, path)
	}
	require.Len(t, aside, 3)
	for name := range aside {
		require.FileExists(t, name)
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestOpen_DamagedAndHalfReplacedByACrash(t *testing.T) {
	path := damagedPath(t)
	require.NoError(t, os.WriteFile(path+".new", []byte("half of it"), 0o600))
	require.NoError(t, os.Link(path, path+".damaged-20260102T150405Z")) // but was not renamed yet
	s := mustOpen(t, path)
	require.Equal(t, map[string]string{"a": "b"}, recordsOf(t, s, Silences))
	require.Len(t, names(t, filepath.Dir(path)), 3, "the file, and both names of the damaged one")
}

func TestOpen_DamagedInADirectoryThatTakesNothing(t *testing.T) {
	path := damagedPath(t)
	openUpTo(t, filepath.Dir(path))
	require.NoError(t, os.Chmod(path, 0o666)) // else it could not even be looked at
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o555))
	t.Cleanup(func() { require.NoError(t, os.Chmod(filepath.Dir(path), 0o755)) })
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(path, 65534, 65534))
	}
	err := asNobody(t, func() error {
		s, err := Open(path, Options{})
		if err == nil {
			return s.Close()
		}
		return err
	})
	require.ErrorContains(t, err, "set aside the state file")
	require.ErrorContains(t, err, "permission denied; let user ")
	require.ErrorContains(t, err, "to \""+filepath.Dir(path)+"\"")

	require.NoError(t, os.Chmod(filepath.Dir(path), 0o755))
	s := mustOpen(t, path)
	require.NotEmpty(t, s.SetAside(), "the refused file is as it was, and not locked")
}

func TestOpen_WaitsForAFileThatIsReplacedMeanwhile(t *testing.T) {
	path := damagedPath(t)
	held, err := lockFile(path, 0)
	require.NoError(t, err)
	opened := make(chan error)
	go func() {
		s, err := Open(path, Options{LockTimeout: time.Minute})
		if err == nil {
			if s.SetAside() != "" {
				t.Error("the wrong file was opened")
			}
			err = s.Close()
		}
		opened <- err
	}()
	require.NoError(t, os.Rename(path, path+".old"))
	require.NoError(t, mustOpen(t, path).Close())
	require.NoError(t, held.Close())
	require.NoError(t, <-opened)
}

// truncate and zero are what may become of an open file.
func TestCommit_DamageFoundAtRunTimeIsAnError(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, path string){
		"zeroed": func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			require.NoError(t, err)
			defer f.Close()
			_, err = f.WriteAt(make([]byte, 1<<18), int64(2*os.Getpagesize()))
			require.NoError(t, err)
		},
		"truncated": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, int64(2*os.Getpagesize()))) },
	} {
		t.Run(name, func(t *testing.T) {
			path := statePath(t)
			s := mustOpen(t, path)
			fill(t, s)
			harm(t, path)
			s.Put(Silences, "a", nil)
			err := s.Flush(t.Context())
			require.ErrorIs(t, err, ErrDamaged)
			require.ErrorContains(t, err, "restart to set it aside and carry over what is readable of it")
			require.ErrorIs(t, s.Flush(t.Context()), ErrDamaged, "it is not tried with locks that bbolt may have left")
			require.ErrorIs(t, s.Accept(&Version{}), ErrDamaged)
			require.ErrorIs(t, s.Each(Silences, func(string, []byte) error { return nil }), ErrDamaged)
			_, err = s.Unwritable()
			require.ErrorIs(t, err, ErrDamaged)
			require.NoError(t, s.Close())

			s = mustOpen(t, path)
			require.NotEmpty(t, s.SetAside())
			s.Put(Silences, "a", nil)
			require.NoError(t, s.Flush(t.Context()))
		})
	}
}

func TestMetrics_SayWhatHappened(t *testing.T) {
	d := &disk{}
	registry := prometheus.NewRegistry()
	path := damagedPath(t)
	s, err := Open(path, Options{BeforeCommit: d.beforeCommit, Registerer: registry})
	require.NoError(t, err)
	s.Put(Silences, "a", nil)
	require.NoError(t, s.Flush(t.Context()))
	d.fails.Store(true)
	s.Put(Silences, "b", nil)
	s.AddHistory(nil)
	require.Error(t, s.Flush(t.Context()))
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP srcprom_state_commit_failures_total Number of transactions that the state file did not take.
# TYPE srcprom_state_commit_failures_total counter
srcprom_state_commit_failures_total 1
# HELP srcprom_state_commits_total Number of transactions that were tried on the state file.
# TYPE srcprom_state_commits_total counter
srcprom_state_commits_total 2
# HELP srcprom_state_damaged_records_total Number of records that were lost because the state file is, or was, damaged.
# TYPE srcprom_state_damaged_records_total counter
srcprom_state_damaged_records_total 0
# HELP srcprom_state_history_entries_dropped_total Number of entries of the history that were lost because the disk did not take them for too long.
# TYPE srcprom_state_history_entries_dropped_total counter
srcprom_state_history_entries_dropped_total 0
# HELP srcprom_state_pending_records Number of changes that are in memory and not yet on the disk.
# TYPE srcprom_state_pending_records gauge
srcprom_state_pending_records 2
# HELP srcprom_state_writable Whether the last transaction on the state file succeeded, and none goes on for long.
# TYPE srcprom_state_writable gauge
srcprom_state_writable 0
`), "srcprom_state_commit_failures_total", "srcprom_state_commits_total", "srcprom_state_damaged_records_total",
		"srcprom_state_history_entries_dropped_total", "srcprom_state_pending_records", "srcprom_state_writable"))
	count, err := testutil.GatherAndCount(registry)
	require.NoError(t, err)
	require.Equal(t, 8, count)
	require.NoError(t, s.Close())

	s, err = Open(path, Options{Registerer: registry})
	require.NoError(t, err, "the registry is free again")
	require.NoError(t, s.Close())
}
