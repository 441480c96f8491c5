package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// asNobody runs a process without the rights of root, for which no file is
// unreadable.
func asNobody(cmd *exec.Cmd) {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}

// openDir is a temporary directory whose parents everybody may enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "srcprom-e2e-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o777))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// What cannot start exits with code 1 and says why, and what to do, on one line.
func TestStart_RefusedWithOneClearLine(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()

	for name, c := range map[string]struct {
		launch launch
		before func(t *testing.T, dir string)
		want   []string
	}{
		"port in use": {
			launch: launch{args: []string{"--web.listen-address=" + busy.Addr().String()}},
			want:   []string{busy.Addr().String(), "address already in use", "--web.listen-address"},
		},
		"configuration file that is not there": {
			launch: launch{args: []string{"--config.file=missing.yml"}},
			want:   []string{"missing.yml", "no such file"},
		},
		"configuration that is unreadable": {
			launch: launch{files: map[string]string{"prometheus.yml": ""}, edit: asNobody},
			before: func(t *testing.T, dir string) { require.NoError(t, os.Chmod(filepath.Join(dir, "prometheus.yml"), 0)) },
			want:   []string{"prometheus.yml", "permission denied"},
		},
		"configuration that is not YAML": {
			launch: launch{files: map[string]string{"prometheus.yml": "\x7fELF\x00\x01"}},
			want:   []string{"prometheus.yml"},
		},
		"configuration that is huge": {
			launch: launch{files: map[string]string{"prometheus.yml": strings.Repeat("# a comment of no end\n", 3<<20)}},
			want:   []string{"prometheus.yml", "more than the 67108864 that a document may have"},
		},
		"configuration with a tab": {
			launch: launch{files: map[string]string{"prometheus.yml": "global:\n\tscrape_interval: 1s\n"}},
			want:   []string{"prometheus:2", "character that cannot start any token"},
		},
		"unknown key": {
			launch: launch{files: map[string]string{"prometheus.yml": "global:\n  scrape_intervall: 1s\n"}},
			want:   []string{"prometheus:2", "scrape_intervall"},
		},
		"empty alertmanager configuration": {
			launch: launch{files: map[string]string{"alertmanager.yml": ""}},
			want:   []string{"alertmanager", "no route provided"},
		},
		"route to a receiver that is not there": {
			launch: launch{files: map[string]string{"alertmanager.yml": "route: { receiver: nobody }\n"}},
			want:   []string{"alertmanager", "nobody"},
		},
		"data directory that is read-only": {
			launch: launch{edit: asNobody},
			before: func(t *testing.T, dir string) {
				require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o555))
			},
			want: []string{"data", "permission denied"},
		},
		"data directory that is a file": {
			launch: launch{files: map[string]string{"data": ""}},
			want:   []string{"data", "not a directory"},
		},
		"state of a newer version": {
			launch: launch{},
			before: writeNewerState,
			want:   []string{"state", "newer"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.launch.dir = openDir(t)
			for file, content := range c.launch.files {
				write(t, filepath.Join(c.launch.dir, file), content)
			}
			c.launch.files = nil
			if c.before != nil {
				c.before(t, c.launch.dir)
			}
			if len(c.launch.args) == 0 || !strings.Contains(c.launch.args[0], "listen-address") {
				c.launch.args = append(c.launch.args, "--web.listen-address=127.0.0.1:0")
			}
			p := start(t, c.launch)
			require.Equal(t, 1, p.exit(), "exit code; log: %s", p.log)
			var failures []string
			for line := range strings.Lines(p.log.String()) {
				if strings.Contains(line, "level=ERROR") || strings.Contains(line, "level=error") {
					failures = append(failures, line)
				}
			}
			require.Len(t, failures, 1, "one line says what is wrong; log: %s", p.log)
			for _, want := range c.want {
				require.Contains(t, failures[0], want)
			}
		})
	}
}

func writeNewerState(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "data", "srcprom", "state.db")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists([]byte("meta"))
		if err != nil {
			return err
		}
		return meta.Put([]byte("format"), []byte("999"))
	}))
	require.NoError(t, db.Close())
}

func TestStart_DataDirectoryLockedByAnotherProcess(t *testing.T) {
	first := serve(t, launch{})
	second := start(t, launch{dir: first.dir, args: []string{"--web.listen-address=127.0.0.1:0"}})
	require.Equal(t, 1, second.exit())
	require.Contains(t, second.log.String(), "locked")
	status, _ := first.get("/-/ready")
	require.Equal(t, http.StatusOK, status)
}

func TestStart_DataDirectoryLockedByPrometheus(t *testing.T) {
	dir := t.TempDir()
	address := freeAddress(t)
	other := start(t, launch{
		program: debianPrometheus, dir: dir, files: map[string]string{"prometheus.yml": ""},
		args: []string{
			"--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=" + address,
			"--storage.tsdb.use-lockfile",
		},
	}) // Debian's own flag: its build does not lock by default
	other.URL = "http://" + address
	other.awaitReady()
	p := start(t, launch{dir: dir, args: []string{"--web.listen-address=127.0.0.1:0"}})
	require.Equal(t, 1, p.exit())
	require.Contains(t, p.log.String(), "lock")
}

// An empty prometheus.yml is valid, as it is for Prometheus.
func TestStart_EmptyPrometheusConfiguration(t *testing.T) {
	p := serve(t, launch{files: map[string]string{"prometheus.yml": ""}})
	p.stop()
}

func TestStart_TenThousandRuleGroups(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n")
	for i := range 10_000 {
		fmt.Fprintf(&rules, "  - { name: g%d, interval: 1h, rules: [ { record: r%d, expr: 'vector(%d)' } ] }\n", i, i, i)
	}
	p := serve(t, launch{files: map[string]string{
		"prometheus.yml": "rule_files: [ rules.yml ]\n", "rules.yml": rules.String(),
	}})
	status, body := p.get("/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 10_000, strings.Count(body, `prometheus_rule_group_rules{rule_group="`+filepath.Join(p.dir, "rules.yml")))
	p.stop()
}

// One bad target, target file, job, rule group or receiver leaves its neighbours
// alone.
func TestBadNeighbours_TheRestGoesOn(t *testing.T) {
	good, webhook := srcpromtest.NewTarget(t), srcpromtest.NewReceiver(t)
	good.Set("good", 1)
	ended := make(chan struct{})
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}))
	lie := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write([]byte("\x89PNG"))
	}))
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		for i := 0; r.Context().Err() == nil; i++ {
			if _, err := fmt.Fprintf(w, "endless{i=\"%d\"} 1\n", i); err != nil {
				return
			}
		}
	}))
	t.Cleanup(func() { close(ended); hang.Close(); lie.Close(); endless.Close() })
	host := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

	p := serve(t, launch{args: []string{"--web.enable-lifecycle"}, files: map[string]string{
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
rule_files: [ rules.yml ]
scrape_configs:
  - { job_name: good, static_configs: [ { targets: [ %q ] } ] }
  - { job_name: hang, static_configs: [ { targets: [ %q ] } ] }
  - { job_name: lie, static_configs: [ { targets: [ %q ] } ] }
  - { job_name: endless, body_size_limit: 1MB, static_configs: [ { targets: [ %q ] } ] }
  - { job_name: broken, scrape_interval: 1s, scrape_timeout: 2s }
  - { job_name: files, file_sd_configs: [ { files: [ "targets/*.json" ], refresh_interval: 1s } ] }
  - { job_name: unreachable-secret, tls_config: { ca_file: missing.pem }, static_configs: [ { targets: [ "127.0.0.1:1" ] } ] }
`, good.Addr(), host(hang), host(lie), host(endless)),
		"rules.yml": `
groups:
  - { name: good, rules: [ { alert: Good, expr: good == 1 } ] }
  - { name: broken, rules: [ { alert: Broken, expr: "sum(" } ] }
`,
		"targets/good.json": fmt.Sprintf(`[{"targets":[%q]}]`, good.Addr()),
		"targets/bad.json":  `[{"targets":`,
		"alertmanager.yml": fmt.Sprintf(`
route:
  receiver: good
  group_wait: 0s
  group_by: [ "..." ]
receivers:
  - name: good
    webhook_configs:
      - url: %q
      - url: "http://127.0.0.1:1/"
        http_config: { tls_config: { ca_file: missing.pem } }
`, webhook.URL),
	}})

	webhook.Await("the good rule to fire", srcpromtest.Firing("Good"))
	query := p.querier(false)
	for job, want := range map[string]string{"good": "1", "hang": "0", "lie": "0", "endless": "0", "files": "1"} {
		p.await(job+" to be up="+want, func() bool { return query(fmt.Sprintf("up{job=%q}", job)) == want })
	}
	for _, name := range []string{"scrape_configs/broken", "scrape_configs/unreachable-secret", "groups/broken", "receivers/good/webhook_configs[1]"} {
		require.Contains(t, p.log.String(), name, "the log names what was set aside")
	}
	status, body := p.post("/-/reload", "", "")
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, body, "scrape_configs/broken")
	_, metrics := p.get("/metrics")
	require.Contains(t, metrics, "\nprometheus_config_last_reload_successful 0\n")
	_, metrics = p.get("/alertmanager/metrics")
	require.Contains(t, metrics, "\nalertmanager_config_last_reload_successful 0\n")
	p.stop()
}

// A refused reload changes nothing, and the next good one is applied.
func TestReload_BadInputKeepsWhatRan(t *testing.T) {
	target := srcpromtest.NewTarget(t)
	config := func(job string) string {
		return fmt.Sprintf("global: { scrape_interval: 200ms, scrape_timeout: 200ms }\nscrape_configs:\n  - { job_name: %s, static_configs: [ { targets: [ %q ] } ] }\n", job, target.Addr())
	}
	p := serve(t, launch{args: []string{"--web.enable-lifecycle"}, files: map[string]string{"prometheus.yml": config("first")}})
	query := p.querier(false)
	p.await("the first job", func() bool { return query(`up{job="first"}`) == "1" })

	for name, text := range map[string]string{
		"not YAML":    "{{{",
		"unknown key": "globl: {}\n",
		"huge":        strings.Repeat("# comment\n", 8<<20),
		"binary":      "\x00\x01\x02",
	} {
		write(t, filepath.Join(p.dir, "prometheus.yml"), text)
		status, body := p.post("/-/reload", "", "")
		require.Equal(t, http.StatusInternalServerError, status, name)
		require.Contains(t, body, "prometheus", name)
		require.NotContains(t, strings.TrimSpace(body), "\n", "one line: %s", name)
	}
	require.Equal(t, "1", query(`count(up{job="first"} == 1)`))

	write(t, filepath.Join(p.dir, "prometheus.yml"), config("second"))
	status, body := p.post("/-/reload", "", "")
	require.Equal(t, http.StatusOK, status, body)
	p.await("the second job", func() bool { return query(`up{job="second"}`) == "1" })
	p.stop()
}

// A start with a wrong file runs the version of it that was accepted before.
func TestStart_AcceptedVersionOfAWrongFileRuns(t *testing.T) {
	target := srcpromtest.NewTarget(t)
	p := serve(t, launch{files: map[string]string{"prometheus.yml": fmt.Sprintf(
		"global: { scrape_interval: 200ms, scrape_timeout: 200ms }\nscrape_configs:\n  - { job_name: kept, static_configs: [ { targets: [ %q ] } ] }\n", target.Addr())}})
	p.stop()
	for name, spoil := range map[string]func(path string) error{
		"wrong":   func(path string) error { return os.WriteFile(path, []byte("globl: {}\n"), 0o644) },
		"missing": os.Remove,
	} {
		require.NoError(t, spoil(filepath.Join(p.dir, "prometheus.yml")))
		again := serve(t, launch{dir: p.dir, args: []string{"--config.file=prometheus.yml"}})
		query := again.querier(false)
		again.await("the accepted job: "+name, func() bool { return query(`up{job="kept"}`) == "1" })
		_, metrics := again.get("/metrics")
		require.Contains(t, metrics, "\nprometheus_config_last_reload_successful 0\n", name)
		again.stop()
	}
}

func TestSignals_TermAtAnyMomentOfStartUp(t *testing.T) {
	dir := t.TempDir()
	for delay := time.Duration(0); delay < 300*time.Millisecond; delay += 15 * time.Millisecond {
		p := start(t, launch{dir: dir, args: []string{"--web.listen-address=127.0.0.1:0"}})
		<-time.After(delay) // the moment is the point
		p.signal(syscall.SIGTERM)
		code := p.exit()
		if code == -1 {
			// The runtime had not yet been told to catch the signal.
			require.Equal(t, syscall.SIGTERM, p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
			require.Less(t, delay, 100*time.Millisecond, "log: %s", p.log)
			continue
		}
		require.Equal(t, 0, code, "SIGTERM after %s; log: %s", delay, p.log)
	}
	p := serve(t, launch{dir: dir})
	p.stop()
}

func TestSignals_HangUpInALoopWhileScraping(t *testing.T) {
	target := srcpromtest.NewTarget(t)
	p := serve(t, launch{files: map[string]string{"prometheus.yml": fmt.Sprintf(
		"global: { scrape_interval: 100ms, scrape_timeout: 100ms }\nscrape_configs:\n  - { job_name: t, static_configs: [ { targets: [ %q ] } ] }\n", target.Addr())}})
	query := p.querier(false)
	p.await("a first sample", func() bool { return query(`up{job="t"}`) == "1" })
	for range 200 {
		p.signal(syscall.SIGHUP)
		<-time.After(5 * time.Millisecond) // 200 signals in a second
	}
	p.await("scraping to have gone on all the time", func() bool { return query(`count_over_time(up{job="t"}[2s]) > bool 12`) == "1" })
	require.Equal(t, "1", query(`min_over_time(up{job="t"}[1m])`))
	p.stop()
}

// Another build would run the job, so it is not set aside: nobody must miss it.
func TestLeanBuild_RefusesDiscoveryOfTheFullBuild(t *testing.T) {
	const config = "scrape_configs: [ { job_name: cloud, azure_sd_configs: [ { subscription_id: x } ] } ]\n"
	const want = "azure_sd_configs is not in srcprom-lean; use the full srcprom build"
	p := start(t, launch{args: []string{"--web.listen-address=127.0.0.1:0"}, files: map[string]string{"prometheus.yml": config}})
	require.Equal(t, 1, p.exit())
	require.Contains(t, p.log.String(), want)

	p = serve(t, launch{args: []string{"--web.enable-config-api"}})
	status, body := p.pushConfig("", map[string]any{"prometheus": config})
	require.Equal(t, http.StatusUnprocessableEntity, status, body)
	require.Contains(t, body, want)
	p.stop()
}
