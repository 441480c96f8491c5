package alerting

import (
	"errors"
	"io"
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

func TestNew_CorruptSnapshotFails(t *testing.T) {
	for _, name := range []string{silencesFile, nflogFile} {
		opts, deps := newInputs(t)
		require.NoError(t, os.WriteFile(filepath.Join(opts.DataDir, name), []byte("\xff\xff\xff\xff not a snapshot"), 0o600))
		_, err := New(opts, deps)
		require.ErrorContains(t, err, filepath.Join(opts.DataDir, name))
	}
}
