package siteconfig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// httpFetcher fetches over HTTP, as up to Sourcegraph 5.2.
type httpFetcher struct {
	url    string
	retry  retry
	client *http.Client
}

func newHTTP(address *url.URL, r HTTPRetry) *httpFetcher {
	return &httpFetcher{
		url:   address.JoinPath(".internal/configuration").String(),
		retry: r.retry(),
		client: &http.Client{
			Transport: &http.Transport{
				DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
				TLSHandshakeTimeout: dialTimeout,
				MaxIdleConns:        1,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (h *httpFetcher) fetch(ctx context.Context) (answer, error) { return h.retry.do(ctx, h.call) }

func (h *httpFetcher) call(ctx context.Context) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, http.NoBody)
	if err != nil {
		return answer{}, &fetchError{reason: fmt.Sprintf("make a request: %v", err)}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set(actorHeader, internalActor)
	response, err := h.client.Do(request)
	if err != nil {
		return answer{}, explainHTTP(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return answer{}, refusal(response)
	}
	return readHTTP(ctx, response.Body)
}

// explainHTTP says what an error means. Its own words may come from the other side.
func explainHTTP(ctx context.Context, err error) error {
	dialing := new(net.OpError)
	switch {
	case ctx.Err() != nil:
		return &fetchError{reason: "no answer over HTTP in time"}
	case errors.As(err, &dialing) && dialing.Op == "dial":
		return &fetchError{reason: dialing.Error(), unreachable: true, again: true}
	default:
		return &fetchError{reason: "the connection ended without an answer over HTTP", again: true}
	}
}

// refusal is the error of another status than 2xx.
func refusal(response *http.Response) error {
	status := response.StatusCode
	passing := []int{
		http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
	return &fetchError{
		reason: fmt.Sprintf("the frontend answered over HTTP with status %d", status),
		again:  slices.Contains(passing, status),
		after:  retryAfter(response.Header.Get("Retry-After")),
	}
}

// retryAfter reads seconds or a date; zero stands for what is neither.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// httpAnswer is what is decoded of an answer.
type httpAnswer struct {
	Site               *string
	ServiceConnections struct {
		PostgresDSN             string `json:"postgresDSN"`
		CodeIntelPostgresDSN    string `json:"codeIntelPostgresDSN"`
		CodeInsightsPostgresDSN string `json:"codeInsightsPostgresDSN"`
	}
}

func readHTTP(ctx context.Context, body io.Reader) (answer, error) {
	var text strings.Builder
	n, err := io.Copy(&text, io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, explainHTTP(ctx, err)
	case n > maxAnswer:
		return answer{}, &fetchError{reason: tooLarge}
	}
	var told httpAnswer
	err = json.NewDecoder(strings.NewReader(text.String())).Decode(&told)
	if err != nil || told.Site == nil { // the error quotes the answer
		return answer{}, &fetchError{reason: "the answer over HTTP is not a configuration in JSON"}
	}
	dsns := told.ServiceConnections
	return answer{
		site:      *told.Site,
		migrating: isMigrating(dsns.PostgresDSN, dsns.CodeIntelPostgresDSN, dsns.CodeInsightsPostgresDSN),
	}, nil
}

func (h *httpFetcher) close() { h.client.CloseIdleConnections() }
