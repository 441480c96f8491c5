// Package logfile handles the JSON log files that a configuration names: the
// query log and the scrape failure log. Both engines promise to open them anew
// on each reload, which is how log rotation is meant to work.
package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/prometheus/prometheus/util/logging"
)

// Check returns an error unless the file can be appended to. It leaves no file
// behind that was not there before.
func Check(path string) error {
	_, err := os.Stat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("open log file %q for writing: %w", path, errors.Unwrap(err))
	}
	if isNew {
		return errors.Join(f.Close(), os.Remove(path))
	}
	return f.Close()
}

// Opened remembers which file was opened under a path.
type Opened struct {
	path string
	info os.FileInfo
}

// Open opens a log file as the engines do.
func Open(path string) (*logging.JSONFileLogger, *Opened, error) {
	l, err := logging.NewJSONFileLogger(path)
	if err != nil {
		return nil, nil, fmt.Errorf("log file %q: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("log file %q: %w", path, err), l.Close())
	}
	return l, &Opened{path: path, info: info}, nil
}

// Rotated tells whether the path no longer leads to the file that was opened.
func (o *Opened) Rotated() bool {
	if o == nil {
		return false
	}
	now, err := os.Stat(o.path)
	return err != nil || !os.SameFile(o.info, now)
}
