package alerting

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func requireMode(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, mode, info.Mode().Perm(), path)
}

func TestWriteSnapshot_FailureKeepsFileBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "silences")
	_, err := writeSnapshot(path, func(w io.Writer) (int64, error) {
		n, err := io.WriteString(w, "before")
		return int64(n), err
	})
	require.NoError(t, err)
	full := errors.New("disk full")
	_, err = writeSnapshot(path, func(io.Writer) (int64, error) { return 0, full })
	require.ErrorIs(t, err, full)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "before", string(content))
	require.NoFileExists(t, path+".tmp")
	requireMode(t, path, 0o600)
}

func TestPrepareDir_CreatesPrivateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	require.NoError(t, prepareDir(dir))
	requireMode(t, dir, 0o700)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestPrepareDir_FileInTheWayFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.ErrorContains(t, prepareDir(path), "create data directory of alerting")
}

func TestNew_CorruptSnapshotIsPutAside(t *testing.T) {
	for _, name := range []string{silencesFile, nflogFile} {
		opts, deps := newInputs(t)
		var log bytes.Buffer
		deps.Logger = slog.New(slog.NewTextHandler(&log, nil))
		path, content := filepath.Join(opts.DataDir, name), "\xff\xff\xff\xff not a snapshot"
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		m, err := New(opts, deps)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		require.NoFileExists(t, path)
		aside, err := filepath.Glob(path + ".corrupt-*")
		require.NoError(t, err)
		require.Len(t, aside, 1)
		requireMode(t, aside[0], 0o600)
		kept, err := os.ReadFile(aside[0])
		require.NoError(t, err)
		require.Equal(t, content, string(kept))
		require.Contains(t, log.String(), "path="+path+" aside="+aside[0])
	}
}

func TestNew_SnapshotThatCannotBeReadFails(t *testing.T) {
	for _, name := range []string{silencesFile, nflogFile} {
		opts, deps := newInputs(t)
		path := filepath.Join(opts.DataDir, name)
		require.NoError(t, os.Mkdir(path, 0o700))
		_, err := New(opts, deps)
		require.ErrorContains(t, err, path)
		require.DirExists(t, path)
	}
}
