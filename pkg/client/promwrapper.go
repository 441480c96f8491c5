package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// The endpoints that the sourcegraph/prometheus image had, below the address of a
// server and its route prefix.
const (
	// ConfigStatusPath answers with a ConfigStatus.
	ConfigStatusPath = "/prom-wrapper/config-subscriber"
	// AlertsStatusPath answers with an AlertsStatus.
	AlertsStatusPath = "/prom-wrapper/alerts-status"
	// AlertsHistoryPath answers with an AlertsHistory.
	AlertsHistoryPath = "/prom-wrapper/alerts-status/history"
)

// ErrUnavailable is what errors of [New], [Client.GetAlertsStatus] and
// [Client.GetConfigStatus] are when there is no server to ask: no URL is configured,
// nothing listens there, its host cannot be found or reached, or it has not answered
// in time.
var ErrUnavailable = errors.New("prometheus is unavailable")

// AlertsStatus counts the alerts that fire and are not inhibited: the answer of GET
// /prom-wrapper/alerts-status.
type AlertsStatus struct {
	// Warning counts those of the level "warning" that are not silenced.
	Warning int `json:"warning"`
	// Silenced counts those that are silenced, whatever their level.
	Silenced int `json:"silenced"`
	// Critical counts those of the level "critical" that are not silenced.
	Critical int `json:"critical"`
	// ServicesCritical counts the services that the critical ones are of.
	ServicesCritical int `json:"services_critical"`
}

// ConfigStatus says what is wrong with the site configuration: the answer of GET
// /prom-wrapper/config-subscriber.
type ConfigStatus struct {
	// Problems is nil, which is null on the wire, when there are none.
	Problems []ConfigProblem `json:"problems"`
}

// AlertsHistory says how much of the time alerts have fired: the answer of GET
// /prom-wrapper/alerts-status/history.
type AlertsHistory struct {
	// Alerts has one entry for each alert and each 12 hours, the oldest first.
	Alerts []AlertAverage `json:"alerts"`
}

// AlertAverage is one alert over the 12 hours before a moment.
type AlertAverage struct {
	Timestamp time.Time `json:"timestamp"`
	// Name is "<level>: <name>".
	Name        string `json:"name"`
	ServiceName string `json:"service_name"`
	Owner       string `json:"owner"`
	// Average of how many have fired.
	Average float64 `json:"average"`
}

// GetAlertsStatus counts the alerts that fire. The path of the client's base URL is
// replaced, not extended. An error that is [ErrUnavailable] says that there is no
// server; an *Error has the status of another answer.
func (c *Client) GetAlertsStatus(ctx context.Context) (*AlertsStatus, error) {
	status := &AlertsStatus{}
	if err := c.getStatus(ctx, AlertsStatusPath, status); err != nil {
		return nil, fmt.Errorf("get status of alerts: %w", err)
	}
	return status, nil
}

// GetConfigStatus says what is wrong with the site configuration. Its path and its
// errors are as those of [Client.GetAlertsStatus].
func (c *Client) GetConfigStatus(ctx context.Context) (*ConfigStatus, error) {
	status := &ConfigStatus{}
	if err := c.getStatus(ctx, ConfigStatusPath, status); err != nil {
		return nil, fmt.Errorf("get status of the site configuration: %w", err)
	}
	return status, nil
}

// maxStatusError bounds what is told of an answer that is an error, in bytes.
const maxStatusError = 4 << 10

func (c *Client) getStatus(ctx context.Context, path string, answer any) error {
	target := *c.base
	target.Path, target.RawPath, target.RawQuery, target.Fragment = path, "", "", ""
	err := c.getInto(ctx, target.String(), answer)
	if err == nil {
		return nil
	}
	target.User = nil // which errors must not tell
	if isUnavailable(err) {
		return fmt.Errorf("%s %s: %w: %w", http.MethodGet, &target, ErrUnavailable, err)
	}
	return fmt.Errorf("%s %s: %w", http.MethodGet, &target, err)
}

func (c *Client) getInto(ctx context.Context, target string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return cause(err) // the caller says the rest
	}
	defer drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxStatusError))
		return errors.Join(&Error{Status: resp.StatusCode, Message: strings.TrimSpace(string(text))}, err)
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// isUnavailable tells whether an error means that there is no server to ask.
func isUnavailable(err error) bool {
	if failed, ok := errors.AsType[net.Error](err); ok && failed.Timeout() {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETUNREACH)
}
