package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/frontend"
	"github.com/sourcegraph/srcprom/pkg/internal/receivers"
)

// Each of these tests is of something that the sourcegraph/prometheus image did, and
// that nobody had filed.

// A bearer token made Alertmanager refuse the configuration; without any credentials
// empty ones were sent, and redirects were not followed.
func TestFound_WebhooksAuthenticateAsTheyAreAskedTo(t *testing.T) {
	t.Parallel()
	none, basic, bearer := receivers.NewWebhook(t, "none"), receivers.NewWebhook(t, "basic"), receivers.NewWebhook(t, "bearer")
	entry := func(s *receivers.Service, more string) string {
		return fmt.Sprintf(`{"level": "critical", "notifier": {"type": "webhook", "url": %q%s}}`, s.URL, more)
	}
	i := newInstance(t, siteWith(
		entry(none, ``),
		entry(basic, `, "username": "u", "password": "p"`),
		entry(bearer, `, "bearerToken": "t"`),
		entry(none, `, "bearerToken": "t", "password": "p"`),
	), launch{})
	i.postAlerts(sourcegraphAlert("critical", "auth"))
	require.Empty(t, none.Await(1)[0].Header.Get("Authorization"))
	user, password, ok := basicAuth(basic.Await(1)[0])
	require.True(t, ok)
	require.Equal(t, "u:p", user+":"+password)
	require.Equal(t, "Bearer t", bearer.Await(1)[0].Header.Get("Authorization"))
	require.Len(t, i.siteProblems(), 1)
	require.Contains(t, i.siteProblems()[0], "notifier 3: both `bearerToken`")
	require.Len(t, none.Requests(), 1)
}

// An entry without a notifier ended the process again and again.
func TestFound_EntryWithoutNotifierIsAProblemAndNoCrash(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	i := newInstance(t, siteWith(`{"level": "critical"}`, toWebhook("critical", sink.URL+"/critical")), launch{}, sink)
	for range 2 {
		require.Len(t, i.siteProblems(), 1)
		require.Contains(t, i.siteProblems()[0], " 0: `notifier` is missing")
		i.restart(syscall.SIGTERM)
		awaitFetches(i.frontend, 2)
	}
	i.postAlerts(sourcegraphAlert("critical", "alive"))
	sink.awaitTold("critical", "critical_frontend_alive")
}

// A site configuration that became empty while nobody looked left the receivers of the
// one before.
func TestFound_ReceiversAreGoneThatWentWhileTheServerWasDown(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	i := newInstance(t, siteWith(toWebhook("critical", sink.URL+"/critical"), toWebhook("warning", sink.URL+"/warning")), launch{}, sink)
	for _, empty := range []string{siteWith(toWebhook("warning", sink.URL+"/warning")), `{}`} {
		i.endWith(syscall.SIGTERM)
		i.frontend.SetSite(empty)
		i.again()
		awaitFetches(i.frontend, 2)
		_, status := i.get("/alertmanager/api/v2/status")
		require.Equal(t, strings.Contains(empty, "warning"), strings.Contains(status, "webhook_configs"), status)
		require.Equal(t, strings.Count(empty, "webhook"), strings.Count(status, "webhook_configs"))
	}
	i.postAlerts(sourcegraphAlert("critical", "unheard"), sourcegraphAlert("warning", "unheard"))
	i.setSite(siteWith(toWebhook("critical", sink.URL+"/again")))
	i.postAlerts(sourcegraphAlert("critical", "fence"))
	sink.awaitTold("again", "critical_frontend_fence")
	require.Empty(t, sink.matching(func(d delivery) bool { return d.receiver() == "critical" || d.receiver() == "warning" }))
}

// During an upgrade the frontend serves an empty site configuration and says that its
// databases are migrated. Receivers and silences were gone until its end.
func TestFound_MigrationDoesNotWipeReceivers(t *testing.T) {
	t.Parallel()
	for name, speaks := range map[string]frontend.Protocols{"grpc": frontend.GRPCOnly, "http": frontend.HTTPOnly} {
		t.Run(name, func(t *testing.T) {
			sink := newSink(t)
			f := frontend.Start(t, frontend.Site(`{"observability.silenceAlerts": ["critical_frontend_kept"], `+siteWith(toWebhook("critical", sink.URL+"/critical"))[1:]))
			f.Speak(speaks)
			s := beside(t, f, launch{args: []string{"--siteconfig.protocol=" + name}}, sink)
			awaitFetches(f, 2)
			for range 2 {
				f.Set(frontend.Migration())
				awaitFetches(f, 2)
				require.Nil(t, s.siteProblems())
				require.Len(t, s.ownedSilences(), 1)
				_, status := s.get("/alertmanager/api/v2/status")
				require.Contains(t, status, "webhook_configs")
				s.restart(syscall.SIGKILL)
			}
			s.postAlerts(sourcegraphAlert("critical", "kept"), sourcegraphAlert("critical", "meanwhile"))
			sink.awaitTold("critical", "critical_frontend_meanwhile")
			require.Zero(t, sink.tellings("critical", "critical_frontend_kept"))
		})
	}
}

// Problems were forgotten at the next change of anything else.
func TestFound_ProblemsStandUntilTheyAreMended(t *testing.T) {
	t.Parallel()
	i := newInstance(t, `{"observability.silenceAlerts": ["("], `+siteWith(badEntry)[1:], launch{})
	problems := i.siteProblems()
	require.Len(t, problems, 2)
	i.setSite(`{"externalURL": "https://example.com", "observability.silenceAlerts": ["("], ` + siteWith(badEntry)[1:])
	require.Equal(t, problems, i.siteProblems())
	i.restart(syscall.SIGTERM)
	require.Equal(t, problems, i.siteProblems(), "before the frontend has answered, too")
	i.setSite(`{"observability.silenceAlerts": ["("]}`)
	require.Equal(t, problems[1:], i.siteProblems())
	i.setSite(`{}`)
	require.Nil(t, i.siteProblems())
}

func basicAuth(r receivers.Request) (username, password string, ok bool) {
	return (&http.Request{Header: r.Header}).BasicAuth()
}
