package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/featurecontrol"
	promconfig "github.com/prometheus/prometheus/config"

	"github.com/sourcegraph/srcprom/pkg/srcprom"
)

// feature is one name that --enable-feature takes.
type feature struct {
	name, help string
	// enable is nil for a name that once meant something; help says what replaces it.
	enable func(*srcprom.Options)
}

// prometheusFeatures are Prometheus's names. It follows setFeatureListOptions
// in its cmd/prometheus/main.go.
func prometheusFeatures() []feature {
	return []feature{
		{"auto-reload-config", "The same as --config.auto-reload.", func(o *srcprom.Options) { o.AutoReload = true }},
		{"concurrent-rule-eval", "Evaluates independent rules of a group at the same time.", func(o *srcprom.Options) { o.Rules.ConcurrentEvals = true }},
		{"created-timestamp-zero-ingestion", "Stores a zero sample where a counter began. Prefers the protobuf format for scraping.", func(o *srcprom.Options) {
			o.Scrape.StartTimestampZeroIngestion, o.Scrape.ParseStartTimestamps = true, true
			o.Web.STZeroIngestion, o.Storage.CreatedTimestampZeroIngestion = true, true
			o.ScrapeProtocols = promconfig.DefaultProtoFirstScrapeProtocols
		}},
		{"delayed-compaction", "Delays each compaction of the head by a random time.", func(o *srcprom.Options) { o.Storage.DelayedCompaction = true }},
		{"exemplar-storage", "Keeps exemplars in memory.", func(o *srcprom.Options) { o.Storage.ExemplarStorage = true }},
		{"extra-scrape-metrics", "Adds metrics about each scrape where prometheus.yml does not say extra_scrape_metrics. Deprecated: use that.", func(o *srcprom.Options) { o.ExtraScrapeMetrics = true }},
		{"fast-startup", "Keeps what a start needs in a file of its own.", func(o *srcprom.Options) { o.Storage.FastStartup = true }},
		{"histograms-st-encoding", "Lets histogram chunks hold start timestamps.", func(o *srcprom.Options) { o.Storage.HistogramSTEncoding = true }},
		{"memory-snapshot-on-shutdown", "Writes what is in memory when stopping, for a faster start.", func(o *srcprom.Options) { o.Storage.MemorySnapshotOnShutdown = true }},
		{"metadata-wal-records", "Stores the metadata of series.", func(o *srcprom.Options) {
			o.Scrape.AppendMetadata, o.Web.AppendMetadata, o.Storage.MetadataWALRecords = true, true, true
		}},
		{"native-histograms", "Without effect: set scrape_native_histograms in prometheus.yml.", nil},
		{"old-ui", "Without effect: the pages are srcprom's own.", nil},
		{"ooo-native-histograms", "Without effect: always on.", nil},
		{"openmetrics2", "Scrapes OpenMetrics 2.0.", func(o *srcprom.Options) { o.Scrape.OpenMetrics2 = true }},
		{"otlp-deltatocumulative", "Makes deltas that arrive through OTLP cumulative.", func(o *srcprom.Options) { o.Web.ConvertOTLPDelta = true }},
		{"otlp-native-delta-ingestion", "Stores deltas that arrive through OTLP as they are.", func(o *srcprom.Options) { o.Web.NativeOTLPDeltaIngestion = true }},
		{"promql-binop-fill-modifiers", "Fill modifiers of binary operators in PromQL.", func(o *srcprom.Options) { o.Storage.Parser.EnableBinopFillModifiers = true }},
		{"promql-delayed-name-removal", "Keeps the metric name to the last step of a query.", func(o *srcprom.Options) { o.Storage.DelayedNameRemoval = true }},
		{"promql-duration-expr", "Without effect: always on.", nil},
		{"promql-experimental-functions", "Experimental functions of PromQL.", func(o *srcprom.Options) { o.Storage.Parser.EnableExperimentalFunctions = true }},
		{"promql-extended-range-selectors", "The range selectors anchored and smoothed.", func(o *srcprom.Options) { o.Storage.Parser.EnableExtendedRangeSelectors = true }},
		{"promql-per-step-stats", "Statistics of each step of a query.", func(o *srcprom.Options) { o.Storage.PerStepStats = true }},
		{"search-api", "Serves the experimental search API.", func(o *srcprom.Options) { o.Web.EnableSearch = true }},
		{"st-storage", "Stores start timestamps, in encodings that can hold them. Prefers the protobuf format for scraping.", func(o *srcprom.Options) {
			o.Scrape.ParseStartTimestamps, o.Storage.STStorage = true, true
			o.ScrapeProtocols = promconfig.DefaultProtoFirstScrapeProtocols
		}},
		{"st-synthesis", "Makes start timestamps up where a target gives none.", func(o *srcprom.Options) { o.Scrape.SynthesizeStartTimestamps = true }},
		{"type-and-unit-labels", "Adds type and unit of a metric to its labels.", func(o *srcprom.Options) {
			o.Scrape.TypeAndUnitLabels, o.Web.TypeAndUnitLabels, o.Storage.TypeAndUnitLabels = true, true, true
		}},
		{"use-start-timestamps", "Lets functions such as rate use start timestamps.", func(o *srcprom.Options) { o.Storage.UseStartTimestamps = true }},
		{"use-uncached-io", "Writes blocks past the page cache.", func(o *srcprom.Options) { o.Storage.UncachedIO = true }},
		{"xor2-encoding", "Makes xor2 the encoding of float chunks where prometheus.yml does not say. Deprecated: use storage.tsdb.chunk_encoding.floats.", func(o *srcprom.Options) { o.Storage.XOR2Encoding = true }},
		{"zstd-scrape", "Lets targets answer in zstd.", func(o *srcprom.Options) { o.Scrape.ZstdScrape = true }},
	}
}

// enableFeatures carries out --enable-feature and returns what is to be said
// about it.
func (s *settings) enableFeatures() (warnings []string) {
	known := prometheusFeatures()
	for _, name := range splitNames(append(s.features, s.alertmanagerFeatures...)) {
		i := slices.IndexFunc(known, func(f feature) bool { return f.name == name })
		switch {
		case i >= 0 && known[i].enable == nil:
			warnings = append(warnings, fmt.Sprintf("--enable-feature=%s: %s", name, known[i].help))
		case i >= 0:
			known[i].enable(&s.server)
		case slices.Contains(featurecontrol.AllowedFlags, name):
			s.server.Alerting.Features = append(s.server.Alerting.Features, name)
		default:
			warnings = append(warnings, fmt.Sprintf("--enable-feature=%s is ignored: there is no such feature", name))
		}
	}
	return warnings
}

func splitNames(lists []string) []string {
	var names []string
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}
