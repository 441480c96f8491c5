package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

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
	// Documents that differ from the version before, by name. Of the oldest version
	// that is kept these are all documents, as if they were new.
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
	// Strict is that of ConfigRequest.
	Strict bool `json:"-"`
}

// ConfigHistoryQuery says which versions are wanted.
type ConfigHistoryQuery struct {
	// Before is ConfigHistory.Next of the page before; zero means from the newest.
	Before uint64
	// Limit is how many versions a page has. Zero means 20; more than 100 is an error.
	Limit int
}

// ConfigHistory returns the configurations that were accepted, the newest first.
func (c *Client) ConfigHistory(ctx context.Context, query ConfigHistoryQuery) (*ConfigHistory, error) {
	params := url.Values{}
	if query.Before > 0 {
		params.Set("before", strconv.FormatUint(query.Before, 10))
	}
	if query.Limit != 0 {
		params.Set("limit", strconv.Itoa(query.Limit))
	}
	history := &ConfigHistory{}
	if err := c.call(ctx, http.MethodGet, "/config/history", params, nil, history); err != nil {
		return nil, fmt.Errorf("get configuration history: %w", err)
	}
	return history, nil
}

// RollbackConfig runs the documents of an earlier version again, whole or not at
// all. An *Error with status 404 means that the version is not kept; its other
// statuses are those of ApplyConfig.
func (c *Client) RollbackConfig(ctx context.Context, req RollbackRequest) (*ConfigResult, error) {
	result, err := c.change(ctx, "/config/rollback", url.Values{}, req.Strict, req)
	if err != nil {
		return nil, fmt.Errorf("roll back configuration: %w", err)
	}
	return result, nil
}

// PlanRollbackConfig says what RollbackConfig would do, and does nothing.
func (c *Client) PlanRollbackConfig(ctx context.Context, req RollbackRequest) (*ConfigResult, error) {
	result, err := c.change(ctx, "/config/rollback", url.Values{"dry_run": {"1"}}, req.Strict, req)
	if err != nil {
		return nil, fmt.Errorf("plan roll back of the configuration: %w", err)
	}
	return result, nil
}
