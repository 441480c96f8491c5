package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"
)

// openError words an error of opening the file.
func (s *State) openError(err error) error {
	const what = "open the state file %q: "
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDamaged), errors.As(err, new(setAsideError)):
		return err
	case errors.Is(err, errLocked), errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf(what+"it is locked by another process; stop that one or use another data directory", s.path)
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf(what+"it is a directory; move it away or use another data directory", s.path)
	default:
		return fmt.Errorf(what+"%w", s.path, withRemedy(cause(err), s.path))
	}
}

func dirError(dir string, err error) error {
	return fmt.Errorf("make the state directory %q: %w", dir, withRemedy(cause(err), filepath.Dir(dir)))
}

// cause drops the operation and the path of an error that has better ones.
func cause(err error) error {
	if wrapped := new(fs.PathError); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	if wrapped := new(os.LinkError); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

func withRemedy(err error, path string) error {
	if fix := remedy(err, path); fix != "" {
		return fmt.Errorf("%w; %s", err, fix)
	}
	return err
}

// remedy says what to do about an error of the file system; empty when there is
// nothing to say.
func remedy(err error, path string) string {
	switch {
	case errors.Is(err, syscall.EROFS):
		return "mount it writable or use another data directory"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("let user %d write to %q", os.Geteuid(), path)
	case errors.Is(err, syscall.ENOSPC):
		return "free some space on its disk"
	case errors.Is(err, syscall.ENOTDIR):
		return "a part of the path is a file; move it away or use another data directory"
	default:
		return ""
	}
}
