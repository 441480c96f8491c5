package siteconfig

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// settle is how long a file is left alone after a change: whoever writes it may not be
// done.
const settle = 50 * time.Millisecond

// file is a site configuration on the disk. Its directory is watched, since editors
// and Kubernetes replace files; and since a directory can be replaced too, or not be
// watched at all, it is also looked at again and again.
type file struct {
	path    string
	log     *slog.Logger
	watcher *fsnotify.Watcher // nil where there is none
	told    bool              // that the directory cannot be watched
}

func newFile(path string, log *slog.Logger) *file {
	f := &file{path: filepath.Clean(path), log: log}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		f.unwatched(err)
		return f
	}
	f.watcher = watcher
	return f
}

func (f *file) fetch(context.Context) (answer, error) {
	f.watch() // before reading, so that no change falls in between
	text, err := config.ReadFile(f.path, maxAnswer)
	if err != nil {
		return answer{}, &fetchError{reason: err.Error()}
	}
	return answer{site: text}, nil
}

func (f *file) watch() {
	if f.watcher == nil {
		return
	}
	if err := f.watcher.Add(filepath.Dir(f.path)); err != nil {
		f.unwatched(err)
		return
	}
	f.told = false
}

func (f *file) unwatched(err error) {
	if !f.told {
		f.log.Warn("The directory of the site configuration cannot be watched; the file is looked at from time to time", "path", f.path, "err", err)
	}
	f.told = true
}

// wait returns early when the file may have changed.
func (f *file) wait(ctx context.Context, d time.Duration) {
	if f.watcher == nil {
		sleep(ctx, d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case err := <-f.watcher.Errors: // such as events that were lost
			f.log.Debug("Watching the directory of the site configuration has gone wrong; the file is looked at", "path", f.path, "err", err)
			return
		case event := <-f.watcher.Events:
			if f.concerns(event.Name) {
				sleep(ctx, settle)
				f.drain()
				return
			}
		}
	}
}

// concerns says whether what has changed may be the file. Kubernetes swaps a link in
// the same directory, whose name begins with two dots.
func (f *file) concerns(name string) bool {
	base := filepath.Base(name)
	return base == filepath.Base(f.path) || strings.HasPrefix(base, "..")
}

// drain drops what the next reading sees anyway.
func (f *file) drain() {
	for {
		select {
		case <-f.watcher.Events:
		default:
			return
		}
	}
}

func (f *file) close() {
	if f.watcher != nil {
		_ = f.watcher.Close() // nothing can be done about it
	}
}
