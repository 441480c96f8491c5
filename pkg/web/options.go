package web

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/model/relabel"
)

// Options are the settings of a Server, under Prometheus's own flag defaults
// where it has such a flag.
type Options struct {
	// ListenAddresses are the public host:port pairs; port 0 lets the system
	// choose. Default 0.0.0.0:9090. Ignored with SystemdSocket.
	ListenAddresses []string
	// InternalListenAddresses are served beside them, plain, whatever
	// WebConfigFile says, because deployed configuration files name them. They
	// must be loopback addresses. Default none.
	InternalListenAddresses []string
	// SystemdSocket serves on the sockets that systemd passed to the process.
	SystemdSocket bool
	// WebConfigFile is the path of an exporter-toolkit web configuration: TLS,
	// client certificates, basic authentication. Empty serves plain HTTP to all.
	WebConfigFile string
	// ReadTimeout bounds the reading of one request. Default 5m; 0 means no bound.
	ReadTimeout time.Duration
	// MaxConnections at a time over all public listeners, and as many over all
	// internal ones. Default 512; at least as many as there are listeners.
	MaxConnections int
	// DrainTimeout is how long a stop waits for running requests before it
	// cancels them. Default 3s; 0 cancels them at once.
	DrainTimeout time.Duration

	// ExternalURL under which others reach this server. Empty: the host's name
	// and the port of the first listener.
	ExternalURL string
	// RoutePrefix of all paths. Empty: the path of ExternalURL.
	RoutePrefix string
	// CORSOrigin is an anchored regular expression of origins whose scripts may
	// read the APIs. Default .*; empty allows none.
	CORSOrigin string
	// PageTitle of the HTML pages.
	PageTitle string
	// AppName is the subject of what the probes say. Default "Prometheus Server".
	AppName string

	// EnableLifecycle allows reload and quit over HTTP. Default off.
	EnableLifecycle bool
	// EnableAdminAPI allows deletion and snapshots of series, and backups of everything,
	// secrets included. Default off.
	EnableAdminAPI bool
	// EnableConfigAPI allows reading and changing the configuration, and rolling it
	// back. Default off.
	EnableConfigAPI bool

	// EnableRemoteWriteReceiver accepts remote write. Default off.
	EnableRemoteWriteReceiver bool
	// AcceptedRemoteWriteMessages are the protobuf messages that the receiver
	// takes. Default 1.0 and 2.0.
	AcceptedRemoteWriteMessages remoteapi.MessageTypes
	// EnableOTLPReceiver accepts OTLP metrics. Default off.
	EnableOTLPReceiver bool
	// ConvertOTLPDelta makes OTLP deltas cumulative. Default off.
	ConvertOTLPDelta bool
	// NativeOTLPDeltaIngestion stores OTLP deltas as they are. Default off; not
	// together with ConvertOTLPDelta.
	NativeOTLPDeltaIngestion bool
	// STZeroIngestion writes a zero at the start timestamp of what is received.
	STZeroIngestion bool
	// TypeAndUnitLabels adds type and unit to the labels of what is received.
	TypeAndUnitLabels bool
	// AppendMetadata keeps the metadata of what is received.
	AppendMetadata bool

	// RemoteReadSampleLimit of one non-streamed remote read. Default 5e7; 0 means
	// no limit.
	RemoteReadSampleLimit int
	// RemoteReadConcurrencyLimit of remote reads. Default 10; 0 means no limit.
	RemoteReadConcurrencyLimit int
	// RemoteReadBytesInFrame of one streamed frame. Default 1 MiB.
	RemoteReadBytesInFrame int
	// EnableSearch serves the experimental search API. Default off.
	EnableSearch bool
	// MaxSearchLimit bounds the limit of a search. Default 10000; 0 means no bound.
	MaxSearchLimit int
	// MaxNotificationsSubscribers at a time. Default 16.
	MaxNotificationsSubscribers int
	// LookbackDelta of queries, which federation and OTLP follow. Default 5m, which
	// 0 means as well.
	LookbackDelta time.Duration

	// StorageDir is the data directory; snapshots go below it.
	StorageDir string
	// Flags are shown by /api/v1/status/flags.
	Flags map[string]string
}

// DefaultOptions returns the defaults that the fields name.
func DefaultOptions() Options {
	return Options{
		ListenAddresses: []string{"0.0.0.0:9090"},
		ReadTimeout:     5 * time.Minute,
		MaxConnections:  512,
		DrainTimeout:    3 * time.Second,

		CORSOrigin: ".*",
		PageTitle:  "Prometheus Time Series Collection and Processing Server",
		AppName:    "Prometheus Server",

		AcceptedRemoteWriteMessages: remoteapi.MessageTypes{
			remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType,
		},

		RemoteReadSampleLimit:       5e7,
		RemoteReadConcurrencyLimit:  10,
		RemoteReadBytesInFrame:      1 << 20,
		MaxSearchLimit:              10000,
		MaxNotificationsSubscribers: 16,
		LookbackDelta:               5 * time.Minute,
	}
}

// Validate reports everything that is wrong with the options.
func (o Options) Validate() error {
	return errors.Join(
		o.validateAddresses(),
		o.validateURLs(),
		// A listener takes its next place before it has a connection for it.
		atLeast("MaxConnections", o.MaxConnections, max(1, len(o.ListenAddresses), len(o.InternalListenAddresses))),
		atLeast("ReadTimeout", o.ReadTimeout, 0),
		atLeast("DrainTimeout", o.DrainTimeout, 0),
		atLeast("RemoteReadSampleLimit", o.RemoteReadSampleLimit, 0),
		atLeast("RemoteReadConcurrencyLimit", o.RemoteReadConcurrencyLimit, 0),
		atLeast("RemoteReadBytesInFrame", o.RemoteReadBytesInFrame, 1),
		atLeast("MaxSearchLimit", o.MaxSearchLimit, 0),
		atLeast("MaxNotificationsSubscribers", o.MaxNotificationsSubscribers, 0),
		atLeast("LookbackDelta", o.LookbackDelta, 0),
		o.validateReceivers(),
	)
}

func atLeast[T int | time.Duration](field string, value, least T) error {
	if value < least {
		return fmt.Errorf("web: %s %v: want at least %v", field, value, least)
	}
	return nil
}

func (o Options) validateAddresses() error {
	var errs []error
	if len(o.ListenAddresses) == 0 && !o.SystemdSocket {
		errs = append(errs, errors.New("web: ListenAddresses: want at least one address, or SystemdSocket"))
	}
	for _, address := range o.ListenAddresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			errs = append(errs, fmt.Errorf("web: ListenAddresses %q: want host:port: %w", address, err))
		}
	}
	for _, address := range o.InternalListenAddresses {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			errs = append(errs, fmt.Errorf("web: InternalListenAddresses %q: want host:port: %w", address, err))
			continue
		}
		if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
			errs = append(errs, fmt.Errorf("web: InternalListenAddresses %q: want a loopback address, since it asks nobody who they are", address))
		}
	}
	return errors.Join(errs...)
}

// routePattern is what both routers take literally.
var routePattern = regexp.MustCompile(`^[A-Za-z0-9._~/-]*$`)

func validateRoutePrefix(prefix string) error {
	segments := strings.Split(strings.Trim(prefix, "/"), "/")
	if !routePattern.MatchString(prefix) || slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		return fmt.Errorf("web: RoutePrefix %q: want a plain path of letters, digits and -._~", prefix)
	}
	if len(segments) > 1 && slices.Contains(segments, "") {
		return fmt.Errorf("web: RoutePrefix %q: want no empty segment", prefix)
	}
	return nil
}

func (o Options) validateURLs() error {
	var errs []error
	if o.ExternalURL != "" {
		external, err := parseExternalURL(o.ExternalURL)
		errs = append(errs, err)
		if err == nil && o.RoutePrefix == "" {
			errs = append(errs, validateRoutePrefix(external.Path))
		}
	}
	errs = append(errs, validateRoutePrefix(o.RoutePrefix))
	if _, err := relabel.NewRegexp(o.CORSOrigin); err != nil {
		errs = append(errs, fmt.Errorf("web: CORSOrigin %q: %w", o.CORSOrigin, err))
	}
	return errors.Join(errs...)
}

func (o Options) validateReceivers() error {
	var errs []error
	if o.ConvertOTLPDelta && o.NativeOTLPDeltaIngestion {
		errs = append(errs, errors.New("web: ConvertOTLPDelta and NativeOTLPDeltaIngestion: want at most one of them"))
	}
	for _, message := range o.AcceptedRemoteWriteMessages {
		if err := message.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("web: AcceptedRemoteWriteMessages: %w", err))
		}
	}
	if o.EnableRemoteWriteReceiver && len(o.AcceptedRemoteWriteMessages) == 0 {
		errs = append(errs, errors.New("web: AcceptedRemoteWriteMessages: want at least one message for the remote write receiver"))
	}
	return errors.Join(errs...)
}
