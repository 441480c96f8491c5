package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// formatVersion is that of the archives that this package writes. It reads none
// that is newer.
const formatVersion = 1

// Names in an archive.
const (
	manifestName = "manifest.json"
	configDir    = "config"
	stateName    = "srcprom/state.db"
	tsdbDir      = "tsdb"
	sumsName     = "SHA256SUMS"
)

// Manifest says what an archive is.
type Manifest struct {
	// Format of the archive; set by Write.
	Format int `json:"format"`
	// Time at which the making of the archive began.
	Time time.Time `json:"time"`
	// Version of the program that made it.
	Version string `json:"version"`
	// ConfigVersion is the version of the configuration that ran.
	ConfigVersion uint64 `json:"config_version"`
}

// ErrDamaged says that a file is no archive, or is not one any more.
var ErrDamaged = errors.New("it is no whole archive")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

func readManifest(r io.Reader) (*Manifest, error) {
	manifest := &Manifest{}
	if err := json.NewDecoder(r).Decode(manifest); err != nil {
		return nil, damaged("read %s: %w", manifestName, err)
	}
	switch {
	case manifest.Format < 1:
		return nil, damaged("%s has format version %d", manifestName, manifest.Format)
	case manifest.Format > formatVersion:
		return nil, fmt.Errorf("it has format version %d, this program knows up to %d; use the program that made it, version %q, or a newer one",
			manifest.Format, formatVersion, manifest.Version)
	}
	return manifest, nil
}
