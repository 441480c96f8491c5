package tsdb

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/prometheus/prometheus/util/compression"
	"github.com/stretchr/testify/require"
)

// bringer appends floats and histograms in either of the engine's two ways.
type bringer interface {
	storage.AppenderTransaction
	Append(ref storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error)
	AppendHistogram(ref storage.SeriesRef, l labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error)
}

// watchBoth runs f with what was observed, once for each of the two ways.
func watchBoth(t *testing.T, f func(t *testing.T, s *testStore, begin func() bringer, observed *[]Commit)) {
	for name, appender := range map[string]func(*testing.T, storage.Storage) bringer{
		"V1": func(t *testing.T, s storage.Storage) bringer { return s.Appender(t.Context()) },
		"V2": func(t *testing.T, s storage.Storage) bringer {
			return storage.AppenderV2AsLimitedV1(s.AppenderV2(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startStore(t, "", nil)
			var observed []Commit
			tapped := Watched(s.Storage(), func(c Commit) { observed = append(observed, c) })
			f(t, s, func() bringer { return appender(t, tapped) }, &observed)
		})
	}
}

func ofJob(name, job string) labels.Labels { return labels.FromStrings("__name__", name, "job", job) }

func TestWatched_TellsJobsAndNewestSample(t *testing.T) {
	watchBoth(t, func(t *testing.T, s *testStore, begin func() bringer, observed *[]Commit) {
		now := time.Now().Truncate(time.Millisecond)
		app := begin()
		var refs []storage.SeriesRef
		for i, ls := range []labels.Labels{
			ofJob("a", "one"), ofJob("b", "one"), labels.FromStrings("__name__", "c"), ofJob("a", "two"), ofJob("c", "one"), ofJob("b", "two"),
		} {
			ref, err := app.Append(0, ls, now.Add(-time.Duration(i)*time.Second).UnixMilli(), 1)
			require.NoError(t, err)
			refs = append(refs, ref)
		}
		require.Empty(t, *observed, "nothing has been committed")
		require.NoError(t, app.Commit())
		require.Equal(t, []Commit{{Jobs: []string{"one", "", "two"}, Newest: now}}, *observed)

		app = begin()
		_, err := app.Append(refs[3], ofJob("a", "two"), now.Add(time.Second).UnixMilli(), 2)
		require.NoError(t, err)
		require.NoError(t, app.Commit())
		require.Equal(t, Commit{Jobs: []string{"two"}, Newest: now.Add(time.Second)}, (*observed)[1], "of this commit alone")
		require.Len(t, s.query(t, now.Add(time.Second), `a`), 2, "the samples are there")
	})
}

func TestWatched_HistogramsAndStalenessMarkersAreSamples(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	for name, add := range map[string]func(bringer) error{
		"histogram": func(app bringer) error {
			_, err := app.AppendHistogram(0, ofJob("h", "one"), now.UnixMilli(), tsdbutil.GenerateTestHistogram(1), nil)
			return err
		},
		"float histogram": func(app bringer) error {
			_, err := app.AppendHistogram(0, ofJob("h", "one"), now.UnixMilli(), nil, tsdbutil.GenerateTestFloatHistogram(1))
			return err
		},
		"staleness marker": func(app bringer) error {
			_, err := app.Append(0, ofJob("h", "one"), now.UnixMilli(), math.Float64frombits(value.StaleNaN))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			watchBoth(t, func(t *testing.T, _ *testStore, begin func() bringer, observed *[]Commit) {
				app := begin()
				require.NoError(t, add(app))
				require.NoError(t, app.Commit())
				require.Equal(t, []Commit{{Jobs: []string{"one"}, Newest: now}}, *observed)
			})
		})
	}
}

func TestWatched_RefusedSamplesAreNone(t *testing.T) {
	watchBoth(t, func(t *testing.T, s *testStore, begin func() bringer, observed *[]Commit) {
		now := time.Now().Truncate(time.Millisecond)
		require.NoError(t, s.append(t, now, 1, "__name__", "a", "job", "old"))
		refused := func(app bringer) {
			_, err := app.Append(0, ofJob("a", "old"), now.Add(-time.Second).UnixMilli(), 1)
			require.ErrorIs(t, err, storage.ErrOutOfOrderSample)
			_, err = app.AppendHistogram(0, ofJob("h", "broken"), now.Add(time.Hour).UnixMilli(), &histogram.Histogram{Schema: 0, Count: 7}, nil)
			require.ErrorIs(t, err, histogram.ErrHistogramCountMismatch)
		}
		app := begin()
		refused(app)
		require.NoError(t, app.Commit())
		require.Empty(t, *observed)

		app = begin()
		refused(app)
		_, err := app.Append(0, ofJob("a", "new"), now.UnixMilli(), 1)
		require.NoError(t, err)
		require.NoError(t, app.Commit())
		require.Equal(t, []Commit{{Jobs: []string{"new"}, Newest: now}}, *observed)
	})
}

func TestWatched_SaysNothingOfWhatIsNotCommitted(t *testing.T) {
	watchBoth(t, func(t *testing.T, s *testStore, begin func() bringer, observed *[]Commit) {
		require.NoError(t, begin().Commit(), "of nothing")

		app := begin()
		_, err := app.Append(0, ofJob("a", "one"), time.Now().UnixMilli(), 1)
		require.NoError(t, err)
		require.NoError(t, app.Rollback())

		app = begin()
		_, err = app.Append(0, ofJob("a", "one"), time.Now().UnixMilli(), 1)
		require.NoError(t, err)
		require.NoError(t, s.Close(t.Context()))
		require.Error(t, app.Commit())

		app = begin()
		_, err = app.Append(0, ofJob("a", "one"), time.Now().UnixMilli(), 1)
		require.Error(t, err)
		require.Error(t, app.Commit(), "the store is closed")
		require.Empty(t, *observed)
	})
}

func TestWatched_WhatGoesWithSamplesIsNone(t *testing.T) {
	s := startStore(t, "", func(o *Options) { o.ExemplarStorage, o.MetadataWALRecords = true, true })
	now := time.Now().UnixMilli()
	require.NoError(t, s.append(t, time.UnixMilli(now), 1, "__name__", "a", "job", "one"))
	var observed []Commit
	app := Watched(s.Storage(), func(c Commit) { observed = append(observed, c) }).Appender(t.Context())
	ref, err := app.AppendExemplar(0, ofJob("a", "one"), exemplar.Exemplar{Labels: labels.FromStrings("trace", "x"), Ts: now})
	require.NoError(t, err)
	_, err = app.UpdateMetadata(ref, ofJob("a", "one"), metadata.Metadata{Type: model.MetricTypeGauge, Help: "of tests"})
	require.NoError(t, err)
	_, err = app.AppendSTZeroSample(0, ofJob("b", "one"), now, now-1)
	require.NoError(t, err)
	_, err = app.AppendHistogramSTZeroSample(0, ofJob("c", "one"), now, now-1, tsdbutil.GenerateTestHistogram(1), nil)
	require.NoError(t, err)
	require.NoError(t, app.Commit())
	require.Empty(t, observed)
}

func TestWatched_SampleCountsWhoseExemplarIsRefused(t *testing.T) {
	s := startStore(t, "", func(o *Options) { o.ExemplarStorage = true })
	now := time.Now().Truncate(time.Millisecond)
	var observed []Commit
	app := Watched(s.Storage(), func(c Commit) { observed = append(observed, c) }).AppenderV2(t.Context())
	tooLong := exemplar.Exemplar{Labels: labels.FromStrings("trace", strings.Repeat("x", exemplar.ExemplarMaxLabelSetLength)), Ts: now.UnixMilli()}
	_, err := app.Append(0, ofJob("a", "one"), 0, now.UnixMilli(), 1, nil, nil, storage.AOptions{Exemplars: []exemplar.Exemplar{tooLong}})
	var partial *storage.AppendPartialError
	require.ErrorAs(t, err, &partial, "as the storage says it")
	require.NoError(t, app.Commit())
	require.Equal(t, []Commit{{Jobs: []string{"one"}, Newest: now}}, observed)
	require.Equal(t, map[string]float64{`{__name__="a", job="one"}`: 1}, s.query(t, now, "a"))
}

// The engine scrapes with references instead of looking labels up; job and series
// that are gone have to be known nevertheless.
func TestWatched_Scrapes(t *testing.T) {
	s := startStore(t, "", nil)
	commits := make(chan Commit, 100)
	observe := func(c Commit) {
		select {
		case commits <- c:
		default:
		}
	}
	manager, err := scrape.NewManager(&scrape.Options{DiscoveryReloadOnStartup: true}, promslog.NewNopLogger(), nil,
		nil, Watched(s.Storage(), observe), prometheus.NewRegistry())
	require.NoError(t, err)
	var scrapes atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n := scrapes.Add(1); {
		case n <= 3:
			fmt.Fprintf(w, "of_target %d\nof_other{job=\"other\"} %d\n", n, n)
		default: // of_other is gone
			fmt.Fprintf(w, "of_target %d\n", n)
		}
	}))
	t.Cleanup(target.Close)
	c := effective(t, "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\nscrape_configs: [{job_name: mine, honor_labels: true}]").Prometheus
	require.NoError(t, manager.ApplyConfig(c))
	sets := make(chan map[string][]*targetgroup.Group, 1)
	sets <- map[string][]*targetgroup.Group{"mine": {{Targets: []model.LabelSet{{"__address__": model.LabelValue(strings.TrimPrefix(target.URL, "http://"))}}}}}
	ended := make(chan error)
	go func() { ended <- manager.Run(sets) }()
	t.Cleanup(func() { manager.Stop(); require.NoError(t, <-ended) })

	var newest time.Time
	for _, want := range [][]string{{"mine", "other"}, {"mine", "other"}, {"mine", "other"}, {"mine", "other"}, {"mine"}} {
		var commit Commit
		select {
		case commit = <-commits:
		case <-time.After(20 * time.Second):
			t.Fatal("no commit of a scrape")
		}
		require.ElementsMatch(t, want, commit.Jobs)
		require.True(t, commit.Newest.After(newest))
		newest = commit.Newest
	}
}

func TestNews_ManyJobs(t *testing.T) {
	var n news
	for i := range 10_000 {
		n.add(ofJob("a", strconv.Itoa(i%500)), int64(-i))
	}
	n.tell(func(c Commit) {
		require.Len(t, c.Jobs, 500)
		require.Equal(t, time.UnixMilli(0), c.Newest)
	})
}

// A request has several samples of a series, of which those after the first come with
// its reference.
func TestWatched_Pushes(t *testing.T) {
	s := startStore(t, "", nil)
	var observed []Commit
	tapped := Watched(s.Storage(), func(c Commit) { observed = append(observed, c) })
	discard, now := promslog.NewNopLogger(), time.Now().Truncate(time.Millisecond)
	before := now.Add(-time.Second)
	snappy := func(text []byte, err error) []byte {
		require.NoError(t, err)
		body, err := compression.Encode(compression.Snappy, text, nil)
		require.NoError(t, err)
		return body
	}
	v1 := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		{
			Labels:  []prompb.Label{{Name: "__name__", Value: "a"}, {Name: "job", Value: "v1"}},
			Samples: []prompb.Sample{{Timestamp: before.UnixMilli(), Value: 1}, {Timestamp: now.UnixMilli(), Value: 2}},
		},
		{
			Labels:     []prompb.Label{{Name: "__name__", Value: "b"}, {Name: "job", Value: "v1 histogram"}},
			Histograms: []prompb.Histogram{prompb.FromIntHistogram(now.UnixMilli(), tsdbutil.GenerateTestHistogram(1))},
		},
	}}
	v2 := writev2.Request{
		Symbols: []string{"", "__name__", "a", "b", "job", "v2", "v2 histogram"},
		Timeseries: []writev2.TimeSeries{
			{
				LabelsRefs: []uint32{1, 2, 4, 5},
				Samples:    []writev2.Sample{{Timestamp: before.UnixMilli(), Value: 1}, {Timestamp: now.UnixMilli(), Value: 2}},
			},
			{
				LabelsRefs: []uint32{1, 3, 4, 6},
				Histograms: []writev2.Histogram{writev2.FromIntHistogram(0, now.UnixMilli(), tsdbutil.GenerateTestHistogram(1))},
			},
		},
	}
	exported := fmt.Sprintf(`{"resourceMetrics": [{
		"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "otlp"}}]},
		"scopeMetrics": [{"metrics": [{"name": "c", "gauge": {"dataPoints": [
			{"asDouble": 1, "timeUnixNano": "%d"}, {"asDouble": 2, "timeUnixNano": "%d"}
		]}}]}]
	}]}`, before.UnixNano(), now.UnixNano())
	messages := remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType}
	write := remote.NewWriteHandler(discard, prometheus.NewRegistry(), tapped, messages, false, false, false)
	otlp := remote.NewOTLPWriteHandler(discard, prometheus.NewRegistry(), tapped,
		func() promconfig.Config { return promconfig.DefaultConfig }, remote.OTLPOptions{})
	for _, tc := range []struct {
		name, contentType, encoding string
		handler                     http.Handler
		body                        []byte
		jobs                        []string
	}{
		{"remote write 1", "application/x-protobuf", "snappy", write, snappy(v1.Marshal()), []string{"v1", "v1 histogram"}},
		{"remote write 2", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy", write, snappy(v2.Marshal()), []string{"v2", "v2 histogram"}},
		{"OTLP", "application/json", "", otlp, []byte(exported), []string{"otlp"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			observed = nil
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(tc.body))
			r.Header.Set("Content-Type", tc.contentType)
			if tc.encoding != "" {
				r.Header.Set("Content-Encoding", tc.encoding)
			}
			w := httptest.NewRecorder()
			tc.handler.ServeHTTP(w, r)
			require.Equal(t, 2, w.Code/100, w.Body)
			require.Equal(t, []Commit{{Jobs: tc.jobs, Newest: now}}, observed)
		})
	}
}
