package alerting

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Names of the snapshot files in Options.DataDir, as in Alertmanager's.
const (
	silencesFile = "silences"
	nflogFile    = "nflog"
)

// prepareDir makes sure that snapshots can be written to dir.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create data directory of alerting: %w", err)
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("write to data directory of alerting: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// maintenance collects garbage and writes a snapshot. It stands in for upstream's
// own, whose files everybody may read.
func maintenance(gc func() (int, error), snapshot func(io.Writer) (int64, error), path string) func() (int64, error) {
	return func() (int64, error) {
		if _, err := gc(); err != nil {
			return 0, err
		}
		return writeSnapshot(path, snapshot)
	}
}

// writeSnapshot replaces the file as a whole or not at all, also in a crash.
func writeSnapshot(path string, snapshot func(io.Writer) (int64, error)) (n int64, err error) {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("write snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write snapshot %q: %w", path, errors.Join(err, os.Remove(tmp)))
		}
	}()
	n, err = snapshot(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return n, err
	}
	if err = os.Rename(tmp, path); err != nil {
		return n, err
	}
	return n, syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// recoverSnapshot puts a damaged snapshot aside, so that it does not keep the
// server down. It returns the cause where the file is not damaged but cannot be
// read: then it may be whole, and its owner has to decide.
func (e *engine) recoverSnapshot(path, lost string, usable bool, cause error) error {
	var unreadable *fs.PathError
	if !usable || errors.As(cause, &unreadable) {
		return cause
	}
	aside, err := putAside(path)
	if err != nil {
		return fmt.Errorf("%w; put it aside by hand, as that failed: %w", cause, err)
	}
	e.log.Error("Damaged snapshot put aside, started without it", "path", path, "aside", aside, "lost", lost, "err", cause)
	return nil
}

// putAside renames a file for whoever wants to look at it, and lets nobody else
// read it: it may come from upstream, whose files everybody may read.
func putAside(path string) (aside string, err error) {
	aside = path + ".corrupt-" + time.Now().UTC().Format("20060102T150405.000Z")
	if err := os.Chmod(path, 0o600); err != nil {
		return "", err
	}
	return aside, os.Rename(path, aside)
}
