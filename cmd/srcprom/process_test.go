package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest/proctest"
)

// process is the program, running in a directory of its own.
type process struct {
	cmd            *exec.Cmd
	dir            string
	stdout, stderr proctest.Output
}

// launch starts the program. It is killed when the test ends.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{dir: t.TempDir()}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Dir = p.dir
	p.cmd.Env = append([]string{asProgram + "=1"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill() // it may have ended by itself
			_ = p.cmd.Wait()
		}
	})
	return p
}

// exit waits for the end and returns the exit code.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	require.NoError(t, err)
	return 0
}

// awaitReady waits until the server answers that it is ready.
func (p *process) awaitReady(t *testing.T, url string) {
	t.Helper()
	require.Eventually(t, func() bool {
		resp, err := http.Get(url + "/-/ready")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 30*time.Second, 10*time.Millisecond, "the server to be ready; log: %s", &p.stderr)
}

func (p *process) says(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), text) },
		30*time.Second, 10*time.Millisecond, "the log to say %q", text)
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	http.DefaultClient.CloseIdleConnections()
	return string(body)
}

func TestProcess_CommandsThatOnlyPrint(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		out  string // pattern of standard output
		err  string // all of standard error
	}{
		"version":      {args: []string{"version"}, out: `^` + buildName + `, version .*\n  build user: [^$]*\n  prometheus:       \d+\.\d+\.\d+\n  alertmanager:     \d+\.\d+\.\d+\n$`},
		"version flag": {args: []string{"--version"}, out: `^` + buildName + `, version `},
		"help":         {args: []string{"--help"}, out: `--alertmanager\.data\.retention`},
		"help command": {args: []string{"help", "check"}, out: `usage: ` + buildName + ` check `},
		"unknown flag": {args: []string{"--nonsense"}, code: 2, out: `^$`, err: buildName + ": unknown long flag '--nonsense' (see " + buildName + " --help)\n"},
		"flag without value": {
			args: []string{"--config.file"}, code: 2, out: `^$`,
			err: buildName + ": expected argument for flag '--config.file' (see " + buildName + " --help)\n",
		},
		"check of nothing": {args: []string{"check"}, out: `^no configuration file is here: `},
		"check that fails": {args: []string{"check", "missing.yml"}, code: 1, out: `^missing\.yml: no such file or directory\n$`},
	} {
		t.Run(name, func(t *testing.T) {
			p := launch(t, nil, c.args...)
			require.Equal(t, c.code, p.exit(t), &p.stderr)
			require.Regexp(t, c.out, p.stdout.String())
			require.Equal(t, c.err, p.stderr.String())
		})
	}
}

func TestProcess_WhatCannotStartSaysWhyOnOneLine(t *testing.T) {
	p := launch(t, nil, "--config.file=missing.yml", "--web.listen-address=127.0.0.1:0")
	require.Equal(t, 1, p.exit(t))
	require.Regexp(t, `ts=\S+ level=error caller=\S+ msg="srcprom failed" err=".*missing\.yml.*no such file.*"\n$`, p.stderr.String())
	require.Equal(t, 1, strings.Count(p.stderr.String(), "level=error"))
}

func TestProcess_ServesUntilASignal(t *testing.T) {
	address := proctest.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	_, internal, err := net.SplitHostPort(proctest.FreeAddress(t))
	require.NoError(t, err)
	p := launch(t, []string{"EXPORT_PORT=" + port, "PROMETHEUS_INTERNAL_PORT=" + internal, "STORAGE_PATH=store", "PROMETHEUS_ADDITIONAL_FLAGS=--web.page-title=Ours"})
	url := "http://" + address
	p.awaitReady(t, url)
	require.DirExists(t, filepath.Join(p.dir, "store", "wal"))
	require.Contains(t, get(t, url+"/api/v1/status/flags"), `"web.page-title":"Ours"`)
	metrics := get(t, "http://127.0.0.1:"+internal+"/metrics")
	for _, name := range []string{"prometheus_build_info{", "srcprom_build_info{", "go_gc_gogc_percent 75", "process_start_time_seconds ", "net_conntrack_dialer_conn_attempted_total"} {
		require.Contains(t, metrics, name)
	}
	metrics = get(t, url+"/alertmanager/metrics")
	for _, name := range []string{"alertmanager_build_info{", "go_goroutines ", "process_start_time_seconds "} {
		require.Contains(t, metrics, name)
	}
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 0, p.exit(t), &p.stderr)
	require.Contains(t, p.stderr.String(), "terminated received")
	require.NotContains(t, p.stderr.String(), "level=error")
}

func TestProcess_HangupAppliesWhatFilesSay(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	address := proctest.FreeAddress(t)
	p := launch(t, nil, "--config.file="+file, "--web.listen-address="+address)
	url := "http://" + address
	p.awaitReady(t, url)

	hangUp := func(text string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	}
	collects := func(percent string) func() bool {
		return func() bool { return strings.Contains(get(t, url+"/api/v1/status/runtimeinfo"), `"GOGC":"`+percent+`"`) }
	}
	hangUp("runtime: { gogc: 42, log_level: error }\n")
	require.Eventually(t, collects("42"), 30*time.Second, 10*time.Millisecond, "runtime.gogc to hold")
	p.says(t, `msg="garbage collection target changed" old=75 new=42`)
	hangUp("runtime: { gogc: 43, log_level: error }\n")
	require.Eventually(t, collects("43"), 30*time.Second, 10*time.Millisecond, "runtime.gogc to hold again")
	require.NotContains(t, p.stderr.String(), "new=43", "runtime.log_level holds")

	hangUp("nonsense: 1\n")
	p.says(t, "nonsense")
	require.Contains(t, get(t, url+"/-/ready"), "Ready")
}

func TestSignals_SecondStopEndsAtOnce(t *testing.T) {
	s := &signals{stop: make(chan os.Signal, 2)}
	s.stop <- syscall.SIGTERM
	s.stop <- os.Interrupt
	ctx, stop := context.WithCancelCause(context.Background())
	code := 0
	s.untilStopped(slog.New(slog.DiscardHandler), stop, func(c int) { code = c })
	require.Equal(t, 1, code)
	require.EqualError(t, context.Cause(ctx), "terminated received; a second one would end everything at once")
}

func TestSignals_HangupsWhileStartingBecomeOneReload(t *testing.T) {
	s := &signals{reload: make(chan os.Signal, 1)}
	s.reload <- syscall.SIGHUP
	ctx, cancel := context.WithCancel(context.Background())
	ready, reloaded, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.reloads(ctx, ready, func(context.Context) { reloaded <- struct{}{} })
	}()
	select {
	case <-reloaded:
		require.Fail(t, "reloaded before the server was ready")
	default:
	}
	close(ready)
	<-reloaded
	cancel()
	<-ended
}
