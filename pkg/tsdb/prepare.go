package tsdb

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/lifecycle"
	"github.com/sourcegraph/srcprom/pkg/internal/logfile"
)

// Prepare checks what storage, remote_write, remote_read and query_log_file say
// in next. The step is for an open store. A query log that log rotation has moved
// away counts as a change, and is opened anew.
func (s *Store) Prepare(prev, next *config.Effective) (*lifecycle.Step, error) {
	from, to := s.opts.settings(prev), s.opts.settings(next)
	changes := s.changes(from, to)
	if len(changes) == 0 {
		return &lifecycle.Step{}, nil
	}
	if err := s.check(to); err != nil {
		return nil, faults(err)
	}
	return &lifecycle.Step{
		Changes: changes,
		Commit:  func() error { return s.apply(from, to) },
		Undo:    func() error { return s.apply(to, from) },
	}, nil
}

// faults says that the prometheus document is wrong.
func faults(err error) config.Faults {
	return config.Faults{{Document: config.PrometheusDocument, Reason: err.Error()}}
}

func (s *Store) check(to settings) error {
	errs := []error{s.opts.check(to.storage), to.writes.check(), to.reads.check()}
	if to.queryLogFile != "" {
		if err := logfile.Check(to.queryLogFile); err != nil {
			errs = append(errs, fmt.Errorf("global.query_log_file: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (s *Store) changes(from, to settings) []string {
	changes := storageChanges(from.storage, to.storage)
	if !to.writes.same(from.writes) {
		changes = append(changes, fmt.Sprintf("remote_write: %d endpoint(s), was %d", to.writes.endpoints(), from.writes.endpoints()))
	}
	if !to.reads.same(from.reads) {
		changes = append(changes, fmt.Sprintf("remote_read: %d endpoint(s), was %d", to.reads.endpoints(), from.reads.endpoints()))
	}
	switch {
	case from.queryLogFile != to.queryLogFile && to.queryLogFile == "":
		changes = append(changes, "query log: off")
	case from.queryLogFile != to.queryLogFile:
		changes = append(changes, fmt.Sprintf("query log: %q", to.queryLogFile))
	case s.queryLogRotated():
		changes = append(changes, fmt.Sprintf("query log: %q opened anew, it had been moved away", to.queryLogFile))
	}
	if from.subqueryStep != to.subqueryStep {
		changes = append(changes, fmt.Sprintf("query engine: subqueries without a step take %s", to.subqueryStep))
	}
	return changes
}

func storageChanges(from, to *promconfig.StorageConfig) []string {
	if from == nil {
		return []string{"storage: retention " + describeRetention(*to.TSDBConfig.Retention)}
	}
	if reflect.DeepEqual(from, to) {
		return nil
	}
	var changes []string
	note := func(changed bool, format string, args ...any) {
		if changed {
			changes = append(changes, "storage: "+fmt.Sprintf(format, args...))
		}
	}
	old, now := from.TSDBConfig, to.TSDBConfig
	note(*old.Retention != *now.Retention, "retention %s (was %s)", describeRetention(*now.Retention), describeRetention(*old.Retention))
	note(old.OutOfOrderTimeWindow != now.OutOfOrderTimeWindow, "out-of-order window %s (was %s)",
		time.Duration(now.OutOfOrderTimeWindow)*time.Millisecond, time.Duration(old.OutOfOrderTimeWindow)*time.Millisecond)
	note(old.ChunkEncoding != now.ChunkEncoding, "chunk encoding %q (was %q)", now.ChunkEncoding.Floats, old.ChunkEncoding.Floats)
	note(old.StaleSeriesCompactionThreshold != now.StaleSeriesCompactionThreshold, "stale series compaction threshold %g (was %g)",
		now.StaleSeriesCompactionThreshold, old.StaleSeriesCompactionThreshold)
	note(*from.ExemplarsConfig != *to.ExemplarsConfig, "%d exemplars (were %d)", to.ExemplarsConfig.MaxExemplars, from.ExemplarsConfig.MaxExemplars)
	if len(changes) == 0 {
		changes = []string{"storage: settings"} // one that a newer engine has brought
	}
	return changes
}

// apply makes the store run to instead of from. When it fails, from still runs.
// What can fail comes first.
func (s *Store) apply(from, to settings) error {
	if s.isClosing() {
		return errClosed
	}
	log, opened, err := s.reopenQueryLog(from, to)
	if err != nil {
		return err
	}
	if err := s.applyStorage(from.storage, to.storage); err != nil {
		return errors.Join(err, closeQueryLog(log))
	}
	if err := s.applyRemote(from, to); err != nil {
		return errors.Join(err, s.applyStorage(to.storage, from.storage), closeQueryLog(log))
	}
	s.setQueryLog(from, to, log, opened)
	if to.subqueryStep != 0 {
		s.subqueryStep.Store(to.subqueryStep.Milliseconds())
	}
	return nil
}

func (s *Store) applyRemote(from, to settings) error {
	if err := to.reads.apply(s.remote.reads, from.reads); err != nil {
		return err
	}
	if err := to.writes.apply(s.remote.writes, from.writes); err != nil {
		return errors.Join(err, from.reads.apply(s.remote.reads, to.reads))
	}
	return nil
}

func (s *Store) applyStorage(from, to *promconfig.StorageConfig) error {
	if to == nil || reflect.DeepEqual(from, to) {
		return nil
	}
	db := s.local.db.Load()
	if db == nil {
		return fmt.Errorf("storage: %w", tsdb.ErrNotReady)
	}
	if err := db.ApplyConfig(&promconfig.Config{StorageConfig: *to}); err != nil {
		err = fmt.Errorf("storage: %w", err)
		if from != nil {
			err = errors.Join(err, db.ApplyConfig(&promconfig.Config{StorageConfig: *from}))
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retention = *to.TSDBConfig.Retention
	return nil
}

func closeQueryLog(log promql.QueryLogger) error {
	if log == nil {
		return nil
	}
	return log.Close()
}

func (s *Store) queryLogRotated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queryLog.Rotated()
}

// reopenQueryLog opens the query log of to, unless it is the one that is open.
func (s *Store) reopenQueryLog(from, to settings) (promql.QueryLogger, *logfile.Opened, error) {
	if to.queryLogFile == "" || from.queryLogFile == to.queryLogFile && !s.queryLogRotated() {
		return nil, nil, nil
	}
	log, opened, err := logfile.Open(to.queryLogFile)
	if err != nil {
		return nil, nil, fmt.Errorf("global.query_log_file: %w", err)
	}
	return log, opened, nil
}

// setQueryLog swaps the query log. The engine closes the old one.
func (s *Store) setQueryLog(from, to settings, log promql.QueryLogger, opened *logfile.Opened) {
	if log == nil && from.queryLogFile == to.queryLogFile {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine.SetQueryLogger(log)
	s.queryLog = opened
}
