package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteTo_CopyIsTheSameState(t *testing.T) {
	path := statePath(t)
	s := mustOpen(t, path)
	fill(t, s)
	s.Put(Silences, "queued", nil)
	var copied bytes.Buffer
	n, err := s.WriteTo(t.Context(), &copied)
	require.NoError(t, err)
	require.Equal(t, int64(copied.Len()), n)
	want := contentOf(t, s)
	require.Contains(t, want.records, place{Silences, "queued"})

	after, setAside := openDamaged(t, copied.Bytes(), want)
	require.False(t, setAside)
	require.Equal(t, want, after)
	require.Equal(t, []string{filepath.Base(path)}, names(t, filepath.Dir(path)), "nothing is left behind")
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// slowWriter takes a byte when it is told.
type slowWriter struct{ began, goOn chan struct{} }

func (w slowWriter) Write(p []byte) (int, error) {
	w.began <- struct{}{}
	<-w.goOn
	return len(p), errors.New("hung up")
}

func TestWriteTo_SlowReaderHoldsUpNoCommit(t *testing.T) {
	s := mustOpen(t, statePath(t))
	fill(t, s)
	w := slowWriter{make(chan struct{}), make(chan struct{})}
	ended := make(chan error)
	go func() { _, err := s.WriteTo(t.Context(), w); ended <- err }()
	<-w.began
	for range 10 {
		fill(t, s)
	}
	close(w.goOn)
	require.ErrorContains(t, <-ended, "hung up")
}

func TestWriteTo_UnwritableStateIsAnError(t *testing.T) {
	d := &disk{}
	s := openOn(t, d)
	d.fails.Store(true)
	s.Put(Silences, "a", nil)
	_, err := s.WriteTo(t.Context(), &bytes.Buffer{})
	require.ErrorIs(t, err, errDisk)
}

func TestWriteTo_EndsWithItsContextWhileTheDiskHangs(t *testing.T) {
	d := slowDisk()
	s := openOn(t, d)
	s.Put(Silences, "a", nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { _, err := s.WriteTo(ctx, &bytes.Buffer{}); ended <- err }()
	<-d.begun
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	d.hold <- struct{}{}
}

// fullWriter is a file on a full disk.
type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

var errFull = &fs.PathError{Op: "write", Path: "the file", Err: syscall.ENOSPC}

func TestWriteTo_FullDiskSaysWhatToDo(t *testing.T) {
	s := mustOpen(t, statePath(t))
	fill(t, s)
	_, err := s.WriteTo(t.Context(), fullWriter{})
	require.EqualError(t, err, fmt.Sprintf("copy the state file %q: no space left on device; free some space on its disk", s.path))

	full, err := Open(statePath(t), Options{BeforeCommit: func() error { return errFull }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, full.Close()) })
	full.Put(Silences, "a", nil)
	_, err = full.WriteTo(t.Context(), &bytes.Buffer{})
	require.ErrorContains(t, err, "write to the state file")
	require.ErrorContains(t, err, "; free some space on its disk")
}

func TestDirError_WithoutARemedyEndsWithItsCause(t *testing.T) {
	require.EqualError(t, dirError("/data/srcprom", &fs.PathError{Op: "mkdir", Path: "/data", Err: syscall.EIO}),
		`make the state directory "/data/srcprom": input/output error`)
}
