package siteconfig

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

// polling polls a source in a bubble, whose clock the test moves.
type polling struct {
	*harness
	source *fakeSource
	stop   func()
}

// inBubble runs a test with a subscriber of a server, which polls a source that says
// nothing but "{}" at first.
func inBubble(t *testing.T, test func(t *testing.T, p *polling)) {
	t.Helper()
	virtual.Test(t, func(t *testing.T) {
		p := startPolling(t, newFakeServer(), &fakeSource{text: "{}"})
		defer p.stop()
		test(t, p)
	})
}

func startPolling(t *testing.T, server *fakeServer, from *fakeSource) *polling {
	p := &polling{harness: newHarness(t, server, func(o *Options) { o.URL = "frontend" }), source: from}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	p.resume(server.Current())
	go func() {
		defer close(done)
		p.poll(ctx, server, from)
	}()
	p.stop = func() { cancel(); <-done }
	synctest.Wait()
	return p
}

// pass lets time pass, and everything happen that is due until then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPoll_AtOnceAndThenAtRandomWithinTheInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		require.Len(t, p.source.times(), 1)
		pass(10 * time.Minute)
		times := p.source.times()
		var longest time.Duration
		for i := 1; i < len(times); i++ {
			gap := times[i].Sub(times[i-1])
			require.Less(t, gap, 5*time.Second)
			longest = max(longest, gap)
		}
		require.Greater(t, longest, 4*time.Second, "it is not shorter than it must be")
		require.InDelta(t, 240, len(times), 60, "half the interval on average")
	})
}

func TestPoll_OnlyAnotherTextDoesAnything(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		pass(time.Minute)
		require.Equal(t, 1, p.server.applied())
		require.Equal(t, "{}", p.server.site())
		require.Equal(t, 1.0, p.fetches(outcomeApplied))
		require.Greater(t, p.fetches(outcomeUnchanged), 5.0)

		p.source.says("other")
		pass(5 * time.Second)
		require.Equal(t, "other", p.server.site())
		require.Equal(t, 2, p.server.applied())
		doc := p.server.Current().Documents[config.SiteConfigDocument]
		require.Equal(t, config.SourceSiteConfig, doc.Provenance.Source)
		require.Equal(t, 2.0, p.gauge("srcprom_siteconfig_applied_version"))
		require.Empty(t, p.log.String(), "nothing is worth a word; the server says that it has applied it")
	})
}

func TestPoll_NobodyThereIsQuietForAWhileAndThenToldOnceAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		pass(time.Minute)
		p.source.fails(errAway)
		pass(9 * time.Second)
		require.Zero(t, p.log.lines())
		pass(12 * time.Second)
		require.Equal(t, 1, p.log.lines())
		require.Contains(t, p.log.String(), "connection refused")
		pass(10 * time.Minute)
		require.InDelta(t, 10, p.log.lines(), 2)

		p.source.says("{}")
		pass(5 * time.Second)
		require.Contains(t, p.log.String(), "runs again")
		require.Equal(t, 1, p.server.applied(), "it is still the same")
	})
}

func TestPoll_OtherFailuresAreToldAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		p.source.fails(errGarbled)
		pass(5 * time.Second)
		require.Equal(t, 1, p.log.lines())
		require.Contains(t, p.log.String(), "level=WARN")
		require.Contains(t, p.log.String(), "the answer is garbled")
		require.Equal(t, "{}", p.server.site())
		require.NotZero(t, p.fetches(outcomeFailed))
	})
}

func TestPoll_AMigrationIsNoNews(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		p.source.says("wanted")
		pass(5 * time.Second)
		p.source.migrates()
		pass(time.Hour)
		require.Equal(t, "wanted", p.server.site())
		require.NotZero(t, p.fetches(outcomeNoNews))
		require.Nil(t, p.descriptions(), "an upgrade is no trouble")
		require.Empty(t, p.alerts())
		require.Contains(t, p.Detail()[0], "fresh")
	})
}

func TestPoll_AMigrationAtTheStartIsToldAfterAWhile(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		from := &fakeSource{}
		from.migrates()
		p := startPolling(t, newFakeServer(), from)
		defer p.stop()
		pass(29 * time.Second)
		require.Nil(t, p.descriptions())
		pass(time.Minute)
		require.Len(t, p.descriptions(), 1)
		require.Contains(t, p.descriptions()[0], "waits for its databases to be migrated")
		require.Zero(t, p.server.applied())
	})
}

func TestPoll_AnEmptySiteConfigurationIsNoNews(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		p.source.says("wanted")
		pass(5 * time.Second)
		p.source.says("")
		pass(time.Minute)
		require.Equal(t, "wanted", p.server.site())
		require.Contains(t, p.descriptions()[0], "is empty")
	})
}

func TestPoll_ATextThatCannotBeReadIsAProblemAndTheOneBeforeRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		p.source.says("wanted")
		pass(5 * time.Second)
		p.source.says("unreadable")
		pass(5 * time.Second)
		require.Equal(t, "wanted", p.server.site())
		want := []string{"`observability`: the site configuration cannot be read: line 3, column 9: expected a comma. What ran before goes on running."}
		require.Equal(t, want, p.descriptions(), "at once: a site admin can mend it")
		require.Equal(t, []string{alertProblems}, p.alerts())
		require.Equal(t, 1, p.log.lines())
		require.Contains(t, p.log.String(), "level=ERROR")
		require.Equal(t, 1.0, p.gauge("srcprom_siteconfig_problems"))

		pass(time.Minute)
		require.Equal(t, want, p.descriptions())
		require.Equal(t, []string{alertStale, alertProblems}, p.alerts())
		require.Contains(t, p.Detail()[0], "failed; the site configuration is not in use: line 3, column 9: expected a comma")

		p.source.fails(errAway)
		pass(30 * time.Second)
		require.Equal(t, want, p.descriptions(), "it is still there to be mended")
		p.source.says("unreadable")
		pass(5 * time.Second)
		require.Contains(t, p.Detail()[0], "failed")

		p.source.says("wanted")
		pass(5 * time.Second)
		require.Nil(t, p.descriptions())
		require.Empty(t, p.alerts())
		require.Equal(t, 2, p.server.applied(), "the first, and then this one")
	})
}

func TestPoll_WhatTheServerRefusesIsTriedAgainEverMoreSeldom(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		before := p.server.applied()
		p.server.refusing(errNoRoom)
		p.source.says("wanted")
		pass(25 * time.Second)
		require.GreaterOrEqual(t, p.server.applied()-before, 3)
		require.Nil(t, p.descriptions(), "not before half a minute")
		pass(30 * time.Second)
		require.Equal(t, []string{"`observability`: the site configuration is not in use: write state: no space left on device. What was accepted last goes on running."}, p.descriptions())
		require.Equal(t, []string{alertStale}, p.alerts())

		pass(time.Hour)
		require.Less(t, p.server.applied()-before, 25)
		require.Contains(t, p.log.String(), "it is tried again")
		p.server.refusing(nil)
		pass(mostBackoff + 10*time.Second)
		require.Equal(t, "wanted", p.server.site())
		require.Nil(t, p.descriptions())

		p.server.refusing(errNoRoom)
		p.source.says("first")
		pass(time.Hour)
		p.server.refusing(nil)
		p.source.says("second")
		pass(5 * time.Second)
		require.Equal(t, "second", p.server.site(), "another text does not wait")
	})
}

func TestPoll_ProblemsOfWhatRunsAreToldAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		require.Nil(t, p.descriptions())
		p.source.says("one problem")
		pass(5 * time.Second)
		require.Equal(t, []string{"`observability.alerts`: notifier 0 has no `url`"}, p.descriptions())
		require.Equal(t, []string{alertProblems}, p.alerts())
		p.source.says("none")
		pass(5 * time.Second)
		require.Nil(t, p.descriptions())
	})
}

func TestPoll_NeverSyncedIsToldHalfAMinuteAfterTheStart(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		from := &fakeSource{err: errAway}
		p := startPolling(t, newFakeServer(), from)
		defer p.stop()
		pass(29 * time.Second)
		require.Nil(t, p.descriptions())
		require.Empty(t, p.alerts())
		require.Contains(t, p.Detail()[0], "never synced")
		pass(2 * time.Second)
		require.Equal(t, []string{"`observability`: the site configuration was not read since the start at 2000-01-01T00:00:00Z: connection refused. No receiver of it is configured until then."}, p.descriptions())
		require.Equal(t, []string{alertStale}, p.alerts())
		require.Zero(t, p.gauge("srcprom_siteconfig_last_success_timestamp_seconds"))
		require.InDelta(t, 31, p.gauge("srcprom_siteconfig_age_seconds"), 0.1)

		from.says("{}")
		pass(5 * time.Second)
		require.Nil(t, p.descriptions())
		require.InDelta(t, time.Now().Unix(), p.gauge("srcprom_siteconfig_last_success_timestamp_seconds"), 5)
	})
}

func TestPoll_StaleIsToldHalfAMinuteAfterTheLastSuccess(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		pass(time.Hour)
		p.source.fails(errAway)
		pass(25 * time.Second)
		require.Nil(t, p.descriptions())
		require.Contains(t, p.Detail()[0], "fresh")
		pass(6 * time.Second)
		require.Len(t, p.descriptions(), 1)
		require.Regexp(t, "^`observability`: the site configuration was read last at 2000-01-01T00:59:5.Z: connection refused. What was accepted last goes on running.$", p.descriptions()[0])
		require.Equal(t, []string{alertStale}, p.alerts())
		require.Contains(t, p.Detail()[0], "stale")
	})
}

func TestPoll_APushStandsUntilTheSourceSaysSomethingElse(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		server, from := newFakeServer(), &fakeSource{text: "polled"}
		p := startPolling(t, server, from)
		result, err := p.Push(t.Context(), server, "pushed problem", false)
		require.NoError(t, err)
		require.Equal(t, []string{"siteconfig: changed"}, result.Changes)
		require.Equal(t, uint64(2), result.Version)
		require.Equal(t, "SiteConfig", result.Problems[0].Kind)
		require.Equal(t, "pushed problem", server.site(), "at once")
		require.Equal(t, 2.0, p.gauge("srcprom_siteconfig_applied_version"))
		pass(time.Hour)
		require.Equal(t, "pushed problem", server.site())
		p.stop()

		p = startPolling(t, server, from) // a restart
		defer p.stop()
		pass(time.Hour)
		require.Equal(t, "pushed problem", server.site())
		require.Equal(t, 2.0, p.gauge("srcprom_siteconfig_applied_version"))
		from.says("other")
		pass(5 * time.Second)
		require.Equal(t, "other", server.site())
	})
}

func TestPoll_APushStandsAlsoWhereWhatWasBroughtLastDidNotRun(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		for _, brought := range []string{"unreadable", "refused"} {
			p.server.refusing(errNoRoom)
			p.source.says(brought)
			pass(time.Minute)
			p.server.refusing(nil)
			_, err := p.Push(t.Context(), p.server, "pushed "+brought[:3], false)
			require.NoError(t, err)
			pass(time.Hour)
			require.Equal(t, "pushed "+brought[:3], p.server.site())
			if brought == "refused" {
				require.Nil(t, p.descriptions())
				require.Contains(t, p.Detail()[0], "fresh")
				continue
			}
			require.Len(t, p.descriptions(), 1, "the source still says what cannot be read")
			restarted := startPolling(t, p.server, p.source)
			require.Len(t, restarted.descriptions(), 1, "and after a restart as well")
			restarted.stop()
			p.server.sub = p.Subscriber
		}
	})
}

func TestPoll_APushThatComesAmidAnApplyStands(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		p.server.before = func() {
			_, err := p.Push(t.Context(), p.server, "pushed", false)
			require.NoError(t, err)
		}
		p.source.says("polled")
		pass(time.Hour)
		require.Equal(t, "pushed", p.server.site())
		require.Contains(t, p.Detail()[0], "fresh")
		p.source.says("other")
		pass(5 * time.Second)
		require.Equal(t, "other", p.server.site())
	})
}

func TestPoll_ADocumentThatWasRemovedIsMadeAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		p.server.remove()
		require.Empty(t, p.server.site())
		pass(5 * time.Second)
		require.Equal(t, "{}", p.server.site())
	})
}

func TestPoll_AMigrationMendsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, p *polling) {
		p.source.says("unreadable")
		pass(5 * time.Second)
		p.source.migrates()
		pass(time.Hour)
		require.Len(t, p.descriptions(), 1)
		require.Contains(t, p.descriptions()[0], "cannot be read")
	})
}

func TestPush_DryRunAndRefusals(t *testing.T) {
	server := newFakeServer()
	h := newHarness(t, server, nil)
	result, err := h.Push(t.Context(), server, "one problem", true)
	require.NoError(t, err)
	require.Equal(t, uint64(0), result.Version)
	require.Equal(t, []string{"siteconfig: changed"}, result.Changes)
	require.Len(t, result.Problems, 1)
	require.Empty(t, server.site())
	require.Nil(t, h.descriptions())

	_, err = h.Push(t.Context(), server, "unreadable", false)
	require.Equal(t, config.Faults{{Document: "siteconfig", Line: 3, Reason: "column 9: expected a comma"}}, err)
	server.refusing(errNoRoom)
	_, err = h.Push(t.Context(), server, "{}", false)
	require.ErrorIs(t, err, errNoRoom)

	server.refusing(nil)
	result, err = h.Push(t.Context(), server, "{}", false)
	require.NoError(t, err)
	require.NotNil(t, result.Problems, "an empty list, not null, in JSON")
	result, err = h.Push(t.Context(), server, "{}", false)
	require.NoError(t, err)
	require.Equal(t, []string{}, result.Changes)
}

func TestRun_WithoutASourceWaitsAndComplainsOfNothing(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		h := newHarness(t, newFakeServer(), nil)
		stop := h.run()
		pass(time.Hour)
		require.Nil(t, h.descriptions())
		require.Empty(t, h.alerts())
		require.Equal(t, []string{"site configuration: none was pushed yet"}, h.Detail())
		require.Zero(t, h.gauge("srcprom_siteconfig_age_seconds"))
		_, err := h.Push(t.Context(), h.server, "{}", false)
		require.NoError(t, err)
		require.Equal(t, []string{"site configuration: runs as it was pushed"}, h.Detail())
		stop()
		require.EqualError(t, h.Run(t.Context(), h.server), "siteconfig: Run has been called before")
	})
}

func TestRun_WaitsForTheServerAndComplainsOfNothingMeanwhile(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		server := newFakeServer()
		server.ready = make(chan struct{})
		h := newHarness(t, server, func(o *Options) { o.URL = "frontend" })
		stop := h.run()
		pass(time.Hour)
		require.Nil(t, h.descriptions())
		require.Equal(t, []string{"site configuration: not asked for before the server has started"}, h.Detail())
		stop()
	})
}

func TestHealthAlerts_AreThoseOfTheChecks(t *testing.T) {
	for _, a := range HealthAlerts() {
		p := raise(a.Name, "it is "+strings.Repeat("long ", 200))
		require.Equal(t, a.Level, p.Level)
		require.Equal(t, a.Remedy, p.Remedy)
		require.True(t, strings.HasPrefix(p.Summary, "It is long"))
		require.Len(t, []rune(p.Summary), 602)
	}
}
