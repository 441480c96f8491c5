package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// contender is one of two programs that are given the same configuration and the
// same alerts.
type contender struct {
	*process
	api  string // what stands before /api/v2
	sink *sink
}

// pair are Debian's Alertmanager and srcprom.
type pair struct {
	t    *testing.T
	both []*contender
}

// startPair starts both with an alertmanager.yml in which SINK stands for the URL
// of each one's own sink.
func startPair(t *testing.T, config string) *pair {
	t.Helper()
	upstream := &contender{sink: newSink(t)}
	address := steadyAddress(t)
	upstream.process = start(t, launch{
		program: debianAlertmanager, files: map[string]string{"alertmanager.yml": upstream.configured(config)},
		args: []string{
			"--config.file=alertmanager.yml", "--storage.path=am", "--web.listen-address=" + address, "--cluster.listen-address=",
		},
	})
	upstream.URL = "http://" + address
	upstream.awaitReady()
	ours := &contender{sink: newSink(t), api: "/alertmanager"}
	ours.process = serve(t, launch{
		files: map[string]string{"alertmanager.yml": ours.configured(config), "prometheus.yml": ""},
		args:  []string{"--monitoring.builtin=none"},
	})
	return &pair{t: t, both: []*contender{upstream, ours}}
}

func (c *contender) configured(config string) string {
	return strings.ReplaceAll(config, "SINK", c.sink.URL)
}

func (p *pair) upstream() *contender { return p.both[0] }
func (p *pair) ours() *contender     { return p.both[1] }

// post posts the same alerts to both.
func (p *pair) post(alerts ...postedAlert) {
	p.t.Helper()
	for _, c := range p.both {
		c.do(http.MethodPost, c.api+"/api/v2/alerts", alerts)
	}
}

// silence makes the same silence at both, and returns a func that expires it.
func (p *pair) silence(s silence) (expire func()) {
	p.t.Helper()
	ids := make([]string, len(p.both))
	for i, c := range p.both {
		ids[i] = silenceID(c.process, c.do(http.MethodPost, c.api+"/api/v2/silences", s))
	}
	return func() {
		for i, c := range p.both {
			c.do(http.MethodDelete, c.api+"/api/v2/silence/"+ids[i], nil)
		}
	}
}

// await waits until a delivery at each of both matches.
func (p *pair) await(what string, match func(delivery) bool) {
	p.t.Helper()
	for _, c := range p.both {
		c.sink.await(what, func(d delivery) bool { return d.ending == answered && match(d) })
	}
}

// reload makes both read their configuration again.
func (p *pair) reload(config string) {
	p.t.Helper()
	for i, c := range p.both {
		write(p.t, c.dir+"/alertmanager.yml", c.configured(config))
		loaded := []string{"Completed loading of configuration file", "Configuration applied"}[i]
		before := strings.Count(c.log.String(), loaded)
		c.signal(syscall.SIGHUP)
		c.await("the configuration to be loaded", func() bool { return strings.Count(c.log.String(), loaded) > before })
	}
}

// line is what a receiver has been told, without what cannot be the same.
type line struct {
	Path, Receiver, Status, GroupKey string
	Truncated                        uint64
	Group, Common, Annotations       map[string]string
	Alerts                           []lineAlert
}

type lineAlert struct {
	Labels, Annotations            map[string]string
	Status, GeneratorURL, StartsAt string
	Fingerprint                    string
	HasEnd                         bool
}

// lines are the deliveries of each path and group, in their order. Groups are told
// independently of each other.
func (c *contender) lines() map[string][]line {
	lines := map[string][]line{}
	for _, d := range c.sink.all() {
		if d.GroupLabels["team"] == settleTeam {
			continue
		}
		l := line{
			Path: d.Path, Receiver: d.Receiver, Status: d.Status, GroupKey: d.GroupKey, Truncated: d.TruncatedAlerts,
			Group: d.GroupLabels, Common: d.CommonLabels, Annotations: d.CommonAnnotations,
		}
		for _, a := range d.Alerts {
			l.Alerts = append(l.Alerts, lineAlert{
				Labels: a.Labels, Annotations: a.Annotations, Status: a.Status, GeneratorURL: a.GeneratorURL,
				Fingerprint: a.Fingerprint, StartsAt: a.StartsAt.UTC().Format(endsAtLayout), HasEnd: !a.EndsAt.IsZero(),
			})
		}
		slices.SortFunc(l.Alerts, func(a, b lineAlert) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
		key := d.Path + " " + d.GroupKey
		lines[key] = append(lines[key], l)
	}
	return lines
}

// begunAlert is an alert that begins now, for both.
func begunAlert(name string, labels ...string) postedAlert {
	a := alert(name, labels...)
	a.Labels["summary"] = "of " + name
	start := time.Now().UTC().Truncate(time.Millisecond)
	a.StartsAt = &start
	return a
}

func isFiring(names ...string) func(delivery) bool {
	slices.Sort(names)
	return func(d delivery) bool { return slices.Equal(names, d.names("firing")) }
}

func isResolved(names ...string) func(delivery) bool {
	slices.Sort(names)
	return func(d delivery) bool { return slices.Equal(names, d.names("resolved")) }
}

const quickRoute = "group_wait: 100ms, group_interval: 300ms, repeat_interval: 1h"

// The same configuration and alerts to Debian's Alertmanager and to srcprom: the
// receivers are told the same, in the same order.
func TestDifferential_ReceiversAreToldTheSame(t *testing.T) {
	webhooks := func(names ...string) string {
		var b strings.Builder
		b.WriteString("receivers:\n")
		for _, name := range names {
			fmt.Fprintf(&b, "  - { name: %[1]s, webhook_configs: [ { url: SINK/%[1]s } ] }\n", name)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		config string
		play   func(p *pair)
	}{
		"grouping": {
			"route: { receiver: a, group_by: [ team ], " + quickRoute + " }\n" + webhooks("a"),
			func(p *pair) {
				one, two, other := begunAlert("One", "team", "x"), begunAlert("Two", "team", "x"), begunAlert("Other", "team", "y")
				p.post(one, two, other)
				p.await("the group of two", isFiring("One", "Two"))
				p.await("the other group", isFiring("Other"))
				p.post(begunAlert("Three", "team", "x"))
				p.await("one more", isFiring("One", "Two", "Three"))
				p.post(one.resolved())
				p.await("one less", isResolved("One"))
				p.post(two.resolved(), other.resolved())
				p.await("another less", isResolved("Two"))
				p.await("the other group to end", isResolved("Other"))
			},
		},
		"labels of all alerts": {
			"route: { receiver: a, group_by: [ '...' ], " + quickRoute + " }\n" + webhooks("a"),
			func(p *pair) {
				p.post(begunAlert("One", "team", "x"), begunAlert("Two", "team", "x"))
				p.await("one", isFiring("One"))
				p.await("the other", isFiring("Two"))
			},
		},
		"inhibition": {
			"route: { receiver: a, group_by: [ alertname ], " + quickRoute + " }\n" + webhooks("a") +
				"inhibit_rules: [ { source_matchers: [ level=critical ], target_matchers: [ level=warning ], equal: [ host ] } ]\n",
			func(p *pair) {
				source := begunAlert("Source", "level", "critical", "host", "h")
				p.post(source)
				p.await("the source", isFiring("Source"))
				p.post(begunAlert("Target", "level", "warning", "host", "h"), begunAlert("Elsewhere", "level", "warning", "host", "i"))
				p.await("the alert of another host", isFiring("Elsewhere"))
				p.post(source.resolved())
				p.await("the source to end", isResolved("Source"))
				p.await("what it has inhibited", isFiring("Target"))
			},
		},
		"silences": {
			"route: { receiver: a, group_by: [ alertname ], " + quickRoute + " }\n" + webhooks("a"),
			func(p *pair) {
				expire := p.silence(silenceOf("Silenced"))
				p.post(begunAlert("Silenced"), begunAlert("Loud"))
				p.await("what is not silenced", isFiring("Loud"))
				expire()
				p.await("what is no longer silenced", isFiring("Silenced"))
			},
		},
		"time intervals": {
			"route: { receiver: a, group_by: [ alertname ], " + quickRoute + `,
  routes: [
    { receiver: a, matchers: [ when=muted ], mute_time_intervals: [ always ] },
    { receiver: a, matchers: [ when=inactive ], active_time_intervals: [ never ] },
    { receiver: a, matchers: [ when=active ], active_time_intervals: [ always ], mute_time_intervals: [ never ] },
  ] }
time_intervals:
  - { name: always, time_intervals: [ { times: [ { start_time: "00:00", end_time: "24:00" } ] } ] }
  - { name: never, time_intervals: [ { years: [ "1990" ] } ] }
` + webhooks("a"),
			func(p *pair) {
				p.post(begunAlert("Muted", "when", "muted"), begunAlert("Inactive", "when", "inactive"), begunAlert("Active", "when", "active"))
				p.await("the active one", isFiring("Active"))
			},
		},
		"continue": {
			"route: { receiver: a, group_by: [ alertname ], " + quickRoute + `,
  routes: [
    { receiver: b, matchers: [ team=~"x|y" ], continue: true, group_by: [ team ] },
    { receiver: c, matchers: [ team="x" ], routes: [ { receiver: d, matchers: [ severity="page" ] } ] },
  ] }
` + webhooks("a", "b", "c", "d"),
			func(p *pair) {
				p.post(begunAlert("One", "team", "x"), begunAlert("Two", "team", "x", "severity", "page"), begunAlert("Three", "team", "y"), begunAlert("Four"))
				for receiver, names := range map[string][]string{"a": {"Four"}, "c": {"One"}, "d": {"Two"}} {
					p.await("what goes to "+receiver, func(d delivery) bool { return d.receiver() == receiver && isFiring(names...)(d) })
				}
				p.await("both of team x at b", func(d delivery) bool { return d.receiver() == "b" && isFiring("One", "Two")(d) })
				p.await("team y at b", func(d delivery) bool { return d.receiver() == "b" && isFiring("Three")(d) })
			},
		},
		"several integrations": {
			"route: { receiver: a, group_by: [ team ], " + quickRoute + ` }
receivers:
  - name: a
    webhook_configs:
      - { url: SINK/one, send_resolved: false }
      - { url: SINK/two, max_alerts: 1 }
`,
			func(p *pair) {
				one, two := begunAlert("One", "team", "x"), begunAlert("Two", "team", "x")
				p.post(one, two)
				p.await("all at the first", func(d delivery) bool { return d.receiver() == "one" && isFiring("One", "Two")(d) })
				p.await("one at the second", func(d delivery) bool { return d.receiver() == "two" && d.TruncatedAlerts == 1 })
				p.post(one.resolved(), two.resolved())
				p.await("the end at the second", func(d delivery) bool { return d.receiver() == "two" && d.Status == "resolved" })
			},
		},
		"an end that comes by itself": {
			"global: { resolve_timeout: 1s }\nroute: { receiver: a, group_by: [ alertname ], " + quickRoute + " }\n" + webhooks("a"),
			func(p *pair) {
				ending := begunAlert("Ending")
				end := time.Now().Add(1500 * time.Millisecond)
				ending.EndsAt = &end
				p.post(ending, begunAlert("NotPostedAgain"))
				for _, name := range []string{"Ending", "NotPostedAgain"} {
					p.await(name, isFiring(name))
					p.await("the end of "+name, isResolved(name))
				}
			},
		},
		"retries": {
			"route: { receiver: flaky, group_by: [ alertname ], " + quickRoute + " }\n" + webhooks("flaky"),
			func(p *pair) {
				for _, c := range p.both {
					attempts := 0 // each contender has one group, so one attempt at a time
					c.sink.behave("flaky", func(srcpromtest.Notification, <-chan struct{}) int {
						attempts++
						return map[bool]int{true: http.StatusServiceUnavailable, false: http.StatusOK}[attempts <= 2]
					})
				}
				p.post(begunAlert("One"))
				p.await("the third attempt", isFiring("One"))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, c.config)
			c.play(p)
			p.settle()
			require.Equal(t, p.upstream().lines(), p.ours().lines())
		})
	}
}

// settleTeam is in the group by which settle tells the time.
const settleTeam = "settle"

// settle waits until each group that has been told of would have been told again:
// one that is new has been told of three times since.
func (p *pair) settle() {
	p.t.Helper()
	for i := range 3 {
		name := fmt.Sprintf("Settle%d", i)
		p.post(begunAlert(name, "team", settleTeam))
		p.await(name, of(name))
	}
}

// Repetitions come at times that depend on the phase of timers, so that only what
// is repeated is compared, and that it is.
func TestDifferential_RepeatsAreToldTheSame(t *testing.T) {
	t.Parallel()
	p := startPair(t, `
route: { receiver: a, group_by: [ team ], group_wait: 100ms, group_interval: 300ms, repeat_interval: 600ms }
receivers: [ { name: a, webhook_configs: [ { url: SINK/a } ] } ]
`)
	p.post(begunAlert("One", "team", "x"), begunAlert("Two", "team", "x"))
	for _, c := range p.both {
		c.sink.awaitAll("three repetitions", func(all []delivery) bool { return len(all) >= 4 })
	}
	for key, want := range p.upstream().lines() {
		got := p.ours().lines()[key]
		require.NotEmpty(t, got, key)
		for _, l := range append(want, got...) {
			require.Equal(t, want[0], l)
		}
	}
}

// What srcprom does otherwise, by name: each is a reload or a restart, at which
// Debian's Alertmanager does what docs/guarantees.md promises not to.
func TestDifferential_ImprovementsByName(t *testing.T) {
	const config = "route: { receiver: a, group_by: [ team ], group_wait: 100ms, group_interval: 3s, repeat_interval: 1h }\n" +
		"receivers: [ { name: a, webhook_configs: [ { url: SINK/a } ] } ]\n"
	fireTwo := func(p *pair) (b postedAlert) {
		b = begunAlert("B", "team", "x")
		p.post(begunAlert("A", "team", "x"), b)
		p.await("both", isFiring("A", "B"))
		return b
	}
	// comesAtOnce says whether upstream has told of C ahead of its time. It may have begun
	// before it had C again, and tells of it with the next flush, as we do; there is no
	// time in between for D then.
	comesAtOnce := func(p *pair) bool {
		begin := time.Now()
		p.upstream().sink.await("what comes at once", isFiring("A", "B", "C"))
		return time.Since(begin) < 2*time.Second
	}
	for name, c := range map[string]struct {
		play     func(p *pair) (done bool) // anew with another pair until done
		upstream []string                  // what the group is told; each is the alerts that fire, then those that are resolved
		ours     []string
	}{
		"a reload that changes nothing keeps group_interval": {
			play: func(p *pair) bool {
				fireTwo(p)
				p.post(begunAlert("C", "team", "x"))
				p.reload(config)
				if !comesAtOnce(p) {
					return false
				}
				p.post(begunAlert("D", "team", "x"))
				p.await("all", isFiring("A", "B", "C", "D"))
				return true
			},
			upstream: []string{"A B; ", "A B C; ", "A B C D; "},
			ours:     []string{"A B; ", "A B C D; "},
		},
		"a reload that changes the route tree keeps group_interval": {
			play: func(p *pair) bool {
				fireTwo(p)
				p.post(begunAlert("C", "team", "x"))
				p.reload(strings.Replace(config, " }\n", ", routes: [ { receiver: a, matchers: [ team=none ] } ] }\n", 1))
				if !comesAtOnce(p) {
					return false
				}
				p.post(begunAlert("D", "team", "x"))
				p.await("all", isFiring("A", "B", "C", "D"))
				return true
			},
			upstream: []string{"A B; ", "A B C; ", "A B C D; "},
			ours:     []string{"A B; ", "A B C D; "},
		},
		"a reload resolves nothing a second time": {
			play: func(p *pair) bool {
				b := fireTwo(p)
				p.post(b.resolved())
				p.await("the end of B", isResolved("B"))
				p.post(begunAlert("C", "team", "x"))
				p.await("C", isFiring("A", "C"))
				p.reload(config)
				p.upstream().sink.await("the end of B once more", func(d delivery) bool { return isFiring("A", "C")(d) && isResolved("B")(d) })
				p.post(begunAlert("D", "team", "x"))
				p.await("D", func(d delivery) bool { return d.has("D", "firing") })
				return true
			},
			upstream: []string{"A B; ", "A; B", "A C; ", "A C; B", "A C D; "},
			ours:     []string{"A B; ", "A; B", "A C; ", "A C D; "},
		},
		"a reload cancels no notification": {
			play: func(p *pair) bool {
				release := make(chan struct{})
				for _, c := range p.both {
					c.sink.behave("a", until(release))
				}
				p.post(begunAlert("A", "team", "x"))
				for _, c := range p.both {
					c.sink.await("A to be on its way", of("A"))
				}
				p.reload(config)
				p.upstream().sink.await("the notification to be cancelled", func(d delivery) bool { return d.ending == cancelled })
				close(release)
				p.await("A", isFiring("A"))
				return true
			},
			upstream: []string{"A; ", "A; "},
			ours:     []string{"A; "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, config)
			for !c.play(p) {
				p = startPair(t, config)
			}
			for i, want := range [][]string{c.upstream, c.ours} {
				var told []string
				for _, d := range p.both[i].sink.all() {
					told = append(told, strings.Join(d.names("firing"), " ")+"; "+strings.Join(d.names("resolved"), " "))
				}
				require.Equal(t, want, told, []string{"Debian's Alertmanager", "srcprom"}[i])
			}
		})
	}
}
