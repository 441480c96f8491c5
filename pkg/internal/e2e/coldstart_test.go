package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/internal/frontend"
)

// What was accepted runs at the next start, before the frontend has answered, and
// whether it ever does.
func TestColdStart_WithTheFrontendDownAlertsAreRouted(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	site := `{"observability.silenceAlerts": ["critical_frontend_silenced"], ` + siteWith(toWebhook("critical", sink.URL+"/critical"))[1:]
	i := newInstance(t, site, launch{files: operatorsWebhook(sink)}, sink)
	i.frontend.Down()
	fetches := i.frontend.Fetches()
	for n, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		i.restart(sig)
		ready := time.Now()
		name := fmt.Sprintf("cold_%d", n)
		i.postAlerts(sourcegraphAlert("critical", name), sourcegraphAlert("critical", "silenced"), alert("Operators"))
		told := sink.awaitTold("critical", "critical_frontend_"+name)
		t.Logf("an alert was told %s after readiness, of which the group waits 1s", told.At.Sub(ready))
		_, detail := i.get("/-/ready")
		require.Contains(t, detail, "never synced")
		require.Contains(t, detail, "What was accepted last goes on running.")
	}
	require.Equal(t, fetches, i.frontend.Fetches(), "nothing was answered")
	sink.awaitTold("operator", "Operators")
	require.Zero(t, sink.tellings("critical", "critical_frontend_silenced"))
	require.Zero(t, sink.tellings("operator", "critical_frontend_silenced"))
	i.frontend.Up()
	awaitFetches(i.frontend, 2)
	_, detail := i.get("/-/ready")
	require.Contains(t, detail, "fresh")
}

// A site configuration that was pushed stands until the frontend says something else
// than it said last, whatever restarts there are.
func TestPush_StandsUntilTheFrontendBringsAnotherText(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	site := func(name string) string { return siteWith(toWebhook("critical", sink.URL+"/"+name)) }
	i := newInstance(t, site("polled"), launch{}, sink)
	heard := 0
	runs := func(receiver string) {
		t.Helper()
		heard++
		name := fmt.Sprintf("n%d", heard)
		i.postAlerts(sourcegraphAlert("critical", name))
		sink.await("the alert", of("critical_frontend_"+name))
		require.Equal(t, 1, sink.tellings(receiver, "critical_frontend_"+name), transcript(sink.all()))
	}
	runs("polled")
	result := i.pushSite(site("pushed"))
	require.NotEmpty(t, result.Changes)
	runs("pushed") // at once
	awaitFetches(i.frontend, 2)
	runs("pushed") // what the frontend says is nothing new
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		i.restart(sig)
		runs("pushed")
		awaitFetches(i.frontend, 2)
		runs("pushed")
	}
	version := i.config().Version
	require.Empty(t, i.pushSite(site("pushed")).Changes)
	require.Equal(t, version, i.config().Version, "an apply that changes nothing does nothing")

	i.setSite(site("polled-2"))
	runs("polled-2")
	i.pushSite(site("pushed-2"))
	i.endWith(syscall.SIGTERM)
	i.frontend.SetSite(site("polled")) // while nobody looked
	i.again()
	awaitFetches(i.frontend, 2)
	runs("polled")
}

// A file is read instead of asking a frontend, and again when it has changed, however
// it is written.
func TestSiteConfigFile_IsFollowed(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	site := func(name string) string { return siteWith(toWebhook("critical", sink.URL+"/"+name)) }
	s := newServer(t, launch{
		args:  []string{"--siteconfig.file=site.jsonc", "--siteconfig.poll-interval=1h"},
		files: map[string]string{"site.jsonc": "// comments\n" + site("first")},
	}, sink)
	path := filepath.Join(s.dir, "site.jsonc")
	applied := func() float64 { return s.metric(`srcprom_siteconfig_fetches_total{outcome="applied"}`) }
	s.await("the file to be read", func() bool { return applied() == 1 })
	s.postAlerts(sourcegraphAlert("critical", "first"))
	sink.awaitTold("first", "critical_frontend_first")

	write(t, path, site("second")) // in place
	s.await("the file to be read again", func() bool { return applied() == 2 })
	write(t, path+".new", site("third")) // as editors do
	require.NoError(t, os.Rename(path+".new", path))
	s.await("the file to be read again", func() bool { return applied() == 3 })
	write(t, path, `{"observability.alerts": [`)
	s.await("the fault to be told", func() bool { return s.siteProblems() != nil })
	require.Contains(t, s.siteProblems()[0], "`observability`: the site configuration cannot be read: line 1, column")
	s.restart(syscall.SIGTERM)
	s.postAlerts(sourcegraphAlert("critical", "third"))
	sink.awaitTold("third", "critical_frontend_third")
	write(t, path, site("fourth"))
	s.await("the fault to be over", func() bool { return s.siteProblems() == nil && applied() == 1 })
	require.NoError(t, os.Remove(path))
	s.postAlerts(sourcegraphAlert("critical", "fourth"))
	sink.awaitTold("fourth", "critical_frontend_fourth")
}

// Whatever a frontend does, what it said last that made sense runs, undisturbed.
func TestFrontend_InTroubleChangesNothing(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	site := siteWith(toWebhook("critical", sink.URL+"/critical"))
	i := newInstance(t, site, launch{args: []string{"--log.level=debug"}}, sink)
	version := i.config().Version
	good := frontend.Site(site)
	i.frontend.Set(
		good, frontend.Refusal(codes.Internal), good, frontend.Answer{Garbage: true, Site: canary}, frontend.Migration(),
		frontend.Answer{Site: ""}, frontend.Answer{Site: site, Delay: 100 * time.Millisecond}, good, frontend.Answer{Code: codes.PermissionDenied, Site: canary},
	)
	awaitFetches(i.frontend, 20)
	for range 3 {
		i.frontend.Down()
		i.frontend.Up()
		awaitFetches(i.frontend, 2)
	}
	require.Equal(t, version, i.config().Version)
	require.Nil(t, i.siteProblems())
	i.frontend.Set(frontend.Site(`{"observability.alerts": [` + canary))
	awaitFetches(i.frontend, 2)
	require.Contains(t, i.siteProblems()[0], "`observability`: the site configuration cannot be read: line 1")
	i.frontend.Set(frontend.Answer{Hang: true})
	i.postAlerts(sourcegraphAlert("critical", "calm"))
	sink.awaitTold("critical", "critical_frontend_calm")
	i.stop()
	for _, secret := range []string{canary, frontend.Secret} {
		require.NotContains(t, i.log.String(), secret)
	}
}

// 90 MB are taken, over both protocols, and no more.
func TestFrontend_TellsAsMuchAs90MB(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	for name, c := range map[string]struct {
		bytes   int
		outcome string
	}{
		"grpc": {frontend.Limit, "applied"},
		"http": {frontend.Limit + 1<<20, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			f := frontend.Start(t, frontend.Answer{Site: siteWith(toWebhook("critical", sink.URL+"/"+name)), Bytes: c.bytes})
			s := beside(t, f, launch{args: []string{"--siteconfig.protocol=" + name}})
			s.await("the fetch to be over", func() bool {
				return s.metric(`srcprom_siteconfig_fetches_total{outcome="`+c.outcome+`"}`) > 0
			})
			f.SetSite(siteWith(toWebhook("critical", sink.URL+"/small")))
			awaitFetches(f, 2)
			t.Logf("memory: %.0f MiB", s.metric("process_resident_memory_bytes")/(1<<20))
			s.postAlerts(sourcegraphAlert("critical", name))
			sink.awaitTold("small", "critical_frontend_"+name)
		})
	}
}

// Old frontends speak HTTP alone, new ones gRPC alone.
func TestFrontend_ProtocolIsFound(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	for name, speaks := range map[string]frontend.Protocols{"http": frontend.HTTPOnly, "grpc": frontend.GRPCOnly} {
		t.Run(name, func(t *testing.T) {
			f := frontend.Start(t, frontend.Site(siteWith(toWebhook("critical", sink.URL+"/"+name))))
			f.Speak(speaks)
			s := serve(t, launch{env: []string{"SRC_FRONTEND_INTERNAL=http://" + f.Address()}})
			s.await("the site configuration to run", func() bool {
				return s.metric(`srcprom_siteconfig_fetches_total{outcome="applied"}`) == 1
			})
			last := f.Calls()[f.Fetches()-1]
			require.Equal(t, name, last.Protocol)
			require.Equal(t, "internal", last.Actor)
			s.postAlerts(sourcegraphAlert("critical", name))
			sink.awaitTold(name, "critical_frontend_"+name)
		})
	}
}

// An operator's own alertmanager.yml lives on underneath: its receivers get what
// Sourcegraph's routes do not take, by its templates, inhibitions and intervals.
func TestOperator_LivesOnUnderneath(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	i := newInstance(t, siteWith(toWebhook("critical", sink.URL+"/critical")), launch{files: map[string]string{
		"alertmanager.yml": fmt.Sprintf(`
templates: [ own.tmpl ]
inhibit_rules:
  - { source_matchers: [ kind=source ], target_matchers: [ kind=target ] }
time_intervals:
  - { name: always, time_intervals: [ { times: [ { start_time: "00:00", end_time: "24:00" } ] } ] }
route:
  receiver: rest
  group_by: [ alertname ]
  group_wait: 0s
  group_interval: 1s
  routes:
    - { matchers: [ team=own ], receiver: own }
    - { matchers: [ team=muted ], receiver: own, mute_time_intervals: [ always ] }
receivers:
  - { name: rest, webhook_configs: [ { url: %[1]q } ] }
  - name: own
    webhook_configs: [ { url: %[2]q } ]
    slack_configs: [ { api_url: %[3]q, channel: "#own", text: '{{ template "own" . }}' } ]
`, sink.URL+"/rest", sink.URL+"/own", sink.URL+"/slack"),
		"own.tmpl": `{{ define "own" }}in the words of the operator{{ end }}`,
	}}, sink)
	require.Nil(t, i.siteProblems())
	i.postAlerts(alert("Source", "kind", "source"))
	sink.awaitTold("rest", "Source")
	i.postAlerts(
		alert("Target", "kind", "target"), alert("Own", "team", "own"), alert("Muted", "team", "muted"), alert("Rest"),
		sourcegraphAlert("critical", "ours"), sourcegraphAlert("info", "nobodys"),
	)
	sink.awaitTold("critical", "critical_frontend_ours")
	for receiver, names := range map[string][]string{"own": {"Own"}, "rest": {"Rest", "info_frontend_nobodys"}} {
		for _, name := range names {
			sink.awaitTold(receiver, name)
		}
	}
	i.postAlerts(alert("Fence"), alert("OwnFence", "team", "own"))
	sink.awaitTold("rest", "Fence")
	sink.awaitTold("own", "OwnFence")
	for _, name := range []string{"Target", "Muted"} {
		require.Empty(t, sink.matching(of(name)), name)
	}
	require.Zero(t, sink.tellings("rest", "critical_frontend_ours"))
	tested := i.testNotification(client.TestNotificationRequest{Receiver: "own"})
	require.Len(t, tested.Receivers[0].Integrations, 2)

	// The operator's file is reloaded, and the site configuration stays over it.
	path := filepath.Join(i.dir, "alertmanager.yml")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	write(t, path, strings.ReplaceAll(string(text), sink.URL+"/rest", sink.URL+"/moved"))
	version := i.config().Version
	i.signal(syscall.SIGHUP)
	i.await("the reload", func() bool { return i.config().Version > version })
	i.postAlerts(sourcegraphAlert("critical", "still"), alert("Moved"))
	sink.awaitTold("moved", "Moved")
	sink.awaitTold("critical", "critical_frontend_still")
}
