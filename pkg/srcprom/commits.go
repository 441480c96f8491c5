package srcprom

import (
	"github.com/prometheus/prometheus/storage"

	"github.com/sourcegraph/srcprom/pkg/rules"
	"github.com/sourcegraph/srcprom/pkg/tsdb"
)

// watchedStorage is the storage for those who bring samples: the rules hear of each
// commit. The rules are built later, but no commit succeeds before: the database is
// opened by Run.
func (s *Server) watchedStorage(by rules.Trigger) storage.Storage {
	return tsdb.Watched(s.store.Storage(), func(c tsdb.Commit) { s.rules.Committed(by, c.Jobs, c.Newest) })
}
