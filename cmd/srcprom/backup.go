package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sourcegraph/srcprom/pkg/backup"
)

// backUp asks a running server for a backup, and returns the exit code.
func backUp(ctx context.Context, s *settings, stdout, stderr io.Writer) int {
	manifest, err := saveBackup(ctx, s)
	return report(err, stdout, stderr, func() string {
		return fmt.Sprintf("%s: backup of %s; it holds secrets", s.output, describe(manifest))
	})
}

// saveBackup writes the backup beside its place, reads it back, and then puts it
// there: under that name is never a file that cannot be restored.
func saveBackup(ctx context.Context, s *settings) (_ *backup.Manifest, err error) {
	from, err := s.remote.client()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(s.output), "."+filepath.Base(s.output)+"-*") // with mode 0600
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(from.Backup(ctx, f), f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	manifest, err := backup.Check(ctx, f.Name())
	if err != nil {
		return nil, err
	}
	return manifest, os.Rename(f.Name(), s.output)
}

// restore makes a data directory of a backup, and returns the exit code.
func restore(ctx context.Context, s *settings, stdout, stderr io.Writer) int {
	dir := s.server.Storage.Dir
	manifest, err := backup.Restore(ctx, s.archive, dir)
	return report(err, stdout, stderr, func() string {
		return fmt.Sprintf("%s: restored from the backup of %s", dir, describe(manifest))
	})
}

func describe(m *backup.Manifest) string {
	return fmt.Sprintf("%s, configuration version %d, made by version %s", m.Time.Format(time.RFC3339), m.ConfigVersion, m.Version)
}

// report says how a command ended, and returns its exit code.
func report(err error, stdout, stderr io.Writer, success func() string) int {
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", buildName, oneLine(err))
		return exitFailure
	}
	fmt.Fprintln(stdout, success())
	return 0
}
