package client

import "time"

// ConfigHistory is one page of the configurations that were accepted, the newest
// first: the answer of GET /api/srcprom/v1/config/history.
type ConfigHistory struct {
	Versions []ConfigVersion `json:"versions"`
	// Next is the version before which the next page begins; 0 at the end. It
	// travels as ?before=.
	Next uint64 `json:"next"`
}

// ConfigVersion is one configuration that was accepted.
type ConfigVersion struct {
	Version   uint64    `json:"version"`
	AppliedAt time.Time `json:"applied_at"`
	// Changes in words, as ConfigResult has them.
	Changes []string `json:"changes"`
	// SetAside lists the entries that did not run as written.
	SetAside []SetAside `json:"set_aside"`
	// RolledBackTo is the version whose documents were taken up again; 0 when this
	// was no roll back.
	RolledBackTo uint64 `json:"rolled_back_to,omitempty"`
	// Documents that differ from the version before, by name.
	Documents map[string]DocumentChange `json:"documents"`
}

// DocumentChange is how a document differs from the version before.
type DocumentChange struct {
	Provenance Provenance `json:"provenance"` // of the new one; of the old one where it was removed
	// Hash of the new content; empty where the document was removed.
	Hash string `json:"hash"`
	// Diff from the version before to this one, in the unified format, secrets
	// redacted. Empty where only secrets differ.
	Diff string `json:"diff"`
}

// RollbackRequest is the body of POST /api/srcprom/v1/config/rollback, which
// answers with a ConfigResult.
type RollbackRequest struct {
	// Version whose documents are to run again.
	Version uint64 `json:"version"`
	// IfVersion is that of ConfigRequest.
	IfVersion *uint64 `json:"if_version,omitempty"`
}
