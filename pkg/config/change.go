package config

import (
	"errors"
	"time"
)

// ErrVersion says that the configuration is no longer at the version that a
// change was made against.
var ErrVersion = errors.New("the configuration has another version")

// ErrNotKept says that a version to roll back to is not in the history.
var ErrNotKept = errors.New("the version is not kept")

// Change is an edit of the desired state.
type Change struct {
	// Documents to set, by name; nil removes. Documents not named stay.
	Documents map[string]*string
	// Provenance is recorded with each document set.
	Provenance Provenance
	// LastRead is put over [Accepted.LastRead]: what a source other than files has
	// read, under a key that is no absolute path.
	LastRead map[string]string
	// IfVersion refuses the change with ErrVersion unless the configuration has
	// this version; nil means any.
	IfVersion *uint64
	// Strict refuses a change that would set any entry aside.
	Strict bool
}

// Rollback is a return to the documents of an earlier version.
type Rollback struct {
	// Version whose documents are to run again. What they said stands in the place
	// of what runs; [ErrNotKept] where the version is not in the history.
	Version uint64
	// Provenance is recorded with each document that becomes another one: it counts
	// as pushed.
	Provenance Provenance
	// IfVersion and Strict are those of [Change].
	IfVersion *uint64
	Strict    bool
}

// Result says what a plan would do, or what an apply did.
type Result struct {
	// Version is the one that runs after the apply; for a plan, the one before.
	Version uint64
	// Changes in words, one line each; empty when there was nothing to do.
	Changes []string
	// SetAside lists all entries that do not run as written, not only new ones.
	SetAside []SetAside
	// Problems are Effective.Problems.
	Problems []string
	Warnings []string
}

// Accepted is the configuration that was last applied, as it is kept across
// restarts.
type Accepted struct {
	Version   uint64    `json:"version"`
	AppliedAt time.Time `json:"applied_at"`
	Documents Documents `json:"documents"`
	// Standing is Effective.Standing.
	Standing map[string]string `json:"standing,omitempty"`
	// LastRead is the hash of what was last read from each path. A file replaces
	// a document that was pushed since only if it has another hash now. Keys that
	// are no absolute paths belong to other sources than files.
	LastRead map[string]string `json:"last_read,omitempty"`
}
