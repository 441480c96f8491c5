package state

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteTo_CopyIsTheSameState(t *testing.T) {
	path := statePath(t)
	s := mustOpen(t, path)
	fill(t, s)
	s.Put(Silences, "queued", nil)
	var copied bytes.Buffer
	n, err := s.WriteTo(&copied)
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
	go func() { _, err := s.WriteTo(w); ended <- err }()
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
	_, err := s.WriteTo(&bytes.Buffer{})
	require.ErrorIs(t, err, errDisk)
}
