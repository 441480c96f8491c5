package srcprom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/common/version"

	"github.com/sourcegraph/srcprom/pkg/backup"
)

// backupStage is the sub-directory of [stateDir] in which a backup is prepared: it
// must be on the file system of the blocks, which a snapshot links to.
const backupStage = "backup.tmp"

// Backup writes an archive of everything to w, of which package backup makes a data
// directory again: samples, state and configuration, with all of its secrets. The
// server goes on meanwhile. Backups are made one after another, and the end of ctx,
// or of the server, breaks them off; what was written then is no whole archive.
func (s *Server) Backup(ctx context.Context, w io.Writer) error {
	if s.started == nil {
		return errNotMade
	}
	ctx, cancel := s.untilStopping(ctx)
	defer cancel()
	select {
	case s.backupLock <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// The writing of a block cannot be interrupted, and must not hold up whoever
	// waits for the end of this. So it may outlast this call; endBackups waits for it.
	prepared, written, cleared := make(chan preparedBackup), make(chan struct{}), make(chan struct{})
	go func() {
		defer func() { <-s.backupLock }()
		defer close(cleared)
		defer s.clearBackup()
		p := s.prepareBackup(ctx)
		select {
		case prepared <- p:
			<-written
		case <-ctx.Done():
		}
	}()
	select {
	case p := <-prepared:
		defer func() { close(written); <-cleared }()
		if p.err != nil {
			return p.err
		}
		return backup.Write(ctx, w, p.contents)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// untilStopping returns a context that ends with ctx, and when the server begins to
// stop.
func (s *Server) untilStopping(ctx context.Context) (context.Context, context.CancelFunc) {
	until, cancel := context.WithCancelCause(s.up)
	if ctx.Err() != nil {
		cancel(context.Cause(ctx)) // now, not soon
	}
	unlink := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	return until, func() {
		unlink()
		cancel(nil)
	}
}

// preparedBackup is what is to be written, or why that is not possible.
type preparedBackup struct {
	contents backup.Contents
	err      error
}

func (s *Server) prepareBackup(ctx context.Context) preparedBackup {
	s.clearBackup()
	stage := s.backupStage()
	p := preparedBackup{contents: backup.Contents{
		StateFile:   filepath.Join(stage, "state.db"),
		SnapshotDir: filepath.Join(stage, "tsdb"),
	}}
	// The state comes first: samples that are newer than it only tell more.
	if p.err = os.Mkdir(stage, 0o700); p.err == nil {
		p.err = s.copyState(ctx, &p.contents)
	}
	if p.err == nil {
		p.err = s.store.Snapshot(ctx, p.contents.SnapshotDir)
	}
	if p.err != nil {
		p.err = fmt.Errorf("prepare the backup: %w", p.err)
	}
	return p
}

// copyState copies the state, and says what configuration it holds.
func (s *Server) copyState(ctx context.Context, contents *backup.Contents) error {
	unlock, err := s.lockConfig(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	accepted := s.running.Load().accepted
	contents.Manifest = backup.Manifest{Time: time.Now().UTC(), Version: version.Version, ConfigVersion: accepted.Version}
	contents.Config = make(map[string]string, len(accepted.Documents))
	for name, doc := range accepted.Documents {
		contents.Config[name] = doc.Content
	}
	f, err := os.OpenFile(contents.StateFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = s.state.WriteTo(ctx, f)
	return errors.Join(err, f.Close())
}

func (s *Server) backupStage() string {
	return filepath.Join(s.opts.Storage.Dir, stateDir, backupStage)
}

// clearBackup removes what a backup, or a server that was killed during one, needed.
func (s *Server) clearBackup() {
	if err := os.RemoveAll(s.backupStage()); err != nil {
		s.log.Warn("Files of a backup could not be removed; the next backup or start tries it again", "err", err)
	}
}

// endBackups waits for what a backup still does, and lets none begin any more.
func (s *Server) endBackups() error {
	select {
	case s.backupLock <- struct{}{}:
		return nil
	case <-s.closing.Done():
		return errors.New("a snapshot for a backup is still being written")
	}
}
