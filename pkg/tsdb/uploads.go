package tsdb

import (
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/tsdb"
)

// uploadsMaxAge is how long what was read from the file is relied on.
const uploadsMaxAge = time.Minute

// uploads knows which blocks another program has copied elsewhere, from the file
// in which that program notes them, for example Thanos's shipper.
type uploads struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex // guards what follows
	read  time.Time  // when the file was last read; zero if never
	ulids []string
}

func newUploads(path string, log *slog.Logger) *uploads {
	return &uploads{path: path, log: log}
}

// excluded tells whether a block must not be compacted yet. Larger blocks are
// never copied, so nothing waits for them; nor for a file that cannot be read.
func (u *uploads) excluded(meta *tsdb.BlockMeta) bool {
	if meta.Compaction.Level > 1 {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.read.IsZero() || time.Since(u.read) > uploadsMaxAge {
		if err := u.readLocked(); err != nil {
			u.log.Warn("Cannot read which blocks have been uploaded; compaction does not wait for them", "file", u.path, "err", err)
			return false
		}
	}
	return !slices.Contains(u.ulids, meta.ULID.String())
}

func (u *uploads) readLocked() error {
	text, err := os.ReadFile(u.path)
	if err != nil {
		return err
	}
	var content struct {
		Uploaded []string `json:"uploaded"`
	}
	if err := json.Unmarshal(text, &content); err != nil {
		return err
	}
	u.read, u.ulids = time.Now(), content.Uploaded
	return nil
}
