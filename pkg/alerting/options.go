package alerting

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/api"
	"github.com/prometheus/alertmanager/cluster"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/prometheus/notifier"
)

// Options are the settings of the built-in Alertmanager and of the sending to
// external ones. Start from [DefaultOptions].
type Options struct {
	// Disabled runs no built-in Alertmanager: alerts go to the external ones only,
	// and everything below but External is without effect.
	Disabled bool

	// DataDir is where earlier versions kept the snapshot files `silences` and
	// `nflog`. What is found there is imported and renamed. Empty means none.
	DataDir string
	// ImportDir is the data directory of an Alertmanager, whose files of these names
	// are imported once and left alone. Empty, the default, means none.
	ImportDir string
	// Retention is how long a silence is kept after its end, and for how long after
	// its own an alert is restored whose end was not told. Default 120h.
	Retention time.Duration
	// MaintenanceInterval is the time between two garbage collections of silences
	// and notification log. Default 15m.
	MaintenanceInterval time.Duration
	// MaxSilences limits the number of silences, expired ones included. Zero, the
	// default, means no limit.
	MaxSilences int
	// MaxSilenceSizeBytes limits the size of one silence. Zero, the default, means
	// no limit.
	MaxSilenceSizeBytes int
	// SilenceLogging logs each change of a silence.
	SilenceLogging bool

	// AlertGCInterval is the time between two removals of resolved alerts. Default 30m.
	AlertGCInterval time.Duration
	// PerAlertNameLimit limits the number of alerts of one name. Zero, the default,
	// means no limit.
	PerAlertNameLimit int
	// DispatchMaintenanceInterval is the time between two removals of empty
	// aggregation groups. Default 30s.
	DispatchMaintenanceInterval time.Duration
	// DispatchStartDelay is how long after the start the first notification is sent
	// at the earliest. Zero, the default, means at once.
	DispatchStartDelay time.Duration
	// DrainTimeout bounds how long a stop waits for notifications in flight.
	// Default 8s; zero cuts them off at once.
	DrainTimeout time.Duration

	// DeadMansSwitchReceiver names the receiver of alertmanager.yml that is told
	// again and again that alerting works: a route of its own, in front of all
	// others, takes it the alert [DeadMansSwitch]. Empty, the default, means none.
	DeadMansSwitchReceiver string
	// DeadMansSwitchInterval is the time between two such notifications. Default 1m.
	DeadMansSwitchInterval time.Duration

	// GetConcurrency limits the GET requests served at the same time. Zero, the
	// default, means the number of CPUs or 8, whichever is larger.
	GetConcurrency int
	// HTTPTimeout limits the time for one request that does not change silences.
	// Zero, the default, means no limit.
	HTTPTimeout time.Duration
	// CORSOrigin is an anchored regular expression of the origins whose pages may
	// call the API. Empty, the default, means none.
	CORSOrigin string

	// Cluster are the settings of the gossip cluster.
	Cluster ClusterOptions
	// External are the settings for Alertmanagers outside of this process.
	External ExternalOptions

	// Features are names of Alertmanager's feature flags. Unknown ones are warned
	// about.
	Features []string
}

// ClusterOptions are the settings of the gossip cluster that Alertmanagers form
// with each other. Names and defaults are those of Alertmanager's flags.
type ClusterOptions struct {
	// ListenAddress is host:port; empty, the default, means that there is no cluster.
	ListenAddress string
	// AdvertiseAddress is the host:port that peers are told; empty means that it is
	// found out.
	AdvertiseAddress string
	// PeerName is the name in the cluster; empty means a random one.
	PeerName string
	// Peers are the host:port of those to join.
	Peers []string
	// PeerTimeout is how much longer each peer waits than the one before it until
	// it sends a notification. Default 15s.
	PeerTimeout time.Duration
	// PeersResolveTimeout limits the look-up of the peers' names. Default 15s.
	PeersResolveTimeout time.Duration
	// GossipInterval is the time between two gossip messages. Default 200ms.
	GossipInterval time.Duration
	// PushPullInterval is the time between two full exchanges of state. Default 1m.
	PushPullInterval time.Duration
	// TCPTimeout limits connecting to a peer and one exchange with it. Default 10s.
	TCPTimeout time.Duration
	// ProbeTimeout is the time in which a probed peer must answer. Default 500ms.
	ProbeTimeout time.Duration
	// ProbeInterval is the time between two probes. Default 1s.
	ProbeInterval time.Duration
	// SettleTimeout limits how long notifications wait for the cluster at the start.
	// Default 1m; zero means that they do not wait.
	SettleTimeout time.Duration
	// ReconnectInterval is the time between two attempts to reach a lost peer.
	// Default 10s.
	ReconnectInterval time.Duration
	// ReconnectTimeout is when a lost peer is given up. Default 6h.
	ReconnectTimeout time.Duration
	// TLSConfigFile turns on mutual TLS between peers; empty, the default, means none.
	TLSConfigFile string
	// AllowInsecureAdvertise permits a public address to be found out and advertised.
	AllowInsecureAdvertise bool
	// Label keeps clusters apart; peers with another one are refused.
	Label string
}

// ExternalOptions are the settings for Alertmanagers that prometheus.yml names.
type ExternalOptions struct {
	// QueueCapacity is the number of alerts that wait for one Alertmanager; beyond
	// it the oldest are dropped. Default 10000.
	QueueCapacity int
	// MaxBatchSize is the number of alerts in one request. Default 256.
	MaxBatchSize int
	// DrainOnShutdown sends what waits before stopping, within DrainTimeout. Default
	// true.
	DrainOnShutdown bool
}

// DefaultOptions are the defaults of Alertmanager's and Prometheus's flags, but
// without a cluster.
func DefaultOptions() Options {
	return Options{
		Retention:                   120 * time.Hour,
		MaintenanceInterval:         15 * time.Minute,
		AlertGCInterval:             30 * time.Minute,
		DispatchMaintenanceInterval: 30 * time.Second,
		DrainTimeout:                8 * time.Second,
		DeadMansSwitchInterval:      time.Minute,
		Cluster: ClusterOptions{
			PeerTimeout:         15 * time.Second,
			PeersResolveTimeout: cluster.DefaultResolvePeersTimeout,
			GossipInterval:      cluster.DefaultGossipInterval,
			PushPullInterval:    cluster.DefaultPushPullInterval,
			TCPTimeout:          cluster.DefaultTCPTimeout,
			ProbeTimeout:        cluster.DefaultProbeTimeout,
			ProbeInterval:       cluster.DefaultProbeInterval,
			SettleTimeout:       cluster.DefaultPushPullInterval,
			ReconnectInterval:   cluster.DefaultReconnectInterval,
			ReconnectTimeout:    cluster.DefaultReconnectTimeout,
		},
		External: ExternalOptions{
			QueueCapacity:   10000,
			MaxBatchSize:    notifier.DefaultMaxBatchSize,
			DrainOnShutdown: true,
		},
	}
}

// Validate reports every problem at once.
func (o Options) Validate() error {
	var p problems
	p.atLeast("External.QueueCapacity", o.External.QueueCapacity, 1)
	p.atLeast("External.MaxBatchSize", o.External.MaxBatchSize, 1)
	if o.DrainTimeout < 0 {
		p.add("DrainTimeout", o.DrainTimeout, "not be negative")
	}
	if o.Disabled {
		return p.err()
	}
	p.positive("Retention", o.Retention)
	p.positive("MaintenanceInterval", o.MaintenanceInterval)
	p.positive("AlertGCInterval", o.AlertGCInterval)
	p.positive("DispatchMaintenanceInterval", o.DispatchMaintenanceInterval)
	if o.DeadMansSwitchReceiver != "" {
		p.positive("DeadMansSwitchInterval", o.DeadMansSwitchInterval)
	}
	if o.DispatchStartDelay < 0 {
		p.add("DispatchStartDelay", o.DispatchStartDelay, "not be negative")
	}
	if _, err := api.NewCORSHandler(o.CORSOrigin); err != nil {
		p.add("CORSOrigin", fmt.Sprintf("%q", o.CORSOrigin), "be a regular expression: "+err.Error())
	}
	if slices.Contains(o.Features, featurecontrol.FeatureClassicMode) && slices.Contains(o.Features, featurecontrol.FeatureUTF8StrictMode) {
		p.add("Features", o.Features, "not hold both of "+featurecontrol.FeatureClassicMode+" and "+featurecontrol.FeatureUTF8StrictMode)
	}
	o.Cluster.validate(&p)
	return p.err()
}

func (o ClusterOptions) validate(p *problems) {
	if o.ListenAddress == "" {
		return
	}
	p.positive("Cluster.PeerTimeout", o.PeerTimeout)
	p.positive("Cluster.PeersResolveTimeout", o.PeersResolveTimeout)
	p.positive("Cluster.GossipInterval", o.GossipInterval)
	p.positive("Cluster.PushPullInterval", o.PushPullInterval)
	p.positive("Cluster.TCPTimeout", o.TCPTimeout)
	p.positive("Cluster.ProbeTimeout", o.ProbeTimeout)
	p.positive("Cluster.ProbeInterval", o.ProbeInterval)
	p.positive("Cluster.ReconnectInterval", o.ReconnectInterval)
	p.positive("Cluster.ReconnectTimeout", o.ReconnectTimeout)
	if o.SettleTimeout < 0 {
		p.add("Cluster.SettleTimeout", o.SettleTimeout, "not be negative")
	}
}

// problems collects what is wrong with Options.
type problems []error

func (p *problems) add(field string, value any, bound string) {
	*p = append(*p, fmt.Errorf("alerting: Options.%s is %v: it must %s", field, value, bound))
}

func (p *problems) positive(field string, d time.Duration) {
	if d <= 0 {
		p.add(field, d, "be positive")
	}
}

func (p *problems) atLeast(field string, n, least int) {
	if n < least {
		p.add(field, n, fmt.Sprintf("be at least %d", least))
	}
}

func (p *problems) err() error { return errors.Join(*p...) }
