package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// swap points the link ..data at another directory, as the kubelet does.
func swap(t *testing.T, dir, to string) {
	t.Helper()
	next := filepath.Join(dir, "..next")
	require.NoError(t, os.Symlink(to, next))
	require.NoError(t, os.Rename(next, filepath.Join(dir, "..data")))
}

// A Prometheus data directory opens as it is, and Prometheus opens it again.
func TestMigration_DataDirectoryThereAndBack(t *testing.T) {
	target := srcpromtest.NewTarget(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(
		"global: { scrape_interval: 200ms, scrape_timeout: 200ms }\nscrape_configs:\n  - { job_name: t, static_configs: [ { targets: [ %q ] } ] }\n", target.Addr()))
	runPrometheus := func(series string) {
		t.Helper()
		address := freeAddress(t)
		p := start(t, launch{program: debianPrometheus, dir: dir, args: []string{
			"--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=" + address,
		}})
		p.URL = "http://" + address
		p.awaitReady()
		query := p.querier(false)
		p.await("Prometheus to have "+series, func() bool { return query(fmt.Sprintf("count(last_over_time(%s[1h]))", series)) == "1" })
		p.stop()
	}

	target.Set("before", 1)
	runPrometheus("before")
	target.Delete("before")
	target.Set("during", 1)

	p := serve(t, launch{dir: dir})
	query := p.querier(false)
	require.Equal(t, "1", query("count(last_over_time(before[1h]))"))
	p.await("a new sample", func() bool { return query("during") == "1" })
	p.stop()

	target.Delete("during")
	runPrometheus("during")
}

// External Alertmanagers in prometheus.yml are served too; this process among
// them does not get its alerts twice.
func TestExternalAlertmanagers_AreServedAndSelfIsNotServedTwice(t *testing.T) {
	target, webhook := srcpromtest.NewTarget(t), srcpromtest.NewReceiver(t)
	target.Set("fire", 1)
	external, gossip := freeAddress(t), ""
	other := start(t, launch{program: debianAlertmanager, args: []string{
		"--config.file=am.yml", "--storage.path=am", "--web.listen-address=" + external, "--cluster.listen-address=" + gossip,
	}, files: map[string]string{"am.yml": "route: { receiver: r }\nreceivers: [ { name: r } ]\n"}})
	other.URL = "http://" + external
	other.awaitReady()

	self := freeAddress(t)
	p := serve(t, launch{env: []string{"ALERTMANAGER_INTERNAL_PORT=" + portOf(self)}, files: map[string]string{
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
rule_files: [ rules.yml ]
alerting:
  alertmanagers:
    - static_configs: [ { targets: [ %q ] } ]
    - path_prefix: /alertmanager
      static_configs: [ { targets: [ "localhost:%s" ] } ]
scrape_configs:
  - { job_name: t, static_configs: [ { targets: [ %q ] } ] }
`, external, portOf(self), target.Addr()),
		"rules.yml":        "groups: [ { name: g, rules: [ { alert: Fire, expr: fire == 1 } ] } ]\n",
		"alertmanager.yml": srcpromtest.DefaultAlertmanagerConfig(webhook.URL),
	}})
	webhook.Await("the alert through the built-in Alertmanager", srcpromtest.Firing("Fire"))
	p.await("the alert at the external Alertmanager", func() bool {
		_, body := other.get("/api/v2/alerts")
		return strings.Contains(body, `"Fire"`)
	})
	p.await("the alert to have been sent to this process by the notifier too", func() bool {
		_, metrics := p.get("/metrics")
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, "prometheus_notifications_sent_total{") && strings.Contains(line, "localhost:"+portOf(self)) {
				return !strings.HasSuffix(strings.TrimSpace(line), " 0")
			}
		}
		return false
	})
	require.Len(t, webhook.Notifications(), 1)
	_, body := p.get("/api/v1/alertmanagers")
	require.Contains(t, body, external)
	require.Contains(t, body, "/alertmanager/api/v2/alerts")
	p.stop()
}

func TestCluster_GossipsSilencesWithAnUpstreamAlertmanager(t *testing.T) {
	external, gossip, ours := freeAddress(t), freeAddress(t), freeAddress(t)
	other := start(t, launch{program: debianAlertmanager, args: []string{
		"--config.file=am.yml", "--storage.path=am", "--web.listen-address=" + external,
		"--cluster.listen-address=" + gossip, "--cluster.advertise-address=" + gossip,
	}, files: map[string]string{"am.yml": "route: { receiver: r }\nreceivers: [ { name: r } ]\n"}})
	other.URL = "http://" + external
	other.awaitReady()
	p := serve(t, launch{args: []string{
		"--cluster.listen-address=" + ours, "--cluster.advertise-address=" + ours, "--cluster.peer=" + gossip,
		"--cluster.settle-timeout=1s",
	}})
	p.await("two peers", func() bool {
		_, body := p.get("/alertmanager/api/v2/status")
		return strings.Count(body, `"address"`) == 2
	})
	id := p.silence(t, "Gossiped")
	p.await("the silence to reach the peer", func() bool {
		status, _ := other.get("/api/v2/silence/" + id)
		return status == http.StatusOK
	})
	p.stop()
}

// With the disk full, metrics stop and alerts go on.
func TestFullDisk_AlertDeliveryGoesOn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system takes root")
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	require.NoError(t, os.Mkdir(data, 0o755))
	require.NoError(t, syscall.Mount("tmpfs", data, "tmpfs", 0, "size=8m"))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(data, syscall.MNT_DETACH)) })
	webhook := srcpromtest.NewReceiver(t)
	p := serve(t, launch{
		dir: dir, args: []string{"--web.enable-config-api", "--storage.tsdb.wal-segment-size=10MB"},
		files: map[string]string{"alertmanager.yml": srcpromtest.DefaultAlertmanagerConfig(webhook.URL)},
	})
	fill(t, filepath.Join(data, "filler"))
	p.awaitLog("no space left on device")

	status, body := p.post("/alertmanager/api/v2/alerts", "application/json", `[{"labels":{"alertname":"Full"}}]`)
	require.Equal(t, http.StatusOK, status, body)
	webhook.Await("delivery with a full disk", srcpromtest.Firing("Full"))
	large := map[string]any{"rules/large": "groups: []\n" + strings.Repeat("# More than the free pages of the state file hold.\n", 20_000)}
	status, body = p.pushConfig("", large)
	require.Equal(t, http.StatusInternalServerError, status, "a push that cannot be kept is refused: %s", body)
	require.Contains(t, body, "no space left")

	require.NoError(t, os.Remove(filepath.Join(data, "filler")))
	status, body = p.pushConfig("", large)
	require.Equal(t, http.StatusOK, status, body)
	p.signal(syscall.SIGTERM)
	p.exit()
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
}
