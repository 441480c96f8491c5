package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

const (
	// mapSize is how much of the file is mapped from the beginning, so that it
	// seldom has to be mapped anew: that waits for all who read.
	mapSize = 256 << 20
	// allocSize is by how much the file grows at once.
	allocSize = 256 << 10
)

// State is an open state file. Its methods may be called at once.
type State struct {
	path     string
	opts     Options
	metrics  *metrics
	queue    *queue
	file     *os.File  // the open file, which is locked
	db       *bbolt.DB // reads and writes it
	closed   sync.Once
	closeErr error

	setAside string // see SetAside
	damage   damageList
	health   health
	broken   atomic.Pointer[error] // why nothing can be written any more; nil when it can

	historySize int64 // in bytes, of what is on the disk; only the commit that runs uses it
}

// Open opens the file at path, or makes it, and its directory with it. Only one
// process at a time can have it open.
//
// It looks at all of the file. When something is damaged, the file is set aside
// under a dated name, and a new one begins with what is readable of it; that is
// logged, and [State.SetAside] and [State.Damaged] tell.
func Open(path string, opts Options) (*State, error) {
	opts.setDefaults()
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	s := &State{path: path, opts: opts, queue: newQueue()}
	if err := s.openError(s.open()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.metrics = newMetrics(s)
	return s, nil
}

func (s *State) open() (err error) {
	if s.file, err = lockFile(s.path, s.opts.LockTimeout); err != nil {
		return err
	}
	if err := restrict(s.path); err != nil {
		return err
	}
	found, err := s.look()
	switch {
	case found.format > formatVersion:
		return s.newerFormat(found.format)
	case errors.As(err, new(damageError)):
		if err := s.replace(err); err != nil {
			return err
		}
		found, err = s.look()
	}
	if err != nil {
		return err
	}
	s.historySize, s.queue.lastID = found.historySize, found.lastID
	if s.db == nil {
		if s.db, err = openDB(s.file); err != nil {
			return err
		}
	}
	return s.setUp(found.format)
}

// look inspects the file.
func (s *State) look() (*contents, error) {
	found := &contents{}
	var damage error
	err := mapped(s.file, func(data []byte) error {
		if len(data) > 0 {
			found, damage = inspect(data)
		}
		return nil
	})
	if errors.As(err, new(*panicError)) { // the disk cannot read it
		return found, damageError{err}
	}
	return found, errors.Join(err, damage)
}

// openDB gives a locked file to bbolt.
func openDB(file *os.File) (db *bbolt.DB, err error) {
	err = catch(func() error {
		db, err = bbolt.Open(file.Name(), 0o600, &bbolt.Options{
			OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return file, nil },
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: mapSize,
			NoStatistics:    true,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	db.AllocSize = allocSize
	return db, nil
}

// setUp makes a new file one of ours, and migrates one of an older format.
func (s *State) setUp(format int) error {
	if format == formatVersion {
		return nil
	}
	err := s.guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			if err := migrate(tx); err != nil {
				return err
			}
			return markFormat(tx)
		})
	})
	return errors.Join(err, syncDir(s.path))
}

// Close waits for what is being written, and lets go of the file. What is still
// queued is lost, see [State.Flush]. It may be called twice.
func (s *State) Close() error {
	s.closed.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *State) close() error {
	s.queue.committing <- struct{}{}
	defer func() { <-s.queue.committing }()
	var err error
	switch {
	case s.db != nil && s.broken.Load() == nil:
		err = s.db.Close()
	case s.db != nil: // it may wait for ever for a lock of its own
		err = unlockFile(s.file)
	case s.file != nil:
		err = s.file.Close()
	}
	s.metrics.unregister()
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close the state file %q: %w", s.path, err)
	}
	return nil
}
