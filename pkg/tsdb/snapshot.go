package tsdb

import (
	"context"
	"fmt"
	"os"

	"github.com/prometheus/prometheus/tsdb"
)

// Snapshot writes everything to dir, which is made, as blocks: those that there
// are, linked to, and what is in memory. Samples that came out of order are
// compacted first: the engine's own snapshot leaves those out that are in memory.
// Once begun, the writing of a block is not interrupted.
func (s *Store) Snapshot(ctx context.Context, dir string) error {
	db := s.local.db.Load()
	if db == nil {
		return fmt.Errorf("snapshot data directory %q: %w", s.opts.Dir, tsdb.ErrNotReady)
	}
	if err := db.CompactOOOHead(ctx); err != nil {
		return fmt.Errorf("snapshot data directory %q: compact samples that came out of order: %w", s.opts.Dir, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil { // of an empty database nothing is written
		return fmt.Errorf("snapshot data directory %q: %w", s.opts.Dir, err)
	}
	withHead := db.Head().NumSeries() > 0
	if err := db.Snapshot(dir, withHead); err != nil {
		return fmt.Errorf("snapshot data directory %q: %w", s.opts.Dir, err)
	}
	return nil
}
