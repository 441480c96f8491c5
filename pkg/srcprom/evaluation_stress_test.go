package srcprom_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// stressed is a server with targets that come and go, in whatever way, while its
// configuration changes all the time and others push samples.
type stressed struct {
	*srcpromtest.Server
	t   *testing.T
	log *record

	flapping, staying *srcpromtest.Target
	hanging           *hangingTarget
	flickering        *httptest.Server
	targets           string      // file of the job "leaving"
	configured        atomic.Bool // there is the job "configured"

	applied atomic.Int64
	pushed  atomic.Int64
}

// record keeps a log.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(line)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// hangingTarget answers, or not before the scrape is given up.
type hangingTarget struct {
	*httptest.Server
	hangs atomic.Bool
}

func newHangingTarget(t *testing.T) *hangingTarget {
	target := &hangingTarget{}
	target.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if target.hangs.Load() {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(target.Close)
	return target
}

// newFlickeringTarget fails in another way at each scrape, and works at each fourth.
func newFlickeringTarget(t *testing.T) *httptest.Server {
	var scrapes atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch scrapes.Add(1) % 4 {
		case 0:
			fmt.Fprintln(w, "flickers 1")
		case 1:
			http.Error(w, "down", http.StatusServiceUnavailable)
		case 2:
			<-r.Context().Done()
		case 3:
			fmt.Fprintln(w, "flickers 1")
			panic(http.ErrAbortHandler) // in the middle of the answer
		}
	}))
	t.Cleanup(target.Close)
	return target
}

func startStressed(t *testing.T) *stressed {
	t.Helper()
	s := &stressed{
		t: t, log: &record{}, targets: filepath.Join(t.TempDir(), "targets.json"),
		flapping: srcpromtest.NewTarget(t), staying: srcpromtest.NewTarget(t),
		hanging: newHangingTarget(t), flickering: newFlickeringTarget(t),
	}
	s.configured.Store(true)
	s.leave(false)
	s.Server = srcpromtest.Start(t, withPushes(), srcpromtest.WithPrometheusConfig(s.prometheus(0)), srcpromtest.WithOptions(func(o *srcprom.Options) {
		o.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		o.Web.EnableConfigAPI = true
		o.Storage.LookbackDelta = time.Second // the engine does not mark series as stale whose job is gone
		o.Documents["rules/stress"] = s.rules(0)
	}))
	return s
}

// leave takes the targets out of the file of the job "leaving", or back into it.
func (s *stressed) leave(gone bool) {
	text := fmt.Sprintf(`[ { "targets": [ %q ] } ]`, s.staying.Addr())
	if gone {
		text = "[]"
	}
	require.NoError(s.t, os.WriteFile(s.targets+".new", []byte(text), 0o644))
	require.NoError(s.t, os.Rename(s.targets+".new", s.targets))
}

// prometheus is a generation of the configuration: one job is always another. It has
// another name, since the engine has a data race where a job changes and keeps its name: the
// loops of a pool read its configuration while reload sets it
// (https://github.com/prometheus/prometheus/blob/v3.15.0/scrape/scrape.go).
func (s *stressed) prometheus(generation int) string {
	static := func(job, target string) string {
		return fmt.Sprintf("  - { job_name: %s, static_configs: [ { targets: [ %q ] } ] }\n", job, target)
	}
	text := "global: { scrape_interval: 200ms, scrape_timeout: 150ms, evaluation_interval: 200ms }\nscrape_configs:\n" +
		static("staying", s.staying.Addr()) +
		static("flapping", s.flapping.Addr()) +
		static("hanging", s.hanging.Listener.Addr().String()) +
		static("flickering", s.flickering.Listener.Addr().String()) +
		static(fmt.Sprintf("changing-%d", generation), s.staying.Addr()) +
		fmt.Sprintf("  - { job_name: leaving, file_sd_configs: [ { files: [ %q ], refresh_interval: 200ms } ] }\n", s.targets)
	if s.configured.Load() {
		text += static("configured", s.staying.Addr())
	}
	return text
}

// stressedGroups are the rules by their groups.
var stressedGroups = []struct{ name, rules string }{
	{"threshold", `{ alert: Threshold, expr: 'crossing{job="staying"} > 0' }`},
	{"one", `{ record: "chain:one", expr: 'sum by (round) (crossing{job="staying"})' }`},
	{"two", `{ record: "chain:two", expr: 'chain:one * 2' }`},
	{"three", `{ record: "chain:three", expr: 'chain:two + 1' }, { alert: Chain, expr: 'chain:three > 1' }`},
	{"down", `{ alert: Down, expr: 'up{job="flapping"} == 0' }, { alert: Hangs, expr: 'up{job="hanging"} == 0' }`},
	{"absent", `{ alert: Gone, expr: 'absent(up{job="leaving"})' }, { alert: Unconfigured, expr: 'absent(up{job="configured"})' }`},
	{"flickering", `{ record: "chain:flickers", expr: 'up{job="flickering"}' }, { alert: Flickers, expr: 'up{job="flickering"} == 0' }`},
	{"pushed", `{ record: "chain:pushed", expr: 'sum(written{job="writer"}) + sum(exported{job="exporter"})' }`},
	{"everything", `{ record: "chain:everything", expr: 'count({job!=""})' }`},
}

// rules is a generation of the rules: with each, every group is evaluated
// otherwise, every third gets a rule more or loses it, and one comes or goes.
func (s *stressed) rules(generation int) string {
	text := "groups:\n"
	for i, g := range stressedGroups {
		text += "  - name: " + g.name + "\n"
		if how := (generation + i) % 3; how > 0 {
			text += "    evaluation: " + []string{1: config.EvaluationClock, 2: config.EvaluationAfterScrape}[how] + "\n"
		}
		rules := g.rules
		if generation%3 == i%3 {
			rules += fmt.Sprintf(`, { record: "chain:more_%s", expr: 'vector(1)' }`, g.name)
		}
		text += "    rules: [ " + rules + " ]\n"
	}
	if generation%2 == 0 {
		text += "  - { name: sometimes, rules: [ { record: \"sometimes\", expr: 'chain:three' } ] }\n"
	}
	return text
}

// keepApplying applies one configuration after another until ctx is done.
func (s *stressed) keepApplying(ctx context.Context, c *client.Client) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for generation := 1; ; generation++ {
		prometheus, rules := s.prometheus(generation), s.rules(generation)
		_, err := c.ApplyConfig(ctx, client.ConfigRequest{Strict: true, Documents: map[string]*string{
			config.PrometheusDocument: &prometheus, "rules/stress": &rules,
		}})
		if err != nil {
			return err
		}
		s.applied.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// keepPushing pushes samples until ctx is done, also such that are late, and such of
// a sender whose clock is ahead.
func (s *stressed) keepPushing(ctx context.Context, write remoteWriter) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		now := time.Now()
		err := write.push(ctx, map[string]time.Time{
			"written": now, "written_late": now.Add(-time.Minute), "written_ahead": now.Add(5 * time.Minute),
		})
		if err := errors.Join(err, export(ctx, s.Server, "exported", now)); err != nil {
			return err
		}
		s.pushed.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// awaitTold waits until the last that the receiver has been told of each alert is
// that it is so.
func (s *stressed) awaitTold(status, round string, alerts ...string) {
	s.t.Helper()
	for _, name := range alerts {
		require.Eventually(s.t, func() bool { return s.lastTold(name, round) == status }, patience, 5*time.Millisecond,
			"%s to be %s in round %s", name, status, round)
	}
}

// lastTold is the status that an alert was notified with last. An alert with the
// label round is another in each.
func (s *stressed) lastTold(name, round string) (status string) {
	for _, n := range s.Receiver.Notifications() {
		for _, a := range n.Alerts {
			if of, ok := a.Labels["round"]; a.Labels["alertname"] == name && (!ok || of == round) {
				status = a.Status
			}
		}
	}
	return status
}

// requireNoFuture looks at all that has been recorded.
func (s *stressed) requireNoFuture() (samples int) {
	s.t.Helper()
	params := url.Values{"query": {`{__name__=~"chain:.*"}[1h]`}, "time": {fmt.Sprint(time.Now().Add(10 * time.Minute).Unix())}}
	body := ask(s.t, s.Server.Server, http.MethodGet, "/api/v1/query?"+params.Encode(), "")
	now := float64(time.Now().UnixMilli()) / 1000
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	require.NoError(s.t, json.Unmarshal([]byte(body), &answer))
	require.NotEmpty(s.t, answer.Data.Result, body)
	for _, series := range answer.Data.Result {
		last := 0.
		for _, sample := range series.Values {
			at := sample[0].(float64)
			require.Greater(s.t, at, last, "%v", series.Metric)
			require.LessOrEqual(s.t, at, now, "%v", series.Metric)
			last = at
			samples++
		}
	}
	return samples
}

func TestServer_EvaluationUnderStress(t *testing.T) {
	s := startStressed(t)
	write := newRemoteWriter(t, s.Server)
	ctx, cancel := context.WithCancel(t.Context())
	var stopping atomic.Bool
	var others sync.WaitGroup
	end := func() {
		stopping.Store(true)
		cancel()
		others.Wait()
	}
	defer end()
	goOn := func(what string, do func() error) {
		others.Go(func() {
			if err := do(); !stopping.Load() {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	c := clientOf(t, s.Server)
	goOn("apply", func() error { return s.keepApplying(ctx, c) })
	goOn("push", func() error { return s.keepPushing(ctx, write) })

	standing := []string{"Down", "Hangs", "Gone", "Unconfigured", "Threshold", "Chain"}
	samples := 0
	for i := range 3 { // discovery takes ever longer while jobs change, up to 5s
		round := fmt.Sprint(i)
		s.disturb(true, round)
		s.awaitTold("firing", round, standing...)
		s.disturb(false, round)
		s.awaitTold("resolved", round, standing...)
		more := s.requireNoFuture()
		require.Greater(t, more, samples)
		samples = more
	}
	stopping.Store(true)
	promptly(t, "a stop amid all that", s.Stop)
	end()

	t.Logf("%d applied, %d pushed, %d recorded, %d notified", s.applied.Load(), s.pushed.Load(), samples, len(s.Receiver.Notifications()))
	require.Greater(t, s.applied.Load(), int64(10))
	require.Greater(t, s.pushed.Load(), int64(10))
	require.NotContains(t, s.log.String(), "result from rule evaluation", "none is out of order, too old, or twice at one moment")
	require.NotContains(t, s.log.String(), "Evaluating rule failed")
}

// disturb makes everything go wrong, or well again.
func (s *stressed) disturb(wrong bool, round string) {
	value := 0.
	if wrong {
		value = 1
	}
	s.staying.Set("crossing", value, "round", round)
	s.flapping.SetDown(wrong)
	s.hanging.hangs.Store(wrong)
	s.leave(wrong)
	s.configured.Store(!wrong)
}
