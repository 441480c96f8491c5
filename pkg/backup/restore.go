package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// stageName is the sub-directory in which a restored data directory is built. One
// that is there was left behind by a restore that was killed.
const stageName = "restore.tmp"

// Restore makes a data directory of an archive. The directory must be empty, or
// not be there. The whole archive is checked before anything is written; when
// anything goes wrong, nothing is left behind.
func Restore(ctx context.Context, file, dir string) (*Manifest, error) {
	manifest, err := restore(ctx, file, dir)
	if err != nil {
		return nil, fmt.Errorf("restore the backup %q to %q: %w", file, dir, err)
	}
	return manifest, nil
}

func restore(ctx context.Context, file, dir string) (*Manifest, error) {
	if err := checkEmpty(dir); err != nil {
		return nil, err
	}
	if _, err := read(ctx, file, nil); err != nil {
		return nil, err
	}
	undo, err := makeDir(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := fill(ctx, file, dir)
	if err != nil {
		return nil, errors.Join(err, undo())
	}
	return manifest, nil
}

// checkEmpty lets only those through that have nothing of anybody's.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return withoutPath(err)
	}
	for _, entry := range entries {
		if entry.Name() != stageName && entry.Name() != "lost+found" {
			return fmt.Errorf("there is data in the directory already, %q; name another one, or move that away", entry.Name())
		}
	}
	return nil
}

// makeDir makes the directory and those above it. undo removes those that were
// made.
func makeDir(dir string) (undo func() error, err error) {
	var missing []string // the innermost first
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		_, err := os.Stat(at)
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	undo = func() error {
		var errs []error
		for _, made := range missing {
			errs = append(errs, os.Remove(made))
		}
		return errors.Join(errs...)
	}
	for i, at := range slices.Backward(missing) {
		if err := os.Mkdir(at, 0o777); err != nil {
			missing = missing[i+1:]
			return nil, errors.Join(err, undo())
		}
	}
	return undo, nil
}

// fill builds everything in the stage and then moves it to its place.
func fill(ctx context.Context, file, dir string) (_ *Manifest, err error) {
	root, err := os.OpenRoot(dir) // whatever names say, nothing outside is written
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := root.RemoveAll(stageName); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.RemoveAll(stageName)) }()
	s := &stage{root: root, dirs: map[string]bool{}}
	if err := s.makeDirs(stageName + "/" + path.Dir(stateName)); err != nil {
		return nil, err
	}
	manifest, err := read(ctx, file, s.put)
	if err != nil {
		return nil, err
	}
	if err := s.syncDirs(); err != nil {
		return nil, err
	}
	return manifest, s.move()
}

// stage is what is being built below stageName.
type stage struct {
	root *os.Root
	dirs map[string]bool // that were made
}

// put writes one file of the archive to the disk.
func (s *stage) put(name string, r io.Reader) error {
	to := path.Join(stageName, inDataDir(name))
	if err := s.makeDirs(path.Dir(to)); err != nil {
		return err
	}
	mode := fs.FileMode(0o666)
	if name == stateName {
		mode = 0o600
	}
	f, err := s.root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}

// inDataDir is where a file of the archive is in a data directory.
func inDataDir(name string) string { return strings.TrimPrefix(name, tsdbDir+"/") }

func (s *stage) makeDirs(dir string) error {
	mode := fs.FileMode(0o777)
	if dir == stageName || strings.HasPrefix(dir, path.Join(stageName, path.Dir(stateName))) {
		mode = 0o700
	}
	for at := dir; at != "."; at = path.Dir(at) {
		s.dirs[at] = true
	}
	return s.root.MkdirAll(dir, mode)
}

func (s *stage) syncDirs() error {
	var errs []error
	for dir := range s.dirs {
		errs = append(errs, s.sync(dir))
	}
	return errors.Join(errs...)
}

func (s *stage) sync(dir string) error {
	f, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// move puts what was built in its place; when one of it cannot be moved, all that
// has been goes again.
func (s *stage) move() error {
	entries, err := fs.ReadDir(s.root.FS(), stageName)
	if err != nil {
		return err
	}
	var moved []string
	for _, entry := range entries {
		if err := s.root.Rename(path.Join(stageName, entry.Name()), entry.Name()); err != nil {
			for _, name := range moved {
				err = errors.Join(err, s.root.RemoveAll(name))
			}
			return err
		}
		moved = append(moved, entry.Name())
	}
	return s.sync(".")
}
