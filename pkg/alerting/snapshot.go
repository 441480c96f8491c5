package alerting

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
