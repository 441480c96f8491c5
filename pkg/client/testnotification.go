package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// TestNotificationRequest asks for a notification that tests how receivers are
// reached: the body of POST /api/srcprom/v1/test-notification. It names either a
// receiver or labels.
type TestNotificationRequest struct {
	// Receiver to send through, exactly as configured, whether a route leads to it or
	// not.
	Receiver string `json:"receiver,omitempty"`
	// Labels of an alert: the notification goes through each route that it would
	// take. It gets an alertname where there is none.
	Labels map[string]string `json:"labels,omitempty"`

	// Documents and SiteConfig make a candidate: the configuration that would run if
	// these were applied, which they are not. Without them, what runs is tested.
	// Documents are those of ConfigRequest.
	Documents map[string]*string `json:"documents,omitempty"`
	// SiteConfig is the text of a site configuration, comments included.
	SiteConfig *string `json:"site_config,omitempty"`
}

// HasCandidate says whether the notification is to go through another configuration
// than the one that runs.
func (r TestNotificationRequest) HasCandidate() bool {
	return r.Documents != nil || r.SiteConfig != nil
}

// TestNotificationResult says what became of a test notification.
type TestNotificationResult struct {
	// Receivers that it was sent through, one for each route that was taken.
	Receivers []TestedReceiver `json:"receivers"`
	// Problems of the site configuration, as GET /prom-wrapper/config-subscriber tells
	// them: what could not be used of it is not tested either.
	Problems []ConfigProblem `json:"problems,omitempty"`
}

// TestedReceiver is a receiver that a test notification went to.
type TestedReceiver struct {
	Receiver string `json:"receiver"`
	// Route that leads to it, by its id; empty when the receiver was named.
	Route string `json:"route,omitempty"`
	// Integrations of the receiver. Where there are none, nothing is delivered.
	Integrations []TestedIntegration `json:"integrations"`
	// Note says why nothing was sent; empty when something was tried.
	Note string `json:"note,omitempty"`
}

// TestedIntegration is what one integration of a receiver did with a test
// notification.
type TestedIntegration struct {
	// Integration is its kind and index, such as "webhook[0]".
	Integration string `json:"integration"`
	// Sent says that the service has taken the notification. There is one attempt.
	Sent bool `json:"sent"`
	// Status is the HTTP status or SMTP code of the answer; 0 when there was none.
	Status int `json:"status,omitempty"`
	// LatencySeconds until the answer, connecting included; 0 when nothing was tried.
	LatencySeconds float64 `json:"latency_seconds"`
	// Error in words, without secrets; empty when it was sent.
	Error string `json:"error,omitempty"`
}

// TestNotification sends a notification that is marked as a test, and says what
// became of it. That it was not taken is an answer, not an error. An *Error with
// status 404 means that there is no such receiver; one with status 422 has the
// faults of the candidate.
func (c *Client) TestNotification(ctx context.Context, req TestNotificationRequest) (*TestNotificationResult, error) {
	result := &TestNotificationResult{}
	if err := c.call(ctx, http.MethodPost, "/test-notification", url.Values{}, req, result); err != nil {
		return nil, fmt.Errorf("send test notification: %w", err)
	}
	return result, nil
}
