package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// WriteTo writes a copy of the file, as it is when all that is queued has been
// written to it: opened, it is the same state. Commits go on meanwhile, however
// slow w is; the copy needs its size on the disk for as long. When ctx is done it
// no longer waits for what is queued.
func (s *State) WriteTo(ctx context.Context, w io.Writer) (int64, error) {
	if err := s.Flush(ctx); err != nil {
		return 0, fmt.Errorf("copy the state file %q: %w", s.path, err)
	}
	n, err := s.copyTo(w)
	if err != nil {
		return n, fmt.Errorf("copy the state file %q: %w", s.path, withRemedy(cause(err), filepath.Dir(s.path)))
	}
	return n, nil
}

func (s *State) copyTo(w io.Writer) (n int64, err error) {
	// A transaction that reads for long makes the file grow.
	file, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".copy-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := os.Remove(file.Name()); err != nil { // so that a crash leaves nothing
		return 0, err
	}
	err = s.view(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(file)
		return err
	})
	if err != nil {
		return 0, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return io.Copy(w, file)
}
