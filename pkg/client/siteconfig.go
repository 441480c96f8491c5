package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// SiteConfigResult says what the push of a site configuration did, or what it would
// do: the answer of POST /api/srcprom/v1/siteconfig.
type SiteConfigResult struct {
	ConfigResult
	// Problems of the site configuration, as GET /prom-wrapper/config-subscriber tells
	// them. The rest of it runs.
	Problems []ConfigProblem `json:"problems"`
}

// ConfigProblem is one thing that is wrong with a site configuration.
type ConfigProblem struct {
	// Description names the setting, which entry of it, and what to do.
	Description string `json:"description"`
	// Kind is "SiteConfig".
	Kind string `json:"kind"`
}

// PushSiteConfig makes the server do what a Sourcegraph site configuration, JSON
// with comments, says about alerts, at once. What is wrong with single entries is
// told as Problems; an *Error with status 422 means that the text could not be read,
// and that nothing has changed.
func (c *Client) PushSiteConfig(ctx context.Context, text string) (*SiteConfigResult, error) {
	result := &SiteConfigResult{}
	if err := c.call(ctx, http.MethodPost, "/siteconfig", nil, jsonc(text), result); err != nil {
		return nil, fmt.Errorf("push site configuration: %w", err)
	}
	return result, nil
}

// PlanSiteConfig says what PushSiteConfig would do, and does nothing.
func (c *Client) PlanSiteConfig(ctx context.Context, text string) (*SiteConfigResult, error) {
	result := &SiteConfigResult{}
	if err := c.call(ctx, http.MethodPost, "/siteconfig", url.Values{"dry_run": {"1"}}, jsonc(text), result); err != nil {
		return nil, fmt.Errorf("plan site configuration: %w", err)
	}
	return result, nil
}
