package scrape

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/util/features"
)

// Options are the settings that a configuration cannot change. Start from
// [DefaultOptions].
type Options struct {
	// DiscoveryReloadInterval is how often new sets of targets are taken over,
	// after the first. Default 5s, also meant by zero.
	DiscoveryReloadInterval time.Duration

	// LookbackDelta is how far back queries look for a sample. Default 5m, also meant
	// by zero. See [Manager.FreshSince].
	LookbackDelta time.Duration
	// Pushed says that others send samples, too. See [Manager.FreshSince].
	Pushed bool

	// AppendMetadata hands the metadata of metrics on to the storage.
	AppendMetadata bool
	// StartTimestampZeroIngestion is reported as a feature. What it does needs
	// ParseStartTimestamps, and a storage that stores start timestamps as samples.
	StartTimestampZeroIngestion bool
	// ParseStartTimestamps hands start timestamps on to the storage. The _created
	// series of OpenMetrics 1.0 are then no series any more.
	ParseStartTimestamps bool
	// SynthesizeStartTimestamps makes up those that targets do not tell.
	SynthesizeStartTimestamps bool
	// TypeAndUnitLabels adds the labels __type__ and __unit__.
	TypeAndUnitLabels bool
	// OpenMetrics2 understands that format as well.
	OpenMetrics2 bool
	// ZstdScrape offers that compression to targets.
	ZstdScrape bool

	// HTTPClientOptions are for the client of every scrape job, for example
	// another way to connect.
	HTTPClientOptions []commoncfg.HTTPClientOption
}

// DefaultOptions are the defaults of Prometheus's flags.
func DefaultOptions() Options {
	return Options{DiscoveryReloadInterval: 5 * time.Second, LookbackDelta: 5 * time.Minute}
}

// Validate reports every problem at once.
func (o Options) Validate() error {
	var errs []error
	if o.DiscoveryReloadInterval < 0 {
		errs = append(errs, fmt.Errorf("DiscoveryReloadInterval is %s: it must not be negative", o.DiscoveryReloadInterval))
	}
	if o.LookbackDelta < 0 {
		errs = append(errs, fmt.Errorf("LookbackDelta is %s: it must not be negative", o.LookbackDelta))
	}
	return errors.Join(errs...)
}

func (o Options) reloadInterval() time.Duration {
	return cmp.Or(o.DiscoveryReloadInterval, DefaultOptions().DiscoveryReloadInterval)
}

func (o Options) lookbackDelta() time.Duration {
	return cmp.Or(o.LookbackDelta, DefaultOptions().LookbackDelta)
}

// engineOptions translates into what the engine takes.
//
// DiscoveryReloadOnStartup is set since without it a start scrapes nothing for
// the length of one DiscoveryReloadInterval. All that the interval protects from
// is frequent changes, and at the start there is but one: the first set arrives
// when the first configuration has been applied, 50 to 150 ms later (see
// [Discovery.Run]). Discovery that takes longer waits for the next interval, as
// it always did.
func (o Options) engineOptions(registry features.Collector) *scrape.Options {
	return &scrape.Options{
		PassMetadataInContext:             true, // so that it is known of which target a commit is, see freshness
		DiscoveryReloadInterval:           model.Duration(o.DiscoveryReloadInterval),
		DiscoveryReloadOnStartup:          true,
		AppendMetadata:                    o.AppendMetadata,
		EnableStartTimestampZeroIngestion: o.StartTimestampZeroIngestion,
		ParseST:                           o.ParseStartTimestamps,
		SynthesizeST:                      o.SynthesizeStartTimestamps,
		EnableTypeAndUnitLabels:           o.TypeAndUnitLabels,
		EnableOpenMetrics2:                o.OpenMetrics2,
		EnableZstdScrape:                  o.ZstdScrape,
		HTTPClientOptions:                 o.HTTPClientOptions,
		FeatureRegistry:                   registry,
	}
}
