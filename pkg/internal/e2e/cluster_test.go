package e2e

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// Two servers in a cluster have each other's silences and notifications: what both
// are told of is sent once. All of that is on the disk of each, and is there when one
// begins again after SIGKILL and the other is no more.
func TestCluster_TwoServersShareSilencesAndNotificationsAndKeepThem(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	addresses := map[string]string{"a": steadyAddress(t), "b": steadyAddress(t)}
	member := func(name, peer string) *server {
		return quickServer(t, sink, nil,
			"--cluster.listen-address="+addresses[name], "--cluster.advertise-address="+addresses[name],
			"--cluster.peer="+addresses[peer], "--cluster.peer-name="+name,
			"--cluster.settle-timeout=2s", "--cluster.peer-timeout=5s")
	}
	a, b := member("a", "b"), member("b", "a")
	for _, s := range []*server{a, b} {
		s.await("two peers that have settled", func() bool {
			var status struct {
				Cluster struct {
					Status string
					Peers  []any
				}
			}
			s.getJSON("/alertmanager/api/v2/status", &status)
			return status.Cluster.Status == "ready" && len(status.Cluster.Peers) == 2
		})
	}

	made := a.putSilence(silenceOf("Silenced"))
	b.await("the silence of the other", func() bool {
		status, _, err := call(http.MethodGet, b.URL+silencePath+made.ID, "")
		return err == nil && status == http.StatusOK
	})
	require.Equal(t, made, b.getSilence(made.ID))

	once := alert("Once", "to", "fast")
	for _, s := range []*server{a, b} {
		s.postAlerts(once, alert("Silenced", "to", "fast"))
	}
	a.awaitOutcome("Once", client.OutcomeDelivered)
	b.awaitOutcome("Once", client.OutcomeDeduplicated) // when it has waited for its turn
	for _, s := range []*server{a, b} {
		s.awaitOutcome("Silenced", client.OutcomeSilenced)
	}
	requireOnce := func() {
		t.Helper()
		require.Len(t, sink.matching(of("Once")), 1, transcript(sink.all()))
		require.Empty(t, sink.matching(of("Silenced")), transcript(sink.all()))
	}
	requireOnce()

	b.putSilence(silenceOf("later")) // when it is on the disk, so is what came before
	a.signal(syscall.SIGKILL)
	a.exit()
	b.restart(syscall.SIGKILL)
	require.Equal(t, made, b.getSilence(made.ID))
	b.postAlerts(once, alert("Silenced", "to", "fast"))
	b.tick(sink, "fast")
	requireOnce()
	b.stop()
}

// awaitOutcome waits until history has a decision about an alert.
func (s *server) awaitOutcome(alertname string, outcome client.Outcome) {
	s.t.Helper()
	s.await(strings.Join([]string{alertname, "to be", string(outcome), "at", s.URL}, " "), func() bool {
		return slices.ContainsFunc(s.history(alertname), func(e client.HistoryEntry) bool { return e.Outcome == outcome })
	})
}
