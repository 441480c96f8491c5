package siteconfig

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options say where the site configuration comes from and how it is translated.
// Start from [DefaultOptions].
type Options struct {
	// URL of the Sourcegraph frontend's internal address: a host, host:port or URL.
	// Without a scheme it is http, without a port 80 (443 for https). Empty means that
	// nothing is fetched.
	URL string
	// Protocol to fetch it by: ProtocolAuto (also meant by the empty string),
	// ProtocolGRPC or ProtocolHTTP.
	Protocol string
	// File is the path of a site configuration, in JSONC, that is read and watched
	// instead of fetching one. Empty means none.
	File string
	// PollInterval bounds the time between two fetches, which is chosen at random.
	// Default 5s.
	PollInterval time.Duration
	// FetchTimeout bounds one fetch, its repeats included. Default 15s.
	FetchTimeout time.Duration
	// GRPCRetry and HTTPRetry say how a call that nobody has answered is repeated
	// within a fetch.
	GRPCRetry GRPCRetry
	HTTPRetry HTTPRetry

	// DocsURL is what links to the documentation of alerts begin with. Default
	// "https://sourcegraph.com/docs".
	DocsURL string
	// Version of Sourcegraph that those links are for; empty, or not a semantic
	// version, means the newest. Before 6.11, the anchors of the documentation had
	// hyphens in the place of the underscores of names.
	Version string
	// OpsgenieAPIKey is for Opsgenie notifiers that have no key of their own.
	OpsgenieAPIKey string
	// IncidentIOToken is for incident.io notifiers that have no token of their own.
	IncidentIOToken string
	// RewrittenFile says that the old image has written its receivers into the
	// operator's alertmanager.yml: they are dropped without a word.
	RewrittenFile bool
	// OtherAlerts are names of alerts that fire without a rule, such as those that the
	// server raises about itself. Entries of observability.silenceAlerts may match them.
	OtherAlerts []string

	// Logger receives what the subscriber says. Nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics. Nil registers none.
	Registerer prometheus.Registerer
}

// GRPCRetry says how a call over gRPC is repeated that was answered with Unavailable or
// ResourceExhausted, or not at all.
type GRPCRetry struct {
	// DelayBase bounds the first delay, which is chosen at random; each further bound is
	// twice the one before. Default 50ms.
	DelayBase time.Duration
	// MaxAttempts bounds the number of calls. Default 20; below 2 nothing is repeated.
	MaxAttempts int
	// MaxDuration bounds the time after which no repeat begins. Default 3s.
	MaxDuration time.Duration
}

// HTTPRetry says how a request over HTTP is repeated that was answered with status 429,
// 502, 503 or 504, or not at all.
type HTTPRetry struct {
	// DelayBase is that of GRPCRetry.
	DelayBase time.Duration
	// DelayMax bounds all delays but those that the answer asks for. Default 1s.
	DelayMax time.Duration
	// MaxAttempts is that of GRPCRetry.
	MaxAttempts int
	// AfterMaxDuration bounds what an answer asks for with Retry-After. Where it asks
	// for more, nothing is repeated. Default 3s.
	AfterMaxDuration time.Duration
}

// What Options.Protocol may be.
const (
	ProtocolAuto = "auto"
	ProtocolGRPC = "grpc"
	ProtocolHTTP = "http"
)

// DefaultOptions are the defaults that the fields name.
func DefaultOptions() Options {
	return Options{
		Protocol:     ProtocolAuto,
		PollInterval: 5 * time.Second,
		FetchTimeout: 15 * time.Second,
		GRPCRetry:    GRPCRetry{DelayBase: 50 * time.Millisecond, MaxAttempts: 20, MaxDuration: 3 * time.Second},
		HTTPRetry: HTTPRetry{
			DelayBase: 50 * time.Millisecond, DelayMax: time.Second, MaxAttempts: 20, AfterMaxDuration: 3 * time.Second,
		},
		DocsURL: "https://sourcegraph.com/docs",
	}
}

// address is that of the frontend; nil for none.
func (o Options) address() (*url.URL, error) {
	if o.URL == "" {
		return nil, nil
	}
	address, err := parseAddress(o.URL)
	if err != nil {
		return nil, fmt.Errorf("URL (SRC_FRONTEND_INTERNAL, --siteconfig.url): %w", err)
	}
	return address, nil
}

// Validate reports every problem at once.
func (o Options) Validate() error {
	var errs []error
	bad := func(field string, value any, bound string) {
		errs = append(errs, fmt.Errorf("%s is %v: it must %s", field, value, bound))
	}
	switch o.Protocol {
	case "", ProtocolAuto, ProtocolGRPC, ProtocolHTTP:
	default:
		bad("Protocol", fmt.Sprintf("%q", o.Protocol), fmt.Sprintf("be %s, %s or %s", ProtocolAuto, ProtocolGRPC, ProtocolHTTP))
	}
	if _, err := o.address(); err != nil {
		errs = append(errs, err)
	}
	for _, duration := range []struct {
		field string
		value time.Duration
		least time.Duration
	}{
		{"PollInterval", o.PollInterval, 1},
		{"FetchTimeout", o.FetchTimeout, 1},
		{"GRPCRetry.DelayBase", o.GRPCRetry.DelayBase, 0},
		{"GRPCRetry.MaxDuration", o.GRPCRetry.MaxDuration, 0},
		{"HTTPRetry.DelayBase", o.HTTPRetry.DelayBase, 0},
		{"HTTPRetry.DelayMax", o.HTTPRetry.DelayMax, 0},
		{"HTTPRetry.AfterMaxDuration", o.HTTPRetry.AfterMaxDuration, 0},
	} {
		switch {
		case duration.value >= duration.least:
		case duration.least == 0:
			bad(duration.field, duration.value, "not be negative")
		default:
			bad(duration.field, duration.value, "be positive")
		}
	}
	return errors.Join(errs...)
}
