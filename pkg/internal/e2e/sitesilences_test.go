package e2e

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// ownedSilences are the ids of the active silences that the site configuration asks
// for, by what they match.
func (p *process) ownedSilences() map[string]string {
	p.t.Helper()
	var all []silence
	p.getJSON(silencesPath, &all)
	owned := map[string]string{}
	for _, s := range all {
		if s.CreatedBy != "src-prom-wrapper" || s.Status.State != "active" {
			continue
		}
		require.Len(p.t, s.Matchers, 1)
		require.Equal(p.t, matcher{Name: "alertname", Value: s.Matchers[0].Value, IsRegex: true, IsEqual: true}, s.Matchers[0])
		require.Greater(p.t, time.Until(s.EndsAt), 3649*24*time.Hour)
		require.Contains(p.t, s.Comment, "observability.silenceAlerts")
		require.NotContains(p.t, owned, s.Matchers[0].Value, "silenced twice")
		owned[s.Matchers[0].Value] = s.ID
	}
	return owned
}

func (p *process) awaitSilenced(entries ...string) map[string]string {
	p.t.Helper()
	var owned map[string]string
	p.await("silences of "+strings.Join(entries, ", "), func() bool {
		owned = p.ownedSilences()
		return len(owned) == len(entries) && !slices.ContainsFunc(entries, func(entry string) bool { return owned["^("+entry+")$"] == "" })
	})
	return owned
}

// What observability.silenceAlerts names is silenced, whatever others do to these
// silences, and nothing else of theirs is touched.
func TestSiteSilences_AreKeptAsTheSiteConfigurationWants(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	silencing := func(entries string) string {
		return `{"observability.silenceAlerts": [` + entries + `], ` + siteWith(toWebhook("critical", sink.URL+"/critical"), toWebhook("warning", sink.URL+"/warning"))[1:]
	}
	i := newInstance(t, silencing(`"critical_.*_quiet", "warning_frontend_known"`), launch{}, sink)
	byHand := i.silence(t, "critical_frontend_byhand")
	before := i.awaitSilenced("critical_.*_quiet", "warning_frontend_known")
	i.postAlerts(
		sourcegraphAlert("critical", "quiet"), sourcegraphAlert("warning", "known"), sourcegraphAlert("critical", "byhand"),
		sourcegraphAlert("critical", "loud"), sourcegraphAlert("warning", "known_not"),
	)
	sink.awaitTold("critical", "critical_frontend_loud")
	sink.awaitTold("warning", "warning_frontend_known_not")
	require.JSONEq(t, `{"warning":1,"silenced":3,"critical":1,"services_critical":1}`, i.do(http.MethodGet, client.AlertsStatusPath, nil))

	// A restart, however it comes about, and a change of anything else leave them be.
	i.restart(syscall.SIGKILL)
	awaitFetches(i.frontend, 2)
	require.Equal(t, before, i.ownedSilences())
	i.setSite(silencing(`"warning_frontend_known", "critical_.*_quiet", "info_new"`))
	after := i.awaitSilenced("critical_.*_quiet", "warning_frontend_known", "info_new")
	for entry, id := range before {
		require.Equal(t, id, after[entry], entry)
	}

	// Somebody ends one, and changes another.
	mustRun(t, program(t, debianAmtool), "--alertmanager.url="+i.URL+"/alertmanager", "silence", "expire", before["^(critical_.*_quiet)$"])
	mended := i.awaitSilenced("critical_.*_quiet", "warning_frontend_known", "info_new")
	require.NotEqual(t, before["^(critical_.*_quiet)$"], mended["^(critical_.*_quiet)$"])
	require.Equal(t, before["^(warning_frontend_known)$"], mended["^(warning_frontend_known)$"])

	// What is no longer wanted ends, also when it went while nobody looked.
	i.endWith(syscall.SIGTERM)
	i.frontend.SetSite(silencing(`"critical_.*_quiet"`))
	i.again()
	i.awaitSilenced("critical_.*_quiet")
	i.setSite(silencing(``))
	i.awaitSilenced()
	require.Equal(t, "active", i.getSilence(byHand).Status.State)
	require.Zero(t, sink.tellings("critical", "critical_frontend_byhand"))
	require.Nil(t, i.siteProblems())
}
