package config

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"
)

// Names of the documents that a configuration is made of.
const (
	// PrometheusDocument is prometheus.yml.
	PrometheusDocument = "prometheus"
	// AlertmanagerDocument is alertmanager.yml.
	AlertmanagerDocument = "alertmanager"
	// SiteConfigDocument is what is used of a Sourcegraph site configuration, in a
	// format of its own; see [Overlay]. Only its source sets it.
	SiteConfigDocument = "siteconfig"
	// RulesPrefix starts the name of each rule file.
	RulesPrefix = "rules/"
	// TemplatesPrefix starts the name of each notification template.
	TemplatesPrefix = "templates/"
	// ScrapePrefix starts the name of each file that scrape_config_files matched.
	ScrapePrefix = "scrape/"
)

// Source says through which door a document came in.
type Source string

// The sources of documents.
const (
	SourceFile       Source = "file"       // read from disk
	SourceGo         Source = "go"         // Options or Apply of an embedder
	SourceHTTP       Source = "http"       // POST /api/srcprom/v1/config
	SourceSiteConfig Source = "siteconfig" // translated from a Sourcegraph site configuration
	SourceBuiltin    Source = "builtin"    // the embedded default
)

// Provenance says where a document came from, and when.
type Provenance struct {
	Source Source    `json:"source"`
	Path   string    `json:"path,omitempty"` // absolute; only for SourceFile
	At     time.Time `json:"at"`
}

// Document is one part of the desired state, in its usual file format.
type Document struct {
	Name       string     `json:"name"`
	Content    string     `json:"content"`
	Provenance Provenance `json:"provenance"`
}

// Hash is the lower-case hexadecimal SHA-256 of the content.
func (d Document) Hash() string {
	sum := sha256.Sum256([]byte(d.Content))
	return hex.EncodeToString(sum[:])
}

// Documents are the desired state: every document by its name.
type Documents map[string]Document

// Names returns the names of all documents, sorted.
func (d Documents) Names() []string {
	return slices.Sorted(maps.Keys(d))
}

// WithPrefix returns the documents whose name begins with prefix, sorted by name.
func (d Documents) WithPrefix(prefix string) []Document {
	var found []Document
	for _, name := range d.Names() {
		if strings.HasPrefix(name, prefix) {
			found = append(found, d[name])
		}
	}
	return found
}
