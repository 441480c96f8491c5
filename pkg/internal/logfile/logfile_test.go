package logfile_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/logfile"
)

func TestCheck_LeavesNothingBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "query.log")
	require.NoError(t, logfile.Check(path))
	require.NoFileExists(t, path)
}

func TestCheck_KeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "query.log")
	require.NoError(t, os.WriteFile(path, []byte("kept"), 0o600))
	require.NoError(t, logfile.Check(path))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "kept", string(content))
}

func TestCheck_NamesThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "query.log")
	require.ErrorIs(t, logfile.Check(path), os.ErrNotExist)
	require.ErrorContains(t, logfile.Check(path), path)
}

func TestOpened_RotatedAfterRename(t *testing.T) {
	path := filepath.Join(t.TempDir(), "query.log")
	l, opened, err := logfile.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	slog.New(l).Info("a query")
	require.False(t, opened.Rotated())

	require.NoError(t, os.Rename(path, path+".1"))
	require.True(t, opened.Rotated(), "moved away")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.True(t, opened.Rotated(), "replaced by another file")
}

func TestOpened_NilIsNeverRotated(t *testing.T) {
	var none *logfile.Opened
	require.False(t, none.Rotated())
}

func TestOpen_NamesThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "query.log")
	_, _, err := logfile.Open(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, path)
}
