package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

const (
	// resolveTimeout is how long an alert lasts that was posted without an end.
	resolveTimeout = 6 * time.Second
	// longFor is longer than a short downtime: after a restart the alert is pending.
	longFor = 3 * time.Second
	// longDowntime is past the end of every alert that the rules had handed over,
	// which is four times resendDelay.
	longDowntime = 5 * resendDelay
	resendDelay  = 500 * time.Millisecond
)

// An alert that fired before the process ended gets exactly one resolved
// notification if its condition has ended, and none while it has not.
func TestGuarantee_G5_RestoredAlertsResolveOnceOrNotAtAll(t *testing.T) {
	for name, c := range map[string]struct {
		signal   syscall.Signal
		downtime time.Duration
	}{
		"SIGKILL":                    {syscall.SIGKILL, 0},
		"SIGTERM":                    {syscall.SIGTERM, 0},
		"SIGKILL, down for too long": {syscall.SIGKILL, longDowntime},
		"SIGTERM, down for too long": {syscall.SIGTERM, longDowntime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, target := newSink(t), srcpromtest.NewTarget(t)
			for _, name := range []string{"RuleEnds", "RuleStays", "ForStays", "ForEnds"} {
				target.Set("fire", 1, "rule", name)
			}
			s := quickServer(t, sink, restoredFiles(target, sink), "--rules.alert.resend-delay="+resendDelay.String())
			comesBack := startClient(t, s, "ClientStays", "to", "fast")
			all := []string{"RuleEnds", "RuleStays", "ForStays", "ForEnds", "ClientStays", "ClientGone", "ClientEnds"}
			var posted time.Time
			for _, name := range all {
				if name == "ClientGone" { // when the rules have fired, since it does not last long
					posted = time.Now()
					s.postAlerts(alert("ClientGone", "to", "fast"), alert("ClientEnds", "to", "unhurried"))
				}
				sink.await(name+" to be notified of", func(d delivery) bool { return d.has(name, "firing") && d.ending == answered })
			}
			for receiver, n := range map[string]int{"fast": len(all) - 1, "unhurried": 1} {
				s.awaitRecorded(receiver, n)
			}
			s.postAlerts(alert("ClientEnds", "to", "unhurried").resolved())
			comesBack.pause()
			s.endWith(c.signal)
			target.Set("fire", 0, "rule", "RuleEnds")
			target.Set("fire", 0, "rule", "ForEnds")
			<-time.After(c.downtime) // being down is what is tested
			s.again()
			comesBack.goOn()

			for _, name := range []string{"RuleEnds", "ForEnds", "ClientEnds", "ClientGone"} {
				d := sink.await(name+" to be resolved", func(d delivery) bool { return d.has(name, "resolved") })
				if name == "ClientGone" {
					require.Greater(t, d.At.Sub(posted), resolveTimeout-time.Second, "it keeps the end that it came with")
				}
			}
			query := s.querier(false)
			s.await("the pending alert to fire again", func() bool {
				return query(`count(ALERTS{alertname="ForStays",alertstate="firing"} offset 200ms)`) == "1"
			})
			s.tick(sink, "fast")
			for _, name := range all {
				statuses := []string{"firing"}
				if !strings.HasSuffix(name, "Stays") {
					statuses = append(statuses, "resolved")
				}
				require.Equal(t, statuses, sink.told(name), "what was told of %s:\n%s", name, transcript(sink.all()))
			}
			s.stop()
		})
	}
}

// told are the statuses in which the sink was told of an alert, in their order.
func (s *sink) told(alertname string) []string {
	var statuses []string
	for _, d := range s.matching(of(alertname)) {
		for _, a := range d.Alerts {
			if a.Labels["alertname"] == alertname {
				statuses = append(statuses, a.Status)
			}
		}
	}
	return statuses
}

// restoredFiles are rules on the series "fire", and a route that is not hurried.
func restoredFiles(target *srcpromtest.Target, sink *sink) map[string]string {
	alertmanager := strings.Replace(quickConfig(sink, 0), "  routes:\n", `  routes:
    - { receiver: unhurried, matchers: [ to="unhurried" ], group_interval: 3s }
`, 1) + fmt.Sprintf("  - { name: unhurried, webhook_configs: [ { url: %q } ] }\n", sink.URL+"/unhurried")
	return map[string]string{
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
rule_files: [ rules.yml ]
scrape_configs: [ { job_name: t, static_configs: [ { targets: [ %q ] } ] } ]
`, target.Addr()),
		"rules.yml": fmt.Sprintf(`
groups:
  - name: g
    rules:
      - { alert: RuleEnds, expr: 'fire{rule="RuleEnds"} == 1', labels: { to: fast } }
      - { alert: RuleStays, expr: 'fire{rule="RuleStays"} == 1', labels: { to: fast } }
      - { alert: ForEnds, expr: 'fire{rule="ForEnds"} == 1', for: %[1]s, labels: { to: fast } }
      - { alert: ForStays, expr: 'fire{rule="ForStays"} == 1', for: %[1]s, labels: { to: fast } }
`, longFor),
		"alertmanager.yml": fmt.Sprintf("global: { resolve_timeout: %s }\n", resolveTimeout) + alertmanager,
	}
}

// poster is a client that posts an alert again and again, as Prometheus does.
type poster struct{ paused, resume chan struct{} }

// startClient posts an alert every half second until the test ends.
func startClient(t *testing.T, s *server, name string, labels ...string) *poster {
	c := &poster{paused: make(chan struct{}), resume: make(chan struct{})}
	s.postAlerts(alert(name, labels...))
	url, stop := s.URL+alertsPath, make(chan struct{})
	body := jsonOf(t, []postedAlert{alert(name, labels...)})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _, _ = call(http.MethodPost, url, body) // the next one tries again
			case c.paused <- struct{}{}:
				select {
				case c.resume <- struct{}{}:
				case <-stop:
					return
				}
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() { close(stop); wg.Wait() })
	return c
}

func (c *poster) pause() { <-c.paused }
func (c *poster) goOn()  { <-c.resume }

// After the start, old samples are too old to be seen, and the first scrape takes
// long or fails: the rule returns nothing, which says nothing about its alert.
func TestGuarantee_G5_NoFalseResolveBeforeFreshData(t *testing.T) {
	const lookback = 3 * time.Second
	for name, signal := range map[string]syscall.Signal{"SIGKILL": syscall.SIGKILL, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, behind := newSink(t), srcpromtest.NewTarget(t)
			slow, failing := newGate(t, behind), newGate(t, behind)
			for _, name := range []string{"SlowStays", "SlowEnds", "FailingStays", "FailingEnds"} {
				behind.Set("fire", 1, "rule", name)
			}
			s := quickServer(t, sink, map[string]string{
				"prometheus.yml": fmt.Sprintf(`
global: { evaluation_interval: 200ms }
rule_files: [ rules.yml ]
scrape_configs:
  - { job_name: slow, scrape_interval: 2s, scrape_timeout: 2s, static_configs: [ { targets: [ %q ] } ] }
  - { job_name: failing, scrape_interval: 300ms, scrape_timeout: 300ms, static_configs: [ { targets: [ %q ] } ] }
`, slow.addr(), failing.addr()),
				"rules.yml": `
groups:
  - name: g
    rules:
      - { alert: SlowStays, expr: 'fire{rule="SlowStays",job="slow"} == 1', labels: { to: fast } }
      - { alert: SlowEnds, expr: 'fire{rule="SlowEnds",job="slow"} == 1', labels: { to: fast } }
      - { alert: FailingStays, expr: 'fire{rule="FailingStays",job="failing"} == 1', labels: { to: fast } }
      - { alert: FailingEnds, expr: 'fire{rule="FailingEnds",job="failing"} == 1', labels: { to: fast } }
`,
			}, "--query.lookback-delta="+lookback.String())
			all := []string{"SlowStays", "SlowEnds", "FailingStays", "FailingEnds"}
			for _, name := range all {
				sink.await(name+" to be notified of", func(d delivery) bool { return d.has(name, "firing") && d.ending == answered })
			}
			s.awaitRecorded("fast", len(all))
			s.endWith(signal)
			behind.Set("fire", 0, "rule", "SlowEnds")
			behind.Set("fire", 0, "rule", "FailingEnds")
			openSlow := slow.close()
			failing.fail(true)
			<-time.After(lookback + 500*time.Millisecond) // so that no old sample is seen
			s.again()
			failures := failing.asked()
			s.await("some failed scrapes, and evaluations without data", func() bool { return failing.asked() >= failures+6 })
			s.tick(sink, "fast")
			for _, name := range all {
				require.Equal(t, []string{"firing"}, sink.told(name), "before there is any data:\n%s", transcript(sink.all()))
			}
			openSlow()
			failing.fail(false)
			for _, name := range []string{"SlowEnds", "FailingEnds"} {
				sink.await(name+" to be resolved", func(d delivery) bool { return d.has(name, "resolved") })
			}
			s.tick(sink, "fast")
			for _, name := range all {
				statuses := []string{"firing"}
				if strings.HasSuffix(name, "Ends") {
					statuses = append(statuses, "resolved")
				}
				require.Equal(t, statuses, sink.told(name), "what was told of %s:\n%s", name, transcript(sink.all()))
			}
			s.stop()
		})
	}
}

// gate stands before a target: it lets scrapes through, holds them, or fails them.
type gate struct {
	server *httptest.Server

	mu      sync.Mutex // guards what follows
	closed  chan struct{}
	failing bool
	n       int
}

func newGate(t *testing.T, behind *srcpromtest.Target) *gate {
	g := &gate{}
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		closed, failing := g.enter()
		if closed != nil {
			select {
			case <-closed:
			case <-r.Context().Done():
				return
			}
		}
		if failing {
			http.Error(w, "failing", http.StatusInternalServerError)
			return
		}
		resp, err := lone.Get(behind.URL)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(g.server.Close)
	return g
}

func (g *gate) addr() string { return strings.TrimPrefix(g.server.URL, "http://") }

func (g *gate) enter() (closed <-chan struct{}, failing bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
	return g.closed, g.failing
}

// asked is how often it was scraped.
func (g *gate) asked() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

// close holds scrapes until open is called.
func (g *gate) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	closed := make(chan struct{})
	g.closed = closed
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		close(closed)
		g.closed = nil
	}
}

func (g *gate) fail(failing bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failing = failing
}
