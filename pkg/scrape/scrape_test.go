package scrape

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/prometheus/discovery/consul"
	_ "github.com/prometheus/prometheus/discovery/dns"
	_ "github.com/prometheus/prometheus/discovery/file"
	_ "github.com/prometheus/prometheus/discovery/http"
	_ "github.com/prometheus/prometheus/discovery/kubernetes"
	_ "github.com/prometheus/prometheus/discovery/xds"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

func TestScrape_StaticTargetWithRelabelling(t *testing.T) {
	s := newTarget(t, page("kept 1\ndropped 2\n"))
	m := startManager(t, scraping(job("app", s, `,
  relabel_configs: [{target_label: team, replacement: storage}],
  metric_relabel_configs: [{source_labels: [__name__], regex: dropped, action: drop}]`)))
	m.eventually(t, `kept{job="app",team="storage"} == 1`, 1)
	m.eventually(t, `up == 1`, 1)
	require.Empty(t, m.query(t, "dropped"))
	require.Equal(t, []string{"app"}, m.Upstream().ScrapePools())
	require.Len(t, m.Upstream().TargetsActive()["app"], 1)
}

func TestScrape_FirstTargetsDoNotWaitForTheReloadInterval(t *testing.T) {
	s := newTarget(t, page("m 1\n"))
	options := DefaultOptions()
	options.DiscoveryReloadInterval = time.Hour
	m := newManagerWith(t, options)
	m.start(t)
	m.apply(t, nil, effective(t, scraping(job("app", s, ""))))
	m.eventually(t, "m", 1)
}

func TestScrape_NativeHistogramsAndExemplars(t *testing.T) {
	registry := prometheus.NewRegistry()
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "latency_seconds", Help: "h", NativeHistogramBucketFactor: 1.1})
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "requests_total", Help: "h"})
	registry.MustRegister(histogram, counter)
	histogram.Observe(0.3)
	counter.(prometheus.ExemplarAdder).AddWithExemplar(1, prometheus.Labels{"trace_id": "abc"})
	s := newTarget(t, promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP)
	m := startManager(t, scraping(job("app", s, ", scrape_native_histograms: true")))

	m.eventually(t, "latency_seconds", 1)
	require.NotNil(t, m.query(t, "latency_seconds")[0].H, "a native histogram")
	require.Len(t, m.query(t, "histogram_quantile(0.5, latency_seconds) > 0.2 < 0.4"), 1)

	exemplars, err := m.db.ExemplarQuerier(t.Context())
	require.NoError(t, err)
	found, err := exemplars.Select(0, time.Now().Add(time.Hour).UnixMilli(), []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "requests_total")})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "abc", found[0].Exemplars[0].Labels.Get("trace_id"))
}

func TestScrape_BadTargetsLeaveTheOthersAlone(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) }) // before the servers close, which wait for their handlers
	bad := map[string]*target{
		"hangs": newTarget(t, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}),
		"lies": newTarget(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
			_, _ = w.Write([]byte("not protobuf 1\n"))
		}),
		"html": newTarget(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>not metrics</html>"))
		}),
		"endless": newTarget(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			for i := 0; r.Context().Err() == nil; i++ {
				if _, err := fmt.Fprintf(w, "endless{i=\"%d\"} 1\n", i); err != nil {
					return
				}
			}
		}),
		"closes": newTarget(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"wrong":  newTarget(t, page("a line that is no metric at all\n")),
	}
	good := newTarget(t, page("m 1\n"))
	jobs := []string{job("good", good, "")}
	for name, s := range bad {
		jobs = append(jobs, job(name, s, ", body_size_limit: 10KB"))
	}
	m := startManager(t, scraping(jobs...))
	m.eventually(t, "up == 0", len(bad))
	m.eventually(t, `up{job="good"} == 1`, 1)
	before := good.scrapes.Load()
	require.Eventually(t, func() bool { return good.scrapes.Load() > before+3 }, patience, 10*time.Millisecond, "the good target goes on being scraped")
	require.Empty(t, m.query(t, "endless"), "a body over its limit is dropped as a whole")
	require.Len(t, m.query(t, `up{job="good"} == 1`), 1)
}

func TestScrape_FailureLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "failures.log")
	down := newTarget(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	text := fmt.Sprintf("global: {scrape_interval: 100ms, scrape_timeout: 100ms, scrape_failure_log_file: %q}\nscrape_configs:\n", path) + job("down", down, "")
	m := newManager(t)
	m.start(t)
	step, err := m.Prepare(nil, effective(t, text))
	require.NoError(t, err)
	require.NoFileExists(t, path, "a plan leaves nothing behind")
	require.NoError(t, step.Commit())
	contains := func(want string) func() bool {
		return func() bool {
			content, err := os.ReadFile(path)
			return err == nil && strings.Contains(string(content), want)
		}
	}
	require.Eventually(t, contains("418"), patience, 10*time.Millisecond, "the failure is logged")
	require.True(t, contains(`"job_name":"down"`)())

	step, err = m.Prepare(effective(t, text), effective(t, text))
	require.NoError(t, err)
	require.Empty(t, step.Changes)

	require.NoError(t, os.Rename(path, path+".1"))
	changes := m.apply(t, effective(t, text), effective(t, text))
	require.Equal(t, []string{fmt.Sprintf("scrape: failure log %q opened anew, it had been moved away", path)}, changes)
	require.Eventually(t, contains("418"), patience, 10*time.Millisecond, "failures go to the new file")
	require.Zero(t, m.metric(t, "prometheus_target_scrape_pool_reloads_total"), "no scrape loop is restarted for that")
}

func TestScrape_FileDiscoveryBadFileLeavesNeighboursAlone(t *testing.T) {
	s, dir := newTarget(t, page("m 1\n")), t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("good.yml", fmt.Sprintf("- targets: [%q]\n", s.address()))
	write("bad.yml", "- targets: this is no list\n")
	m := startManager(t, scraping(fmt.Sprintf("- {job_name: files, file_sd_configs: [{files: [%q]}]}\n", filepath.Join(dir, "*.yml"))))
	m.eventually(t, `up{job="files"} == 1`, 1)

	write("bad.yml", fmt.Sprintf("- targets: [%q]\n  labels: {was: bad}\n", s.address()))
	m.eventually(t, `up{job="files", was="bad"} == 1`, 1)
	require.Len(t, m.query(t, `up{job="files"} == 1`), 2)
}
