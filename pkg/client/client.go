package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxErrorBody bounds what is read of an answer that is an error, in bytes.
const maxErrorBody = 16 << 20

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
}

// Option changes how a Client calls its server.
type Option func(*Client)

// WithHTTPClient sends requests with c: for TLS settings, authentication,
// timeouts. The default is http.DefaultClient.
func WithHTTPClient(c *http.Client) Option {
	return func(client *Client) { client.http = c }
}

// New returns a client of the server at baseURL, for example
// "http://127.0.0.1:9090", with the route prefix if the server has one. The error is
// [ErrUnavailable] when it is empty.
func New(baseURL string, opts ...Option) (*Client, error) {
	if baseURL == "" {
		return nil, fmt.Errorf("client: base URL is empty: %w", ErrUnavailable)
	}
	base, err := url.Parse(baseURL)
	if err != nil {
		return nil, unparsable(baseURL, err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("client: base URL %q: want http:// or https:// and a host", base.Redacted())
	}
	c := &Client{base: base, http: http.DefaultClient}
	for _, opt := range opts {
		opt(c)
	}
	return c, nil
}

// unparsable names a base URL that is none. Where there may be a name and a password
// in it, they are left out, also of what the parser says.
func unparsable(baseURL string, err error) error {
	at := strings.LastIndex(baseURL, "@")
	if at < 0 {
		return fmt.Errorf("client: parse base URL %q: %w", baseURL, cause(err))
	}
	return fmt.Errorf("client: parse base URL %q, without what stands before the @: %w", baseURL[at+1:], errUser)
}

var errUser = errors.New("it is no URL: escape what is special in name and password")

// cause is what an error says beside the URL that it is about.
func cause(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

// Config returns the configuration that was last applied, secrets redacted.
func (c *Client) Config(ctx context.Context) (*Config, error) {
	config := &Config{}
	if err := c.call(ctx, http.MethodGet, "/config", nil, nil, config); err != nil {
		return nil, fmt.Errorf("get configuration: %w", err)
	}
	return config, nil
}

// ApplyConfig changes the configuration, whole or not at all. An *Error with
// status 409, 422 or 403 means that nothing has changed.
func (c *Client) ApplyConfig(ctx context.Context, req ConfigRequest) (*ConfigResult, error) {
	result, err := c.postConfig(ctx, url.Values{}, req)
	if err != nil {
		return nil, fmt.Errorf("apply configuration: %w", err)
	}
	return result, nil
}

// PlanConfig says what ApplyConfig would do, and does nothing.
func (c *Client) PlanConfig(ctx context.Context, req ConfigRequest) (*ConfigResult, error) {
	result, err := c.postConfig(ctx, url.Values{"dry_run": {"1"}}, req)
	if err != nil {
		return nil, fmt.Errorf("plan configuration: %w", err)
	}
	return result, nil
}

func (c *Client) postConfig(ctx context.Context, params url.Values, req ConfigRequest) (*ConfigResult, error) {
	return c.change(ctx, "/config", params, req.Strict, req)
}

// change asks for a change of the configuration, or for the plan of one.
func (c *Client) change(ctx context.Context, path string, params url.Values, strict bool, req any) (*ConfigResult, error) {
	if strict {
		params.Set("strict", "1")
	}
	result := &ConfigResult{}
	return result, c.call(ctx, http.MethodPost, path, params, req, result)
}

// Ready says whether the server is ready, and what it waits for if not. Not
// ready is an answer, not an error.
func (c *Client) Ready(ctx context.Context) (*Readiness, error) {
	resp, err := c.send(ctx, http.MethodGet, "/ready", nil, nil)
	if err != nil {
		return nil, fmt.Errorf("get readiness: %w", err)
	}
	defer drain(resp.Body)
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
		return nil, fmt.Errorf("get readiness: %w", readError(resp))
	}
	readiness := &Readiness{}
	if err := json.NewDecoder(resp.Body).Decode(readiness); err != nil {
		return nil, fmt.Errorf("get readiness: decode answer: %w", err)
	}
	return readiness, nil
}

func (c *Client) call(ctx context.Context, method, path string, params url.Values, body, answer any) error {
	resp, err := c.send(ctx, method, path, params, body)
	if err != nil {
		return err
	}
	defer drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return readError(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, params url.Values, body any) (*http.Response, error) {
	target := c.base.JoinPath(BasePath, path)
	target.RawQuery = params.Encode()
	payload, media, err := encode(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), payload)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	return c.http.Do(req)
}

// jsonc is a body that is JSON with comments, and is sent as it is.
type jsonc string

// encode makes the body of a request, nil for none.
func encode(body any) (payload io.Reader, media string, err error) {
	switch body := body.(type) {
	case nil:
		return nil, "", nil
	case jsonc:
		return strings.NewReader(string(body)), "application/jsonc", nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, "", fmt.Errorf("encode request: %w", err)
	}
	return bytes.NewReader(text), "application/json", nil
}

// readError makes an *Error of an answer, also of one that something in front
// of the server gave and that is not JSON.
func readError(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return errors.Join(&Error{Status: resp.StatusCode}, fmt.Errorf("read answer: %w", err))
	}
	var body ErrorBody
	if json.Unmarshal(text, &body) != nil || (body.Error == "" && len(body.Faults) == 0) {
		body = ErrorBody{Error: strings.TrimSpace(string(text))}
	}
	return &Error{Status: resp.StatusCode, Message: body.Error, Faults: body.Faults}
}

// drain reads the little that may be left, so that the connection is used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 4<<10)
	_ = body.Close()
}
