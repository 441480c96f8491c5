package e2e

import (
	"net/http"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a real Alertmanager has left in its directory is taken over once: silences
// with their ids and ends, and what receivers have been told.
func TestMigration_AlertmanagersSilencesAndNotificationsAreImportedOnce(t *testing.T) {
	sink, dir := newSink(t), t.TempDir()
	address := steadyAddress(t)
	files := map[string]string{"alertmanager.yml": quickConfig(sink, 0), "prometheus.yml": ""}
	upstream := start(t, launch{program: debianAlertmanager, dir: dir, files: files, args: []string{
		"--config.file=alertmanager.yml", "--storage.path=am", "--web.listen-address=" + address, "--cluster.listen-address=",
	}})
	upstream.URL = "http://" + address
	upstream.awaitReady()
	kept, ended := silenceOf("Kept"), silenceOf("Ended")
	for _, s := range []*silence{&kept, &ended} {
		s.ID = silenceID(upstream, upstream.do(http.MethodPost, "/api/v2/silences", s))
		upstream.getJSON("/api/v2/silence/"+s.ID, s)
	}
	upstream.do(http.MethodDelete, "/api/v2/silence/"+ended.ID, nil)
	upstream.getJSON("/api/v2/silence/"+ended.ID, &ended)
	for _, name := range []string{"Told", "Kept", "Later"} {
		upstream.do(http.MethodPost, "/api/v2/alerts", []postedAlert{alert(name, "to", "fast")})
		if name != "Kept" { // by the time the last one is answered, the first one has been recorded
			sink.await("the notification by Alertmanager", func(d delivery) bool { return of(name)(d) && d.ending == answered })
		}
	}
	upstream.stop()
	sink.nextLife()

	s := newServer(t, launch{dir: dir, args: []string{"--monitoring.builtin=none", "--alertmanager.storage.path=am"}}, sink)
	for _, want := range []silence{kept, ended} {
		require.Equal(t, want, s.getSilence(want.ID))
	}
	s.postAlerts(alert("Told", "to", "fast"), alert("Kept", "to", "fast"), alert("New", "to", "fast"))
	sink.await("what is new", of("New"))
	s.tick(sink, "fast")
	require.Equal(t, []string{"firing"}, sink.told("Told"), "Alertmanager has told it")
	require.Empty(t, sink.told("Kept"), "it is silenced")

	// What has changed since is not undone by what still lies there.
	s.expireSilence(kept.ID)
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		s.restart(signal)
		require.Equal(t, "expired", s.getSilence(kept.ID).Status.State)
	}
	require.FileExists(t, filepath.Join(dir, "am", "silences"), "what is not ours is left where it is")
	s.stop()
}
