package siteconfig_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/frontend"
	"github.com/sourcegraph/srcprom/pkg/siteconfig"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// notifiers is a site configuration with n notifiers, all of which differ between
// generations. Each tenth has owners, and so a receiver of its own.
func notifiers(n, generation int) string {
	var b strings.Builder
	b.WriteString(`{"externalURL": "https://sourcegraph.example.com", "observability.alerts": [`)
	for i := range n {
		owners := ""
		if i%10 == 0 {
			owners = fmt.Sprintf(`"owners": ["team-%d"],`, i)
		}
		fmt.Fprintf(&b, `{"level": "critical", %s "notifier": {"type": "webhook", "url": "http://127.0.0.1:1/%d/%d"}},`, owners, generation, i)
	}
	b.WriteString("]}")
	return b.String()
}

// startBeside starts a server beside a Sourcegraph instance.
func startBeside(tb testing.TB, edit func(*siteconfig.Options)) (*srcpromtest.Server, *client.Client) {
	tb.Helper()
	source, _ := sourceOf(tb, edit)
	server := srcpromtest.Start(tb, srcpromtest.WithOptions(func(o *srcprom.Options) {
		o.Web.EnableConfigAPI, o.Source = true, source
	}))
	c, err := client.New(server.URL)
	require.NoError(tb, err)
	return server, c
}

// BenchmarkPush measures from the sending of a site configuration until its routes
// are live, which is when the push is answered.
func BenchmarkPush(b *testing.B) {
	for _, n := range []int{5, 50, 500} {
		b.Run(fmt.Sprintf("notifiers=%d", n), func(b *testing.B) {
			_, c := startBeside(b, func(*siteconfig.Options) {})
			generation := 0
			for b.Loop() {
				generation++
				result, err := c.PushSiteConfig(b.Context(), notifiers(n, generation))
				require.NoError(b, err)
				require.Empty(b, result.Problems)
				require.NotEmpty(b, result.Changes)
			}
		})
	}
}

// BenchmarkPoll measures from the change at the frontend until the routes are live,
// by polls that wait for nothing: with the usual interval, up to 5s come on top.
func BenchmarkPoll(b *testing.B) {
	for _, n := range []int{5, 50, 500} {
		b.Run(fmt.Sprintf("notifiers=%d", n), func(b *testing.B) {
			f := frontend.Start(b)
			server, _ := startBeside(b, func(o *siteconfig.Options) {
				o.URL, o.PollInterval = f.Address(), time.Millisecond
			})
			generation := 0
			for b.Loop() {
				generation++
				f.SetSite(notifiers(n, generation))
				mark := fmt.Sprintf("/%d/0", generation)
				for !strings.Contains(server.Current().Documents[config.SiteConfigDocument].Content, mark) {
					time.Sleep(100 * time.Microsecond)
				}
			}
		})
	}
}

// BenchmarkEndpoints measures the two endpoints that the frontend asks, at rest and
// while site configurations of 500 receivers are applied one after another.
func BenchmarkEndpoints(b *testing.B) {
	for _, load := range []string{"rest", "applies"} {
		for _, path := range []string{"config-subscriber", "alerts-status"} {
			b.Run(load+"/"+path, func(b *testing.B) {
				server, c := startBeside(b, func(*siteconfig.Options) {})
				var applying sync.WaitGroup
				ctx, cancel := context.WithCancel(b.Context())
				defer applying.Wait()
				defer cancel()
				if load == "applies" {
					applying.Go(func() {
						for generation := 1; ctx.Err() == nil; generation++ {
							_, _ = c.PushSiteConfig(ctx, notifiers(500, generation)) // the last one is cut off
						}
					})
				}
				var took []time.Duration
				for b.Loop() {
					start := time.Now()
					resp, err := http.Get(server.URL + "/prom-wrapper/" + path)
					require.NoError(b, err)
					_, err = io.Copy(io.Discard, resp.Body)
					require.NoError(b, err)
					require.NoError(b, resp.Body.Close())
					require.Equal(b, http.StatusOK, resp.StatusCode)
					took = append(took, time.Since(start))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			})
		}
	}
}

// BenchmarkMemory reports what 500 notifiers take of the heap.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		_, c := startBeside(b, func(*siteconfig.Options) {})
		_, err := c.PushSiteConfig(b.Context(), notifiers(1, 0)) // what the first one takes is another matter
		require.NoError(b, err)
		before := heap()
		_, err = c.PushSiteConfig(b.Context(), notifiers(500, 1))
		require.NoError(b, err)
		b.ReportMetric(float64(heap()-before)/(1<<20), "MB")
	}
}

// heap is what is in use once nothing more can be freed: what finalizers and pools
// hold goes later.
func heap() int64 {
	var m runtime.MemStats
	for least := uint64(math.MaxUint64); ; least = m.HeapAlloc {
		runtime.GC()
		time.Sleep(100 * time.Millisecond)
		if runtime.ReadMemStats(&m); m.HeapAlloc+(64<<10) > least {
			return int64(m.HeapAlloc)
		}
	}
}
