package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// blockReplay makes the next start of the storage in dir wait at a segment of
// its write-ahead log until release is called.
func blockReplay(t *testing.T, dir string) (release func()) {
	t.Helper()
	pipe := filepath.Join(dir, "wal", "00000000")
	require.NoError(t, os.MkdirAll(filepath.Dir(pipe), 0o700))
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	return func() {
		f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

// While the write-ahead log is replayed the listener is up: it says what is
// awaited, and silences and alerts of clients are served.
func TestStart_ServesSilencesAndAlertsWhileTheLogIsReplayed(t *testing.T) {
	webhook := srcpromtest.NewReceiver(t)
	dir := t.TempDir()
	release := blockReplay(t, filepath.Join(dir, "data"))
	p := start(t, launch{dir: dir, args: []string{"--web.listen-address=127.0.0.1:0"}, files: map[string]string{
		"alertmanager.yml": srcpromtest.DefaultAlertmanagerConfig(webhook.URL),
	}})
	p.awaitListening()
	p.await("the replay to begin", func() bool {
		status, body := p.get("/api/v1/status/walreplay")
		return status == http.StatusOK && strings.Contains(body, "max")
	})
	status, body := p.get("/-/ready")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "storage: opening")
	status, _ = p.get("/-/healthy")
	require.Equal(t, http.StatusOK, status)
	status, _ = p.get("/api/v1/query?query=up")
	require.Equal(t, http.StatusServiceUnavailable, status)
	p.silence(t, "Other")
	status, body = p.post("/alertmanager/api/v2/alerts", "application/json", `[{"labels":{"alertname":"Early"}}]`)
	require.Equal(t, http.StatusOK, status, body)
	webhook.Await("an alert while the log is replayed", srcpromtest.Firing("Early"))
	release()
	p.awaitReady()
	p.stop()
}

// The storage already has samples of the future, as after the clock was set back.
// Samples of now are refused until then; alerts of clients go on, and so does the
// process.
func TestClockSteps_SetBackLeavesAlertDeliveryAlone(t *testing.T) {
	webhook := srcpromtest.NewReceiver(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "future.txt"), fmt.Sprintf(
		"# TYPE future gauge\nfuture 1 %d\n# EOF\n", time.Now().Add(6*time.Hour).Unix()))
	mustRun(t, program(t, promtool), "tsdb", "create-blocks-from", "openmetrics", filepath.Join(dir, "future.txt"), filepath.Join(dir, "data"))
	p := serve(t, launch{dir: dir, files: map[string]string{
		"alertmanager.yml": srcpromtest.DefaultAlertmanagerConfig(webhook.URL),
	}})
	p.awaitLog("out of bounds")
	status, body := p.post("/alertmanager/api/v2/alerts", "application/json", `[{"labels":{"alertname":"Now"}}]`)
	require.Equal(t, http.StatusOK, status, body)
	webhook.Await("delivery while nothing can be stored", srcpromtest.Firing("Now"))
	p.stop()
}

// The newest samples are old, as after the clock was set forward: nothing of what
// was stored is lost, and scraping, rules and alerts go on at the new time.
func TestClockSteps_SetForwardGoesOnAtTheNewTime(t *testing.T) {
	webhook := srcpromtest.NewReceiver(t)
	dir := t.TempDir()
	old := time.Now().Add(-6 * time.Hour)
	write(t, filepath.Join(dir, "past.txt"), fmt.Sprintf("# TYPE past gauge\npast 1 %d\n# EOF\n", old.Unix()))
	mustRun(t, program(t, promtool), "tsdb", "create-blocks-from", "openmetrics", filepath.Join(dir, "past.txt"), filepath.Join(dir, "data"))
	target := srcpromtest.NewTarget(t)
	target.Set("fire", 1)
	p := serve(t, launch{dir: dir, files: map[string]string{
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
rule_files: [ rules.yml ]
scrape_configs: [ { job_name: t, static_configs: [ { targets: [ %q ] } ] } ]
`, target.Addr()),
		"rules.yml":        "groups: [ { name: g, rules: [ { alert: Fire, expr: fire == 1 } ] } ]\n",
		"alertmanager.yml": srcpromtest.DefaultAlertmanagerConfig(webhook.URL),
	}})
	webhook.Await("Fire", srcpromtest.Firing("Fire"))
	require.Equal(t, "1", p.querier(false)("last_over_time(past[7h])"))
	p.stop()
}
