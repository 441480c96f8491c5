package tsdb

import (
	"context"
	"errors"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/runtime"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// Open opens the database, with what the first configuration says about storage,
// and replays the write-ahead log, which may take minutes. It may be called once.
//
// The replay cannot be interrupted. When ctx is done before it has ended, Open
// returns ctx's error at once; the replay goes on behind it, and what it
// opened is closed again. [Store.Close] waits for that.
func (s *Store) Open(ctx context.Context, first *config.Effective) error {
	storage := s.opts.storage(first)
	if err := s.opts.check(&storage); err != nil {
		return faults(err)
	}
	done, err := s.beginOpen()
	if err != nil {
		return err
	}
	if err := checkDir(s.opts.Dir); err != nil {
		close(done)
		return err
	}
	result := make(chan error, 1)
	go func() {
		defer close(done)
		result <- s.open(&storage)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closing = true
		return ctx.Err()
	}
}

// beginOpen returns the channel to close when no opening goes on any more.
func (s *Store) beginOpen() (done chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.opening != nil:
		return nil, errors.New("tsdb: Open has been called before")
	case s.closing:
		return nil, errors.New("tsdb: Open called after Close")
	}
	s.opening = make(chan struct{})
	return s.opening, nil
}

func (s *Store) open(storage *promconfig.StorageConfig) error {
	s.log.Info("Starting TSDB ...")
	opts := s.opts.engineOptions(storage, s.log, s.deps.Features)
	db, err := tsdb.Open(s.opts.Dir, s.deps.Logger.With("component", "tsdb"), s.counters, opts, s.local.stats)
	if err != nil {
		return explain(s.opts.Dir, err)
	}
	if err := s.takeOver(db, *storage.TSDBConfig.Retention); err != nil {
		return errors.Join(err, db.Close())
	}
	s.describeFilesystem()
	s.log.Info("TSDB started", "retention", s.RetentionInfo())
	return nil
}

var errClosing = errors.New("tsdb: closed while it was opening")

// takeOver makes the database the store's own, unless the store is closing.
func (s *Store) takeOver(db *tsdb.DB, retention promconfig.TSDBRetentionConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errClosing
	}
	if err := s.queries.open(s.opts.Dir, s.deps.Logger.With("component", "activeQueryTracker")); err != nil {
		return explain(s.opts.Dir, err)
	}
	if err := registerGauges(s.deps.Registerer, db); err != nil {
		return errors.Join(err, s.queries.Close())
	}
	db.SetWriteNotified(s.remote.writes)
	s.retention = retention
	s.local.db.Store(db)
	close(s.opened)
	return nil
}

func (s *Store) describeFilesystem() {
	fsType := runtime.FsType(s.opts.Dir)
	if fsType == "NFS_SUPER_MAGIC" {
		s.log.Warn("This filesystem is not supported and may lead to data corruption and data loss. Please carefully read https://prometheus.io/docs/prometheus/latest/storage/ to learn more about supported filesystems.", "fs_type", fsType)
		return
	}
	s.log.Info("filesystem information", "fs_type", fsType)
}
