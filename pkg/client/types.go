package client

import "time"

// BasePath is where the endpoints are, below the address of a server and its
// route prefix.
const BasePath = "/api/srcprom/v1"

// Config is the configuration that was last applied: the answer of GET
// /api/srcprom/v1/config.
type Config struct {
	// Version counts applied changes. It is what ConfigRequest.IfVersion compares.
	Version   uint64    `json:"version"`
	AppliedAt time.Time `json:"applied_at"`
	// Documents by name: "prometheus", "alertmanager", "rules/<name>",
	// "templates/<name>".
	Documents map[string]Document `json:"documents"`
}

// Document is one part of a configuration, in its usual file format.
type Document struct {
	Provenance Provenance `json:"provenance"`
	// Hash is the SHA-256 of the whole content, in lower-case hexadecimal digits.
	Hash string `json:"hash"`
	// Content has a mark in the place of each secret; a document that carries the
	// mark is refused when it is sent back.
	Content string `json:"content"`
}

// Provenance says where a document came from, and when.
type Provenance struct {
	// Source is "file", "go", "http", "siteconfig" or "builtin".
	Source string `json:"source"`
	// Path of the file; empty for all other sources.
	Path string    `json:"path,omitempty"`
	At   time.Time `json:"at"`
}

// ConfigRequest is a change of the configuration: the body of POST
// /api/srcprom/v1/config.
type ConfigRequest struct {
	// Documents to set, by name; nil removes. Documents not named stay. It must
	// not be nil.
	Documents map[string]*string `json:"documents"`
	// IfVersion refuses the change with status 409 unless the configuration has
	// this version; nil means any.
	IfVersion *uint64 `json:"if_version,omitempty"`
	// Strict refuses the change with status 422 if it would set any entry aside.
	// It travels as ?strict=1.
	Strict bool `json:"-"`
}

// ConfigResult says what an apply did, or what it would do.
type ConfigResult struct {
	// Version runs after an apply; for a plan, it is the one before.
	Version uint64 `json:"version"`
	// Changes in words, one line each; empty when there was nothing to do.
	Changes []string `json:"changes"`
	// SetAside lists all entries that do not run as written, not only new ones.
	SetAside []SetAside `json:"set_aside"`
	Warnings []string   `json:"warnings,omitempty"`
}

// SetAside is one entry of a document that does not run as written while
// everything beside it does.
type SetAside struct {
	Document string `json:"document"`
	Name     string `json:"name"`
	Line     int    `json:"line"` // 1-based; 0 when unknown
	Reason   string `json:"reason"`
}

// Fault is one reason why a configuration was refused.
type Fault struct {
	Document string `json:"document"`
	Line     int    `json:"line"` // 1-based; 0 when unknown
	Reason   string `json:"reason"`
}

// Readiness says what a server still waits for: the answer of GET
// /api/srcprom/v1/ready, with status 200 when ready and 503 when not.
type Readiness struct {
	Ready bool `json:"ready"`
	// Stopping is true from the first moment of a stop.
	Stopping bool `json:"stopping"`
	// Reasons has one line for each part that is not ready.
	Reasons []string `json:"reasons"`
	// Detail is what else there is to know, one line each: it does not keep the server
	// from being ready.
	Detail []string `json:"detail,omitempty"`
}

// ErrorBody is what every answer with another status than 200 carries.
type ErrorBody struct {
	// Error in words; empty when Faults says it all.
	Error string `json:"error,omitempty"`
	// Faults of a configuration that was refused with status 422.
	Faults []Fault `json:"faults,omitempty"`
}
