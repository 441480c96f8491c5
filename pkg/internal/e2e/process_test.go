package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest/proctest"
)

// patience is how long a test waits for what must come. The server's own alerts
// come when a problem has stood for half a minute.
const patience = time.Minute

// process is a program that a test has started. It is killed when the test ends.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string // working directory
	log    *proctest.Output
	exited chan struct{}
	// URL of the root, without a slash at the end; set by awaitListening.
	URL string
}

// launch describes a process that is to be started.
type launch struct {
	program string // environment variable that names it; srcpromLean when empty
	dir     string // working directory; a new one when empty
	files   map[string]string
	args    []string
	env     []string
	edit    func(*exec.Cmd)
	// within carries out what starts the process; nil does so right here.
	within func(func())
}

// start runs srcprom on a free port, with its data and its files in its working
// directory.
func start(t *testing.T, l launch) *process {
	t.Helper()
	if l.program == "" {
		l.program = srcpromLean
	}
	if l.dir == "" {
		l.dir = t.TempDir()
	}
	for name, content := range l.files {
		write(t, filepath.Join(l.dir, name), content)
	}
	p := &process{t: t, dir: l.dir, log: &proctest.Output{}, exited: make(chan struct{})}
	p.cmd = exec.Command(program(t, l.program), l.args...)
	p.cmd.Dir = l.dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir}, l.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if l.edit != nil {
		l.edit(p.cmd)
	}
	if l.within == nil {
		l.within = func(f func()) { f() }
	}
	var err error
	l.within(func() { err = p.cmd.Start() })
	require.NoError(t, err)
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // the state tells
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("log of %s:\n%s", filepath.Base(p.cmd.Path), p.log)
		}
	})
	return p
}

// serve starts srcprom and waits until it is ready.
func serve(t *testing.T, l launch) *process {
	t.Helper()
	l.args = append([]string{"--web.listen-address=127.0.0.1:0"}, l.args...)
	p := start(t, l)
	p.awaitListening()
	p.awaitReady()
	return p
}

var listening = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

// awaitListening waits for the first address that the process listens on.
func (p *process) awaitListening() {
	p.t.Helper()
	p.await("the listener", func() bool {
		found := listening.FindStringSubmatch(p.log.String())
		if found == nil {
			return false
		}
		p.URL = "http://" + found[1]
		return true
	})
}

func (p *process) awaitReady() {
	p.t.Helper()
	p.await("/-/ready to answer 200", func() bool {
		resp, err := http.Get(p.URL + "/-/ready")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// await polls a condition. It fails at once when the process has exited.
func (p *process) await(what string, ok func() bool) {
	p.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-p.exited:
			require.Failf(p.t, "the process has exited", "while waiting for %s, with %s", what, p.cmd.ProcessState)
		case <-deadline:
			require.Failf(p.t, "waited in vain", "%s for %s", patience, what)
		}
	}
}

func (p *process) awaitLog(text string) {
	p.t.Helper()
	p.await(fmt.Sprintf("the log to say %q", text), func() bool { return strings.Contains(p.log.String(), text) })
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(sig))
}

// exit waits for the process to end and returns its exit code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		require.Failf(p.t, "still running", "after %s", patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop ends the process with SIGTERM, and requires that it ends cleanly.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	require.Equal(p.t, 0, p.exit(), "exit code after SIGTERM")
}

// get returns status and body of a path.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	resp, err := http.Get(p.URL + path)
	require.NoError(p.t, err)
	return readAll(p.t, resp)
}

// post posts a body to a path, and returns status and body of the answer.
func (p *process) post(path, contentType, body string) (int, string) {
	p.t.Helper()
	resp, err := http.Post(p.URL+path, contentType, strings.NewReader(body))
	require.NoError(p.t, err)
	return readAll(p.t, resp)
}

func readAll(t *testing.T, resp *http.Response) (int, string) {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}
