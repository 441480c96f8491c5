package alerting

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// Names of Alertmanager's snapshot files.
const (
	silencesFile = "silences"
	nflogFile    = "nflog"
)

// importMark is in front of the paths of the files that have been imported.
const importMark = "imported:"

// importing takes silences and notification log over from snapshot files. It comes
// after the restoring, before the journal is hooked up.
type importing struct {
	engine *engine
	marks  map[string]string // what was imported before, by the key of its mark
}

// importSnapshots imports each file once: those in Options.ImportDir, which are
// left alone, and those in Options.DataDir, where earlier versions kept them, which
// are renamed. Nothing that is wrong with a file prevents the start.
func (e *engine) importSnapshots() {
	i := importing{engine: e, marks: map[string]string{}}
	e.eachRecord(state.Marks, func(key string, value []byte) error {
		i.marks[key] = string(value)
		return nil
	})
	for _, kind := range []struct {
		file string
		snapshotKind
	}{
		{silencesFile, snapshotKind{e.silenceJournal, checkSilence, e.silences.Merge}},
		{nflogFile, snapshotKind{e.nflogJournal, readNotification, e.notified.Merge}},
	} {
		i.own(kind.file, kind.snapshotKind)
		i.foreign(kind.file, kind.snapshotKind)
	}
}

// snapshotKind is what a snapshot holds, and where that goes.
type snapshotKind struct {
	journal *journal
	check   func([]byte) (record, error)
	merge   func([]byte) error
}

func (i importing) own(name string, kind snapshotKind) {
	if i.engine.opts.DataDir == "" {
		return
	}
	path := filepath.Join(i.engine.opts.DataDir, name)
	if !i.file(path, kind, true) {
		return
	}
	if err := os.Rename(path, path+".imported"); err != nil {
		i.engine.log.Warn("Imported snapshot not renamed; it is not read again unless it changes", "path", path, "err", err)
	}
}

func (i importing) foreign(name string, kind snapshotKind) {
	if dir := i.engine.opts.ImportDir; dir != "" {
		i.file(filepath.Join(dir, name), kind, false)
	}
}

// file imports one file. It returns whether its content is in the state and on the
// disk, also when that was so before. again allows for another file of the same
// path.
func (i importing) file(path string, kind snapshotKind, again bool) (done bool) {
	log := i.engine.log.With("path", path)
	path, err := filepath.Abs(path)
	if err != nil {
		log.Error("Snapshot not imported", "err", err)
		return false
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		log.Error("Snapshot not imported; it is tried again at the next start", "err", err)
		return false
	}
	key, mark := state.Key(importMark+path), fmt.Sprintf("%d bytes of %s", info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))
	if before, ok := i.marks[key]; ok && (!again || before == mark) {
		return true
	}
	content, err := os.ReadFile(path)
	if err != nil {
		log.Error("Snapshot not imported; it is tried again at the next start", "err", err)
		return false
	}
	imported, lost, rest := i.records(content, kind)
	if lost > 0 || rest > 0 {
		i.engine.durability.setAside.WithLabelValues(string(kind.journal.bucket)).Add(float64(lost))
		log.Error("Snapshot is damaged, imported without what cannot be read", "imported", imported, "lost_records", lost, "lost_bytes", rest)
	} else {
		log.Info("Snapshot imported", "imported", imported)
	}
	i.engine.state.Put(state.Marks, key, []byte(mark))
	if err := awaitDisk(context.Background(), i.engine.state); err != nil {
		log.Error("Imported snapshot not written to the state yet", "err", err)
		return false
	}
	return true
}

// records imports each record on its own. rest is how many bytes at the end make
// no sense.
func (i importing) records(content []byte, kind snapshotKind) (imported, lost, rest int) {
	whole, unread := frames(content)
	for _, frame := range whole {
		r, err := kind.check(frame)
		if err == nil {
			err = kind.merge(frame)
		}
		if err != nil {
			lost++
			i.engine.log.Error("Record of a snapshot not imported", "kind", kind.journal.bucket, "err", err)
			continue
		}
		kind.journal.put(r)
		imported++
	}
	return imported, lost, len(unread)
}
