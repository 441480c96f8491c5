package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// salvageBytes is how much of a damaged file one transaction carries over.
const salvageBytes = 4 << 20

// setAsideError says why a damaged file is still where it was.
type setAsideError struct{ err error }

func (e setAsideError) Error() string { return e.err.Error() }
func (e setAsideError) Unwrap() error { return e.err }

// replace sets a damaged file aside, and puts a new one with what is readable of
// it in its place. The new one is complete before: a crash in between leaves one or
// the other.
func (s *State) replace(damage error) error {
	if s.opts.LeaveDamaged {
		return s.damaged(damage)
	}
	kept, err := s.carryOver()
	if err != nil {
		fix := remedy(err, filepath.Dir(s.path))
		if fix == "" {
			fix = "move it away to start without what it holds"
		}
		return setAsideError{fmt.Errorf("set aside the state file %q, which is damaged (%w): %w; %s", s.path, damage, cause(err), fix)}
	}
	s.damage.lost = kept.lost
	s.opts.Logger.Error("The state file is damaged: it was set aside, and what is readable of it is in a new one",
		"path", s.path, "set_aside", s.setAside, "records", kept.found, "lost", kept.lost, "err", damage)
	return nil
}

// carryOver replaces the damaged file, which stays locked until the new one is
// there, and is too.
func (s *State) carryOver() (*salvage, error) {
	old := s.file
	defer old.Close() // nothing was written
	fresh := s.path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // what a crash has left
	}
	file, err := lockFile(fresh, s.opts.LockTimeout)
	if err != nil {
		return nil, err
	}
	db, err := openDB(file)
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(fresh))
	}
	kept, err := salvageInto(db, old)
	if err == nil {
		s.setAside, err = s.putInPlace(fresh)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close(), os.Remove(fresh))
	}
	s.file, s.db = file, db
	return kept, nil
}

// salvageInto writes what is readable of a file into a new one.
func salvageInto(db *bbolt.DB, old *os.File) (*salvage, error) {
	db.NoSync = true // nobody has the file yet
	w := &salvageWriter{db: db}
	kept := &salvage{}
	err := mapped(old, func(data []byte) error {
		img, err := newImage(data)
		if err != nil {
			return nil // nothing is readable
		}
		kept = newSalvage(img, w.take)
		return errors.Join(kept.run(), w.commit())
	})
	if err == nil {
		err = db.Update(func(tx *bbolt.Tx) error { return errors.Join(settleAccepted(tx), markFormat(tx)) })
	}
	db.NoSync = false
	return kept, errors.Join(err, db.Sync())
}

// salvageWriter writes records in transactions of some size.
type salvageWriter struct {
	db      *bbolt.DB
	changes []change
	bytes   int
}

func (w *salvageWriter) take(at place, value []byte) error {
	w.changes = append(w.changes, change{place: at, value: value})
	if w.bytes += len(value); w.bytes < salvageBytes {
		return nil
	}
	return w.commit()
}

func (w *salvageWriter) commit() error {
	err := w.db.Update(func(tx *bbolt.Tx) error {
		for _, c := range w.changes {
			if err := write(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	w.changes, w.bytes = nil, 0
	return err
}

// putInPlace gives the damaged file another name, and its name to the new one. It
// has both names for a moment, so that a crash never leaves none.
func (s *State) putInPlace(fresh string) (aside string, err error) {
	if aside, err = s.asideName(); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, s.path); err != nil {
		return "", err
	}
	return aside, syncDir(s.path)
}

// asideName makes a name that nothing has another one of the damaged file. Where
// the file system has no second names, the first one is given up.
func (s *State) asideName() (string, error) {
	dated := s.path + ".damaged-" + time.Now().UTC().Format("20060102T150405Z")
	for i := 1; ; i++ {
		name := dated
		if i > 1 {
			name = fmt.Sprintf("%s-%d", dated, i)
		}
		err := os.Link(s.path, name)
		if err == nil {
			return name, nil
		}
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return name, os.Rename(s.path, name)
	}
}

// SetAside is where a damaged file was moved when this one was opened; empty when
// the file was whole.
func (s *State) SetAside() string { return s.setAside }
