package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

var errLocked = errors.New("it is locked by another process")

// lockRetry is the time between two looks at a lock that another process has.
const lockRetry = 10 * time.Millisecond

// lockFile opens a file, or makes it, and takes it for this process alone. It is
// done before bbolt does the same with the same descriptor, so that the file can
// be looked at, and replaced, while nobody else has it.
func lockFile(path string, timeout time.Duration) (*os.File, error) {
	deadline := time.Now().Add(timeout)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && isAt(f, path) {
			return f, nil
		}
		_ = f.Close() // nothing was written
		switch {
		case err != nil && !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, fmt.Errorf("lock it: %w", err)
		case !time.Now().Before(deadline):
			return nil, errLocked
		}
		time.Sleep(lockRetry)
	}
}

// unlockFile lets go of a file of which bbolt may still have a mapping, and that
// would hold the lock.
func unlockFile(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// isAt says whether the path still names the file: another process may have set it
// aside while this one waited for the lock.
func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(opened, there)
}

// mapped calls f with the content of the file.
func mapped(file *os.File, f func(data []byte) error) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return f(nil)
	}
	data, err := syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map it: %w", err)
	}
	return errors.Join(catch(func() error { return f(data) }), syscall.Munmap(data))
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

// syncDir makes the names of new files last.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
