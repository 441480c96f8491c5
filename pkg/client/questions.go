package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// History returns one page of what was decided about alerts, the newest first. An
// *Error with status 400 says what is wrong with the query.
func (c *Client) History(ctx context.Context, query HistoryQuery) (*History, error) {
	history := &History{}
	if err := c.call(ctx, http.MethodGet, "/history", query.params(), nil, history); err != nil {
		return nil, fmt.Errorf("get alert history: %w", err)
	}
	return history, nil
}

func (q HistoryQuery) params() url.Values {
	params := url.Values{}
	for _, matchers := range q.Matchers {
		params.Add("match[]", matchers)
	}
	setTime(params, "start", q.Start)
	setTime(params, "end", q.End)
	for name, value := range map[string]string{"receiver": q.Receiver, "outcome": string(q.Outcome), "page": q.Page} {
		if value != "" {
			params.Set(name, value)
		}
	}
	if q.Limit != 0 {
		params.Set("limit", strconv.Itoa(q.Limit))
	}
	return params
}

func setTime(params url.Values, name string, at time.Time) {
	if !at.IsZero() {
		params.Set(name, at.Format(time.RFC3339Nano))
	}
}

// Explain says of each alert why it was notified of or not, and what comes next.
// An *Error with status 400 says what is wrong with the query.
func (c *Client) Explain(ctx context.Context, query ExplainQuery) (*Explanations, error) {
	params := url.Values{"match[]": query.Matchers}
	setTime(params, "time", query.At)
	explanations := &Explanations{}
	if err := c.call(ctx, http.MethodGet, "/explain", params, nil, explanations); err != nil {
		return nil, fmt.Errorf("explain alerts: %w", err)
	}
	return explanations, nil
}

// Health says how the server is. That it is not well is an answer, not an error.
func (c *Client) Health(ctx context.Context) (*Health, error) {
	health := &Health{}
	if err := c.call(ctx, http.MethodGet, "/health", nil, nil, health); err != nil {
		return nil, fmt.Errorf("get health: %w", err)
	}
	return health, nil
}
