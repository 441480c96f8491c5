package tsdb

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
)

// BenchmarkWatched commits scrapes of a thousand known series: what the tap costs is
// the difference.
func BenchmarkWatched(b *testing.B) {
	watch := func(s storage.Storage) storage.Storage { return Watched(s, func(Commit) {}) }
	for name, wrap := range map[string]func(storage.Storage) storage.Storage{
		"not":     func(s storage.Storage) storage.Storage { return s },
		"watched": watch,
	} {
		b.Run(name, func(b *testing.B) {
			db, err := tsdb.Open(b.TempDir(), nil, nil, tsdb.DefaultOptions(), nil)
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, db.Close()) })
			benchmarkScrapes(b, wrap(storage.NewFanout(nil, db)))
		})
	}
}

func benchmarkScrapes(b *testing.B, s storage.Storage) {
	const samples = 1000
	var (
		series [samples]labels.Labels
		refs   [samples]storage.SeriesRef
	)
	for i := range series {
		series[i] = labels.FromStrings("__name__", "http_requests_total", "code", "200", "handler", fmt.Sprintf("/api/v1/%d", i),
			"instance", "127.0.0.1:9090", "job", "prometheus", "method", "GET")
	}
	scrape := func(at int64) {
		app := s.AppenderV2(b.Context())
		for i, ls := range series {
			ref, err := app.Append(refs[i], ls, 0, at, float64(at), nil, nil, storage.AOptions{})
			if err != nil {
				b.Fatal(err)
			}
			refs[i] = ref
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	at := int64(0)
	scrape(at) // makes the series
	b.ReportAllocs()
	for b.Loop() {
		at += 15_000
		scrape(at)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/samples, "ns/sample")
}
