package tsdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb/index"
)

const (
	// metaVersion is the newest format of a block's meta.json that the engine reads.
	metaVersion = 1
	// chunksVersion is that of a block's chunk files.
	chunksVersion = 1
	// formatOffset is where a file's format is, after four bytes that tell its kind.
	formatOffset = 4
)

// checkFormats refuses a directory with blocks of a newer format. The engine
// would skip such a block with one line in the log, and answer queries without it.
func checkFormats(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return explain(dir, err)
	}
	var errs []error
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if err := checkBlock(filepath.Join(dir, entry.Name())); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("data directory %q was written by a newer version: run that, or move these blocks away: %w", dir, errors.Join(errs...))
}

// checkBlock passes by whatever is not a block, or broken: the engine has its
// own words for that.
func checkBlock(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return nil
	}
	var meta struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(text, &meta) != nil {
		return nil
	}
	for _, part := range []struct {
		name        string
		have, known int
	}{
		{"meta.json", meta.Version, metaVersion},
		{"index", fileFormat(filepath.Join(dir, "index")), index.FormatV3},
		{"chunks", fileFormat(filepath.Join(dir, "chunks", "000001")), chunksVersion},
	} {
		if part.have > part.known {
			return fmt.Errorf("block %q: %s has format %d, this version reads up to %d", filepath.Base(dir), part.name, part.have, part.known)
		}
	}
	return nil
}

// fileFormat is 0 where it cannot be read.
func fileFormat(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	var header [formatOffset + 1]byte
	if _, err := io.ReadFull(f, header[:]); err != nil {
		return 0
	}
	return int(header[formatOffset])
}
