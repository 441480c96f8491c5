package web

import (
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"google.golang.org/protobuf/proto"
)

// familyWriter encodes samples that come sorted by name. A name whose samples
// differ in kind becomes several families, which is against the letter of the
// format, but Prometheus reads it, and nothing is lost.
type familyWriter struct {
	encoder  expfmt.Encoder
	external labels.Labels
	family   *dto.MetricFamily // not yet encoded; nil at first
}

// newFamilyWriter adds the external labels to each sample that lacks them, and an
// empty instance, so that the puller does not put its own in.
func newFamilyWriter(encoder expfmt.Encoder, external labels.Labels) *familyWriter {
	if !external.Has(model.InstanceLabel) {
		b := labels.NewScratchBuilder(external.Len() + 1)
		external.Range(func(l labels.Label) { b.Add(l.Name, l.Value) })
		b.Add(model.InstanceLabel, "")
		b.Sort()
		external = b.Labels()
	}
	return &familyWriter{encoder: encoder, external: external}
}

func (w *familyWriter) add(s promql.Sample) error {
	name, kind := s.Metric.Get(model.MetricNameLabel), familyType(s)
	if w.family == nil || w.family.GetName() != name || w.family.GetType() != kind {
		if err := w.flush(); err != nil {
			return err
		}
		w.family = &dto.MetricFamily{Name: proto.String(name), Type: kind.Enum()}
	}
	w.family.Metric = append(w.family.Metric, w.metric(s))
	return nil
}

// flush encodes the last family.
func (w *familyWriter) flush() error {
	if w.family == nil {
		return nil
	}
	return w.encoder.Encode(w.family)
}

func (w *familyWriter) metric(s promql.Sample) *dto.Metric {
	m := &dto.Metric{TimestampMs: proto.Int64(s.T)}
	own := make(map[string]bool)
	s.Metric.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel {
			own[l.Name] = true
			m.Label = append(m.Label, pair(l))
		}
	})
	w.external.Range(func(l labels.Label) {
		if !own[l.Name] {
			m.Label = append(m.Label, pair(l))
		}
	})
	switch {
	case s.H == nil:
		m.Untyped = &dto.Untyped{Value: proto.Float64(s.F)}
	case s.H.UsesCustomBuckets():
		m.Histogram = classicHistogram(s.H)
	default:
		m.Histogram = nativeHistogram(s.H)
	}
	return m
}

func pair(l labels.Label) *dto.LabelPair {
	return &dto.LabelPair{Name: proto.String(l.Name), Value: proto.String(l.Value)}
}

func familyType(s promql.Sample) dto.MetricType {
	switch {
	case s.H == nil:
		return dto.MetricType_UNTYPED
	case isGauge(s.H):
		return dto.MetricType_GAUGE_HISTOGRAM
	default:
		return dto.MetricType_HISTOGRAM
	}
}

// nativeHistogram is for the exponential schemas.
func nativeHistogram(h *histogram.FloatHistogram) *dto.Histogram {
	return &dto.Histogram{
		SampleCountFloat: proto.Float64(h.Count),
		SampleSum:        proto.Float64(h.Sum),
		Schema:           proto.Int32(h.Schema),
		ZeroThreshold:    proto.Float64(h.ZeroThreshold),
		ZeroCountFloat:   proto.Float64(h.ZeroCount),
		NegativeSpan:     spans(h.NegativeSpans),
		NegativeCount:    h.NegativeBuckets,
		PositiveSpan:     spans(h.PositiveSpans),
		PositiveCount:    h.PositiveBuckets,
	}
}

func spans(of []histogram.Span) []*dto.BucketSpan {
	var converted []*dto.BucketSpan
	for _, span := range of {
		converted = append(converted, &dto.BucketSpan{Offset: proto.Int32(span.Offset), Length: proto.Uint32(span.Length)})
	}
	return converted
}

// classicHistogram is for custom buckets, which become the classic cumulative
// ones. The +Inf bucket follows from the count.
func classicHistogram(h *histogram.FloatHistogram) *dto.Histogram {
	classic := &dto.Histogram{SampleCountFloat: proto.Float64(h.Count), SampleSum: proto.Float64(h.Sum)}
	counts := make(map[int32]float64)
	for it := h.PositiveBucketIterator(); it.Next(); {
		counts[it.At().Index] = it.At().Count
	}
	cumulative := 0.0
	for i, bound := range h.CustomValues {
		cumulative += counts[int32(i)]
		classic.Bucket = append(classic.Bucket, &dto.Bucket{
			UpperBound:           proto.Float64(bound),
			CumulativeCountFloat: proto.Float64(cumulative),
		})
	}
	return classic
}
