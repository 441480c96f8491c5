package tsdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// checkDir creates the data directory if need be, and makes sure that it can be
// written to and that this build can read what is in it.
func checkDir(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return explain(dir, err)
	}
	if err := checkWritable(dir); err != nil {
		return explain(dir, err)
	}
	return checkFormats(dir)
}

func checkWritable(dir string) error {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("srcprom looks whether it can write here\n")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// explain says on one line why the data directory cannot be used, and what to
// do about it.
func explain(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return fmt.Errorf("data directory %q is in use by %s: stop that, or name another directory: %w", dir, lockHolder(filepath.Join(dir, "lock")), err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("data directory %q is on a read-only file system: mount it writable, or name another directory: %w", dir, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("data directory %q cannot be written by uid %d%s: change its owner or mode, or run as its owner: %w", dir, os.Geteuid(), ownerOf(dir, err), err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("data directory %q has no space left: free some, or lower the retention: %w", dir, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("data directory %q is not a directory: %w", dir, err)
	default:
		return fmt.Errorf("open data directory %q: %w", dir, err)
	}
}

// ownerOf tells to whom the path belongs that could not be written, or its
// nearest parent that is there.
func ownerOf(dir string, err error) string {
	path := dir
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		path = pathErr.Path
	}
	for _, path := range withParents(path) {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			return fmt.Sprintf(" (%q belongs to uid %d, mode %s)", path, stat.Uid, info.Mode())
		}
	}
	return ""
}

// withParents returns the path and all its parents, nearest first.
func withParents(path string) []string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	paths := []string{path}
	for parent := filepath.Dir(path); parent != path; parent = filepath.Dir(path) {
		path = parent
		paths = append(paths, path)
	}
	return paths
}

// lockHolder names the process that has locked the file, if the kernel tells:
// Linux lists all locks by inode.
func lockHolder(path string) string {
	const unknown = "another process"
	info, err := os.Stat(path)
	if err != nil {
		return unknown
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return unknown
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return unknown
	}
	pid := lockingProcess(string(locks), stat.Ino)
	switch {
	case pid == 0:
		return unknown
	case pid == os.Getpid():
		return "this same process"
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(name)))
}

// lockingProcess finds the process that holds a lock on the inode, for example
// in "1: FLOCK  ADVISORY  WRITE 4711 08:02:131124 0 EOF"; 0 if there is none.
func lockingProcess(locks string, inode uint64) int {
	suffix := ":" + strconv.FormatUint(inode, 10)
	for line := range strings.Lines(locks) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], suffix) {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}
