package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// federation serves the latest samples of chosen series to another Prometheus.
// It follows Prometheus's web/federate.go.
type federation struct {
	log      *slog.Logger
	metrics  *metrics
	parser   parser.Parser
	local    storage.Queryable
	lookback time.Duration
	config   func() promconfig.Config
}

func (f *federation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, fmt.Sprintf("error parsing form values: %v", err), http.StatusBadRequest)
		return
	}
	selectors, err := f.parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	samples, err := f.latest(r.Context(), selectors, time.Now())
	if err != nil {
		f.metrics.federationErrors.Inc()
		http.Error(w, err.Error(), federationStatus(err))
		return
	}

	format := expfmt.NegotiateAccept(r.Header,
		expfmt.NewFormat(expfmt.TypeProtoDelim),
		expfmt.NewFormat(expfmt.TypeProtoText),
		expfmt.NewFormat(expfmt.TypeProtoCompact),
		expfmt.NewFormat(expfmt.TypeTextPlain))
	w.Header().Set("Content-Type", string(format))
	families := newFamilyWriter(expfmt.NewEncoder(w, format), f.config().GlobalConfig.ExternalLabels)
	if err := f.write(families, samples, format); err != nil {
		f.metrics.federationErrors.Inc()
		f.log.Error("Federation answer was cut off", "err", err)
	}
}

func federationStatus(err error) int {
	if errors.Is(err, tsdb.ErrNotReady) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// latest returns the newest sample within the lookback of each selected series,
// sorted by metric name.
func (f *federation) latest(ctx context.Context, selectors [][]*labels.Matcher, now time.Time) (promql.Vector, error) {
	mint, maxt := timestamp.FromTime(now.Add(-f.lookback)), timestamp.FromTime(now)
	querier, err := f.local.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	defer querier.Close()

	hints := &storage.SelectHints{Start: mint, End: maxt}
	sets := make([]storage.SeriesSet, len(selectors))
	for i, matchers := range selectors {
		sets[i] = querier.Select(ctx, true, hints, matchers...)
	}
	merged := storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)

	var samples promql.Vector
	buffer := storage.NewBuffer(f.lookback.Milliseconds())
	var chunks chunkenc.Iterator
	for merged.Next() {
		series := merged.At()
		chunks = series.Iterator(chunks)
		buffer.Reset(chunks)
		if sample, ok := newest(buffer, maxt); ok {
			sample.Metric = series.Labels()
			samples = append(samples, sample)
		}
	}
	if warnings := merged.Warnings(); len(warnings) > 0 {
		f.metrics.federationWarnings.Add(float64(len(warnings)))
		f.log.Debug("Federation query returned warnings", "warnings", warnings)
	}
	slices.SortStableFunc(samples, func(a, b promql.Sample) int {
		return strings.Compare(a.Metric.Get(model.MetricNameLabel), b.Metric.Get(model.MetricNameLabel))
	})
	return samples, merged.Err()
}

// newest returns the sample at maxt, or the last one before it. The exposition
// formats have no staleness marker: a stale series is left out.
func newest(buffer *storage.BufferedSeriesIterator, maxt int64) (promql.Sample, bool) {
	var s promql.Sample
	switch buffer.Seek(maxt) {
	case chunkenc.ValFloat:
		s.T, s.F = buffer.At()
	case chunkenc.ValFloatHistogram, chunkenc.ValHistogram:
		s.T, s.H = buffer.AtFloatHistogram(nil)
	default:
		previous, ok := buffer.PeekBack(1)
		if !ok {
			return s, false
		}
		s.T = previous.T()
		switch previous.Type() {
		case chunkenc.ValFloat:
			s.F = previous.F()
		case chunkenc.ValHistogram:
			s.H = previous.H().ToFloat(nil)
		case chunkenc.ValFloatHistogram:
			s.H = previous.FH()
		default:
			return s, false
		}
	}
	stale := value.IsStaleNaN(s.F) || s.H != nil && value.IsStaleNaN(s.H.Sum)
	return s, !stale
}

func (f *federation) write(families *familyWriter, samples promql.Vector, format expfmt.Format) error {
	for _, s := range samples {
		if s.H != nil && !s.H.UsesCustomBuckets() && !isProtobuf(format) {
			continue // the text format cannot say a native histogram
		}
		if s.Metric.Get(model.MetricNameLabel) == "" {
			f.log.Warn("Nameless series left out of federation", "series", s.Metric)
			continue
		}
		if err := families.add(s); err != nil {
			return err
		}
	}
	return families.flush()
}

func isProtobuf(format expfmt.Format) bool {
	switch format.FormatType() {
	case expfmt.TypeProtoDelim, expfmt.TypeProtoText, expfmt.TypeProtoCompact:
		return true
	}
	return false
}

// isGauge says whether h is a gauge histogram, which has a family type of its own.
func isGauge(h *histogram.FloatHistogram) bool {
	return h != nil && h.CounterResetHint == histogram.GaugeType
}
