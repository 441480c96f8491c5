package siteconfig

import (
	"log/slog"
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

	// Logger receives what the subscriber says. Nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics. Nil registers none.
	Registerer prometheus.Registerer
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
		DocsURL:      "https://sourcegraph.com/docs",
	}
}
