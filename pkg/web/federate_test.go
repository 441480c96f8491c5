package web

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/stretchr/testify/require"
)

// store writes one sample per series at the given time, in milliseconds.
func (s *testServer) store(t *testing.T, at int64, samples map[string]any) {
	t.Helper()
	app := s.db.Appender(t.Context())
	for text, sample := range samples {
		lset, err := s.deps.Parser.ParseMetric(text)
		require.NoError(t, err)
		switch sample := sample.(type) {
		case float64:
			_, err = app.Append(0, lset, at, sample)
		case *histogram.Histogram:
			_, err = app.AppendHistogram(0, lset, at, sample, nil)
		case *histogram.FloatHistogram:
			_, err = app.AppendHistogram(0, lset, at, nil, sample)
		}
		require.NoError(t, err)
	}
	require.NoError(t, app.Commit())
}

func federate(selectors ...string) string {
	return "/federate?" + url.Values{"match[]": selectors}.Encode()
}

func TestFederate_TextIsSortedAndCarriesExternalLabels(t *testing.T) {
	s := startServer(t)
	now := time.Now().UnixMilli()
	s.store(t, now-2000, map[string]any{`b{job="x"}`: 1.0})
	s.store(t, now-1000, map[string]any{
		`b{job="x"}`:                        2.0,
		`b{job="y",region="own"}`:           3.0,
		`a{instance="i",quote="a\"b\\c\n"}`: math.Inf(1),
		`c{job="z"}`:                        4.0,
	})
	s.store(t, now-1, map[string]any{`gone{job="x"}`: math.Float64frombits(value.StaleNaN)})
	a := s.get(t, federate(`{job=~"x|y"}`, `a`))
	require.Equal(t, http.StatusOK, a.status)
	require.Contains(t, a.header.Get("Content-Type"), "text/plain")
	at := func(sample string) string { return strings.ReplaceAll(sample, "@", strconv.FormatInt(now-1000, 10)) }
	require.Equal(t, at(`# TYPE a untyped
a{instance="i",quote="a\"b\\c\n",region="north"} +Inf @
# TYPE b untyped
b{job="x",instance="",region="north"} 2 @
b{job="y",region="own",instance=""} 3 @
`), a.body)
}

func TestFederate_LooksBackAsFarAsQueries(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.LookbackDelta = time.Minute })
	now := time.Now()
	s.store(t, now.Add(-2*time.Minute).UnixMilli(), map[string]any{`old`: 1.0})
	s.store(t, now.Add(-30*time.Second).UnixMilli(), map[string]any{`recent`: 1.0})
	a := s.get(t, federate(`{__name__=~".+"}`))
	require.NotContains(t, a.body, "old")
	require.Contains(t, a.body, "recent")
}

func TestFederate_NativeHistogramsNeedProtobuf(t *testing.T) {
	s := startServer(t)
	now := time.Now().UnixMilli() - 1
	counter := tsdbutil.GenerateTestHistogram(1)
	gauge := tsdbutil.GenerateTestGaugeHistogram(2)
	custom := tsdbutil.GenerateTestCustomBucketsHistogram(3)
	float := tsdbutil.GenerateTestFloatHistogram(4)
	s.store(t, now, map[string]any{
		`h{kind="counter"}`: counter, `h{kind="gauge"}`: gauge, `h{kind="float"}`: float, `h{kind="number"}`: 7.0, `n{kind="custom"}`: custom,
	})

	text := s.get(t, federate(`{kind!=""}`)).body
	require.Contains(t, text, `h{kind="number"`)
	require.NotContains(t, text, `h{kind="counter"`)
	require.Contains(t, text, `n_bucket{kind="custom",instance="",region="north",le="+Inf"}`, "custom buckets are classic ones in text")

	a := s.do(t, http.MethodGet, federate(`{kind!=""}`), "", map[string]string{"Accept": string(expfmt.NewFormat(expfmt.TypeProtoDelim)), "Accept-Encoding": "identity"})
	got := make(map[string]*dto.MetricFamily)
	decoder := expfmt.NewDecoder(strings.NewReader(a.body), expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		family := &dto.MetricFamily{}
		if decoder.Decode(family) != nil {
			break
		}
		for _, metric := range family.Metric {
			for _, label := range metric.Label {
				if label.GetName() == "kind" {
					got[label.GetValue()] = &dto.MetricFamily{Type: family.Type, Metric: []*dto.Metric{metric}}
				}
			}
		}
	}
	require.Len(t, got, 5)
	require.Equal(t, dto.MetricType_HISTOGRAM, got["counter"].GetType())
	require.Equal(t, dto.MetricType_HISTOGRAM, got["float"].GetType())
	require.Equal(t, dto.MetricType_GAUGE_HISTOGRAM, got["gauge"].GetType())
	require.Equal(t, dto.MetricType_UNTYPED, got["number"].GetType())
	require.Equal(t, 7.0, got["number"].Metric[0].GetUntyped().GetValue())

	h := got["counter"].Metric[0].GetHistogram()
	want := counter.ToFloat(nil)
	require.Equal(t, want.Count, h.GetSampleCountFloat())
	require.Equal(t, want.Sum, h.GetSampleSum())
	require.Equal(t, want.Schema, h.GetSchema())
	require.Equal(t, want.PositiveBuckets, h.GetPositiveCount())
	require.Equal(t, want.NegativeBuckets, h.GetNegativeCount())
	require.Len(t, h.GetPositiveSpan(), len(want.PositiveSpans))
	for i, span := range want.PositiveSpans {
		require.Equal(t, span.Offset, h.GetPositiveSpan()[i].GetOffset())
		require.Equal(t, span.Length, h.GetPositiveSpan()[i].GetLength())
	}

	classic := got["custom"].Metric[0].GetHistogram()
	require.Len(t, classic.GetBucket(), len(custom.CustomValues))
	counts := make(map[float64]float64)
	for it := custom.ToFloat(nil).PositiveBucketIterator(); it.Next(); {
		counts[it.At().Upper] = it.At().Count
	}
	cumulative := 0.0
	for i, bucket := range classic.GetBucket() {
		cumulative += counts[custom.CustomValues[i]]
		require.Equal(t, custom.CustomValues[i], bucket.GetUpperBound())
		require.Equal(t, cumulative, bucket.GetCumulativeCountFloat())
	}
}

func TestFederate_StaleHistogramsAreLeftOut(t *testing.T) {
	s := startServer(t)
	now := time.Now().UnixMilli()
	s.store(t, now-2, map[string]any{`h`: tsdbutil.GenerateTestCustomBucketsHistogram(1)})
	s.store(t, now-1, map[string]any{`h`: &histogram.Histogram{Sum: math.Float64frombits(value.StaleNaN)}})
	require.Empty(t, s.get(t, federate("h")).body)
}

func TestFederate_BadSelectorsAreRefused(t *testing.T) {
	s := startServer(t)
	for _, query := range []string{"/federate?match[]=up%7B", "/federate?match[]=rate(x[5m])", "/federate?match[]=%zz"} {
		require.Equal(t, http.StatusBadRequest, s.get(t, query).status, query)
	}
	a := s.get(t, "/federate")
	require.Equal(t, http.StatusOK, a.status)
	require.Empty(t, a.body)
}

func TestFederate_StorageFailureIsCounted(t *testing.T) {
	for err, status := range map[error]int{errors.New("disk"): http.StatusInternalServerError, tsdb.ErrNotReady: http.StatusServiceUnavailable} {
		s := startServer(t, func(_ *Options, d *Deps) { d.Local = brokenLocal{d.Local, err} })
		a := s.get(t, federate("up"))
		require.Equal(t, status, a.status)
		require.Contains(t, a.body, err.Error())
		require.Equal(t, 1.0, gaugeValue(t, s, "prometheus_web_federation_errors_total"))
	}
}

type brokenLocal struct {
	LocalStorage
	err error
}

func (b brokenLocal) Querier(int64, int64) (storage.Querier, error) { return nil, b.err }

func TestFederate_NamelessSeriesAreLeftOut(t *testing.T) {
	s := startServer(t)
	app := s.db.Appender(t.Context())
	_, err := app.Append(0, labels.FromStrings("job", "nameless"), time.Now().UnixMilli()-1, 1)
	require.NoError(t, err)
	require.NoError(t, app.Commit())
	require.Empty(t, s.get(t, federate(`{job="nameless"}`)).body)
	require.Contains(t, s.log.String(), "Nameless series left out")
}
