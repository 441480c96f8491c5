package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// The promises of docs/guarantees.md, each driven through the real binary. That
// file names the test of each; some are elsewhere in this module.

// quick are the receivers of quickConfig: the value of the label "to", and the
// path at the sink.
var quick = []string{"fast", "slow", "hang", "flaky"}

const (
	quickWait     = 100 * time.Millisecond
	quickInterval = 300 * time.Millisecond
)

// quickConfig is an alertmanager.yml that sends what is labelled to="X" to /X/rN
// at the sink, grouped by the label "group", or each alert alone without it.
func quickConfig(s *sink, revision int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
route:
  receiver: nobody
  group_by: [ group, alertname ]
  group_wait: %s
  group_interval: %s
  repeat_interval: 1h
  routes:
`, quickWait, quickInterval)
	for _, name := range quick {
		fmt.Fprintf(&b, "    - { receiver: %[1]s, matchers: [ to=%[1]q ], routes: [ { matchers: [ 'group!=\"\"' ], group_by: [ group ] } ] }\n", name)
	}
	b.WriteString("receivers:\n  - { name: nobody }\n")
	for _, name := range quick {
		fmt.Fprintf(&b, "  - { name: %[1]s, webhook_configs: [ { url: \"%[2]s/%[1]s/r%[3]d\" } ] }\n", name, s.URL, revision)
	}
	return b.String()
}

// quickServer is a server with quickConfig and the configuration API.
func quickServer(t *testing.T, s *sink, files map[string]string, args ...string) *server {
	t.Helper()
	all := map[string]string{"alertmanager.yml": quickConfig(s, 0), "prometheus.yml": "global: { scrape_interval: 200ms, evaluation_interval: 200ms }\n"}
	maps.Copy(all, files)
	return newServer(t, launch{files: all, args: append([]string{"--web.enable-config-api", "--monitoring.builtin=none"}, args...)}, s)
}

// tick returns when every group of a receiver has been looked at once more: a
// canary's own group has been, twice, and then a new one was sent.
func (s *server) tick(sink *sink, receiver string) {
	s.t.Helper()
	canary := func(i int) postedAlert {
		return alert(fmt.Sprintf("Canary%d", i), "to", receiver, "group", fmt.Sprintf("canary-%d", time.Now().UnixNano()))
	}
	group := canary(0).Labels["group"]
	for i := range 4 {
		c := canary(i)
		c.Labels["group"] = group
		s.postAlerts(c)
		sink.await("a canary at "+receiver, func(d delivery) bool {
			return d.ending == answered && d.GroupLabels["group"] == group && d.has(c.Labels["alertname"], "firing")
		})
	}
}

// awaitRecorded waits until as many notifications as that are recorded as
// delivered to a receiver, and are on the disk.
func (s *server) awaitRecorded(receiver string, n int) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d deliveries to %s to be recorded", n, receiver), func() bool {
		var page client.History
		s.getJSON("/api/srcprom/v1/history?outcome=delivered&limit=1000&receiver="+receiver, &page)
		return len(page.Entries) >= n
	})
	// A silence is acknowledged when it is on the disk, and with it what was to be
	// written before.
	s.putSilence(silenceOf("nothing"))
}

// Created, edited in place, edited with other matchers, expired: each is there
// after SIGKILL as it was acknowledged, with id, end and state.
func TestGuarantee_G1_AcknowledgedSilenceSurvivesSIGKILL(t *testing.T) {
	sink := newSink(t)
	s := quickServer(t, sink, nil)
	want := map[string]silence{}
	acknowledged := func(made silence) silence {
		want[made.ID] = made
		return made
	}
	for round := range 5 {
		name := func(what string) string { return fmt.Sprintf("%s%d", what, round) }
		for what, change := range map[string]func(silence){
			"created": func(silence) {},
			"edited": func(made silence) {
				made.EndsAt, made.Comment = made.EndsAt.Add(time.Hour), "longer"
				require.Equal(t, made.ID, acknowledged(s.putSilence(made)).ID, "edited in place")
			},
			"moved": func(made silence) {
				made.Matchers[0].Value = name("elsewhere")
				other := acknowledged(s.putSilence(made))
				require.NotEqual(t, made.ID, other.ID)
				acknowledged(s.getSilence(made.ID))
			},
			"expired": func(made silence) {
				s.expireSilence(made.ID)
				require.Equal(t, "expired", acknowledged(s.getSilence(made.ID)).Status.State)
			},
		} {
			change(acknowledged(s.putSilence(silenceOf(name(what)))))
			s.restart(syscall.SIGKILL)
			for id, made := range want {
				require.Equal(t, made, s.getSilence(id), "after SIGKILL")
			}
		}
	}
	s.postAlerts(alert("created0", "to", "fast"), alert("edited1", "to", "fast"), alert("expired2", "to", "fast"))
	sink.await("what is not silenced any more", of("expired2"))
	s.tick(sink, "fast")
	require.Empty(t, sink.matching(of("created0")), "silenced")
	require.Empty(t, sink.matching(of("edited1")), "silenced")
	s.stop()
}

// Silences that peers have made survive as well, also those that are too large for
// a message of gossip, and those from before this server joined. The peer is gone
// when the next life begins.
func TestGuarantee_G1_GossipedSilenceSurvivesSIGKILL(t *testing.T) {
	t.Parallel()
	external, gossip, ours := steadyAddress(t), steadyAddress(t), steadyAddress(t)
	peer := start(t, launch{program: debianAlertmanager, args: []string{
		"--config.file=am.yml", "--storage.path=am", "--web.listen-address=" + external,
		"--cluster.listen-address=" + gossip, "--cluster.advertise-address=" + gossip,
	}, files: map[string]string{"am.yml": "route: { receiver: r }\nreceivers: [ { name: r } ]\n"}})
	peer.URL = "http://" + external
	peer.awaitReady()
	silenceAtPeer := func(name string) string {
		made := silenceOf(name)
		made.Comment += strings.Repeat(" and large", 100)
		return silenceID(peer, peer.do(http.MethodPost, "/api/v2/silences", made))
	}
	ids := []string{silenceAtPeer("Before")}
	s := quickServer(t, newSink(t), nil, "--cluster.listen-address="+ours, "--cluster.advertise-address="+ours,
		"--cluster.peer="+gossip, "--cluster.settle-timeout=1s")
	arrived := func(id string) func() bool {
		return func() bool {
			status, _, err := call(http.MethodGet, s.URL+silencePath+id, "")
			return err == nil && status == http.StatusOK
		}
	}
	s.await("the silence from before it joined", arrived(ids[0]))
	ids = append(ids, silenceAtPeer("After"))
	s.await("the silence from after it joined", arrived(ids[1]))
	var want []silence
	for _, id := range ids {
		want = append(want, s.getSilence(id))
	}
	s.putSilence(silenceOf("later")) // when it is on the disk, so is what came before
	peer.signal(syscall.SIGKILL)
	peer.exit()
	s.restart(syscall.SIGKILL)
	for _, w := range want {
		require.Equal(t, w, s.getSilence(w.ID))
	}
	s.stop()
}

// Half of the notifications are recorded when SIGKILL comes, the other half are on
// their way.
func TestGuarantee_G2_RecordedIsNeverRepeatedAndInDoubtAtMostOnce(t *testing.T) {
	const each = 20
	sink := newSink(t)
	release := make(chan struct{})
	sink.behave("hang", until(release))
	s := quickServer(t, sink, nil)
	var alerts []postedAlert
	for i := range each {
		alerts = append(alerts, alert(fmt.Sprintf("Recorded%d", i), "to", "fast"), alert(fmt.Sprintf("InDoubt%d", i), "to", "hang"))
	}
	s.postAlerts(alerts...)
	sink.awaitAll("half to be answered, half to be on its way", func(all []delivery) bool {
		return count(all, "fast", answered) == each && count(all, "hang", held) == each
	})
	s.awaitRecorded("fast", each)
	s.kill()
	close(release)

	s.again()
	sink.awaitAll("those in doubt to be sent once more", func(all []delivery) bool { return count(all, "hang", answered) == each })
	settled := func(after string) {
		t.Helper()
		s.tick(sink, "fast")
		s.tick(sink, "hang")
		for _, a := range alerts {
			name, times := a.Labels["alertname"], 1
			if a.Labels["to"] == "hang" {
				times = 2
			}
			require.Len(t, sink.matching(of(name)), times, "%s after %s:\n%s", name, after, transcript(sink.all()))
		}
	}
	settled("the crash")
	var page client.History
	s.getJSON("/api/srcprom/v1/history?limit=1000&receiver=hang", &page)
	doubted := map[string]bool{}
	for _, e := range page.Entries {
		if e.InDoubt {
			doubted[e.Labels["alertname"]] = true
		}
	}
	for _, a := range alerts {
		require.Equal(t, a.Labels["to"] == "hang", doubted[a.Labels["alertname"]], "whether history says that %s was in doubt", a.Labels["alertname"])
	}

	s.awaitRecorded("hang", each)
	s.restart(syscall.SIGKILL)
	settled("another crash")
	s.restart(syscall.SIGTERM)
	settled("a restart")
	status, body := s.pushConfig("", map[string]any{"alertmanager": quickConfig(sink, 1)})
	require.Equal(t, http.StatusOK, status, body)
	settled("an apply")
	s.stop()
}

func count(all []delivery, receiver string, end ending) int {
	n := 0
	for _, d := range all {
		if d.receiver() == receiver && d.ending == end && !strings.HasPrefix(d.Alerts[0].Labels["alertname"], "Canary") {
			n++
		}
	}
	return n
}

// What was acknowledged runs after SIGKILL, across scraping, rules and alerting,
// although its files never said so; what was refused has left nothing anywhere.
func TestGuarantee_G3_AcceptedConfigurationIsWholeAndSurvivesSIGKILL(t *testing.T) {
	sink := newSink(t)
	s := quickServer(t, sink, nil)
	documents := func(n int) map[string]any {
		return map[string]any{
			"prometheus":   fmt.Sprintf("global: { scrape_interval: 1s, evaluation_interval: 200ms, external_labels: { n: \"%d\" } }\n", n),
			"rules/pushed": fmt.Sprintf("groups: [ { name: g, rules: [ { alert: Pushed, expr: vector(%d), labels: { to: fast } } ] } ]\n", n),
			"alertmanager": quickConfig(sink, n),
		}
	}
	for n := 1; n <= 3; n++ {
		status, body := s.pushConfig("", documents(n))
		require.Equal(t, http.StatusOK, status, body)
		accepted := s.config()

		refused := documents(100 + n)
		refused["alertmanager"] = "route: { receiver: not-there }\n"
		status, body = s.pushConfig("", refused)
		require.Equal(t, http.StatusUnprocessableEntity, status, body)
		require.Equal(t, accepted, s.config(), "a refused configuration changes nothing")

		s.restart(syscall.SIGKILL)
		require.Equal(t, accepted, s.config(), "after SIGKILL")
		sink.await(fmt.Sprintf("configuration %d to run as a whole", n), func(d delivery) bool {
			return d.Path == fmt.Sprintf("/fast/r%d", n) && slices.ContainsFunc(d.Alerts, func(a srcpromtest.Alert) bool {
				return a.Labels["n"] == fmt.Sprint(n) && a.Status == "firing"
			})
		})
	}
	s.stop()
}

// With notifications in flight, SIGTERM takes readiness away, lets them finish and
// closes the state and the storage; the next life repeats none.
func TestGuarantee_G7_TerminationFinishesWhatIsInFlight(t *testing.T) {
	const n = 10
	sink := newSink(t)
	release := make(chan struct{})
	sink.behave("hang", until(release))
	s := quickServer(t, sink, nil)
	for i := range n {
		s.postAlerts(alert(fmt.Sprintf("InFlight%d", i), "to", "hang"))
	}
	sink.awaitAll("all to be in flight", func(all []delivery) bool { return count(all, "hang", held) == n })
	began := time.Now()
	s.signal(syscall.SIGTERM)
	s.await("readiness to go, or the listener", func() bool {
		status, _, err := call(http.MethodGet, s.URL+"/-/ready", "")
		return err != nil || status == http.StatusServiceUnavailable
	})
	require.Equal(t, n, count(sink.all(), "hang", held), "readiness goes while all are in flight")
	close(release)
	s.ended(began)
	require.Equal(t, 0, s.cmd.ProcessState.ExitCode())
	require.Equal(t, n, count(sink.all(), "hang", answered))

	db, err := bbolt.Open(filepath.Join(s.dir, "data", "srcprom", "state.db"), 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	require.NoError(t, err, "nobody holds the state any more")
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		for fault := range tx.Check() {
			return fault
		}
		return nil
	}))
	require.NoError(t, db.Close())
	s.again()
	require.NotContains(t, s.log.String(), "repair")
	s.tick(sink, "hang")
	require.Equal(t, n, count(sink.all(), "hang", answered), "none is repeated")
	s.stop()
}

// names are the alerts of a delivery with that status, sorted.
func (d delivery) names(status string) []string {
	var names []string
	for _, a := range d.Alerts {
		if a.Status == status {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return names
}
