package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// formatVersion is that of the buckets in the file. A file of a newer one is
// left alone.
const formatVersion = 1

// The buckets of the file, and the keys that are not data.
const (
	metaBucket   = "meta"
	formatKey    = "format"
	configBucket = "config"
	acceptedKey  = "accepted"
)

// State is an open state file. Its methods may be called at once.
type State struct {
	path  string
	opts  Options
	db    *bbolt.DB
	queue *queue

	historySize int64 // in bytes, of what is on the disk; only the commit that runs uses it
}

// Open opens the file at path, or makes it, and its directory with it. Only one
// process at a time can have it open.
func Open(path string, opts Options) (*State, error) {
	opts.setDefaults()
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	s := &State{path: path, opts: opts, queue: newQueue()}
	err := s.guard(func() (err error) {
		s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: opts.LockTimeout})
		return err
	})
	if err != nil {
		return nil, s.openError(err)
	}
	if err := errors.Join(restrict(path), s.checkFormat(), s.measureHistory()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close lets go of the file. It may be called twice.
func (s *State) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the state file %q: %w", s.path, err)
	}
	return nil
}

// makeDir makes the directory of the file. Those above are the data directory,
// which has other users.
func makeDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return dirError(dir, err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return dirError(dir, err)
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return dirError(dir, err)
	case !info.IsDir():
		return fmt.Errorf("use the state directory %q: it is a file; move it away or use another data directory", dir)
	}
	return nil
}

func dirError(dir string, err error) error {
	return fmt.Errorf("make the state directory %q: %w; %s", dir, cause(err), remedy(err, filepath.Dir(dir)))
}

// restrict takes the file from other users: a volume's owner may have been
// changed for all of its files, permissions included. The group is left in peace
// where the file is not ours to change.
func restrict(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at the state file %q: %w", path, cause(err))
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil && info.Mode().Perm()&0o007 != 0 {
		return fmt.Errorf("take the state file %q, which holds secrets, from other users: %w; set its mode to 0600", path, cause(err))
	}
	return nil
}

// openError words an error of opening the file.
func (s *State) openError(err error) error {
	const what = "open the state file %q: "
	switch {
	case errors.Is(err, ErrDamaged):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf(what+"it is locked by another process; stop that one or use another data directory", s.path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf(what+"%w; %s", s.path, cause(err), remedy(err, s.path))
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf(what+"it is a directory; move it away or use another data directory", s.path)
	case errors.As(err, new(*fs.PathError)):
		return fmt.Errorf(what+"%w", s.path, cause(err))
	default:
		return s.damaged(err)
	}
}

// ErrDamaged says that the content of the file makes no sense.
var ErrDamaged = errors.New("the file is damaged")

func (s *State) damaged(err error) error {
	return fmt.Errorf("read the state file %q: %w (%w); move it away to start without what it holds", s.path, ErrDamaged, err)
}

// checkFormat refuses a file of a newer version, and marks a new file with ours.
func (s *State) checkFormat() error {
	return s.guard(func() error {
		var format []byte
		if err := s.db.View(func(tx *bbolt.Tx) error {
			if meta := tx.Bucket([]byte(metaBucket)); meta != nil {
				format = append(format, meta.Get([]byte(formatKey))...)
			}
			return nil
		}); err != nil {
			return s.damaged(err)
		}
		if format == nil {
			return s.markFormat()
		}
		version, err := strconv.Atoi(string(format))
		switch {
		case err != nil || version < 1:
			return s.damaged(fmt.Errorf("its format version is %q", format))
		case version > formatVersion:
			return fmt.Errorf("open the state file %q: it has format version %d, this program knows up to %d; run a newer program or use another data directory",
				s.path, version, formatVersion)
		}
		return nil
	})
}

func (s *State) markFormat() error {
	return s.update("mark its format version in", func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
		if err != nil {
			return err
		}
		return meta.Put([]byte(formatKey), []byte(strconv.Itoa(formatVersion)))
	})
}

// update runs one synced transaction. what says what it does to the file.
func (s *State) update(what string, f func(*bbolt.Tx) error) error {
	err := s.guard(func() error { return s.db.Update(f) })
	if err == nil {
		return nil
	}
	if fix := remedy(err, s.path); fix != "" {
		return fmt.Errorf("%s the state file %q: %w; %s", what, s.path, err, fix)
	}
	return fmt.Errorf("%s the state file %q: %w", what, s.path, err)
}

// guard turns what bbolt makes of a damaged file into an error: it panics, or
// reads memory behind the end of the file.
func (s *State) guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = s.damaged(fmt.Errorf("%v", p))
		}
	}()
	return f()
}

// cause drops the operation and the path of an error that has better ones.
func cause(err error) error {
	if wrapped := new(fs.PathError); errors.As(err, &wrapped) {
		return wrapped.Err
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
