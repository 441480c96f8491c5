package contender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Patience bounds every wait for something that ought to happen.
const Patience = time.Minute

// Running is one contender that has been started.
type Running struct {
	layout    Layout
	processes []*process
}

// process is one child.
type process struct {
	program program
	cmd     *exec.Cmd
	log     *bytes.Buffer
	exited  chan struct{}
}

// Start starts all programs of a contender. They are stopped by Stop, and in any
// case when ctx is done.
func Start(ctx context.Context, c Contender, l Layout) (*Running, error) {
	r := &Running{layout: l}
	for _, p := range c.programs(c.Binaries, l) {
		child := &process{program: p, log: &bytes.Buffer{}, exited: make(chan struct{})}
		child.cmd = exec.CommandContext(ctx, p.path, p.args...)
		child.cmd.Dir = l.dir
		child.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir}
		child.cmd.Stdout, child.cmd.Stderr = child.log, child.log
		if err := child.cmd.Start(); err != nil {
			r.Stop()
			return nil, fmt.Errorf("start %s: %w", c.Name, err)
		}
		go func() {
			defer close(child.exited)
			_ = child.cmd.Wait() // how it ended does not matter any more
		}()
		r.processes = append(r.processes, child)
	}
	return r, nil
}

// StartReady starts a contender on a new layout and waits until it is ready.
func StartReady(ctx context.Context, c Contender, config Config) (*Running, error) {
	l, err := NewLayout(config)
	if err != nil {
		return nil, err
	}
	r, err := Start(ctx, c, l)
	if err != nil {
		return nil, err
	}
	if err := r.AwaitReady(ctx); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// URL is the root of the process that scrapes and evaluates rules.
func (r *Running) URL() string { return r.processes[0].program.url }

// Stop ends all programs and removes their files.
func (r *Running) Stop() {
	for _, p := range r.processes {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range r.processes {
		select {
		case <-p.exited:
		case <-time.After(15 * time.Second):
			_ = p.cmd.Process.Kill()
			<-p.exited
		}
	}
	r.layout.remove()
}

// AwaitReady waits until every program answers 200 to /-/ready.
func (r *Running) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(r.processes))
	for i, p := range r.processes {
		wg.Go(func() { errs[i] = p.awaitReady(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (p *process) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ready(ctx, p.program.url+"/-/ready") {
		select {
		case <-tick.C:
		case <-p.exited:
			return fmt.Errorf("%s ended before it was ready:\n%s", filepath.Base(p.program.path), p.log)
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to be ready: %w", filepath.Base(p.program.path), ctx.Err())
		}
	}
	return nil
}

func ready(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Memory is what all programs together take, in bytes: resident, and resident
// with shared pages divided among those who share them.
func (r *Running) Memory() (rss, pss float64, err error) {
	for _, p := range r.processes {
		path := fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid)
		text, readErr := os.ReadFile(path)
		if readErr != nil {
			return 0, 0, readErr
		}
		one, err := kilobytes(string(text), "Rss:")
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", path, err)
		}
		other, err := kilobytes(string(text), "Pss:")
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", path, err)
		}
		rss, pss = rss+one, pss+other
	}
	return rss, pss, nil
}

// kilobytes finds a line of smaps_rollup, and returns its value in bytes.
func kilobytes(text, key string) (float64, error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return n * 1024, err
		}
	}
	return 0, fmt.Errorf("no line %q", key)
}

// CPU is the CPU time that all programs together have used.
func (r *Running) CPU() (time.Duration, error) {
	var sum time.Duration
	for _, p := range r.processes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			return 0, err
		}
		used, err := cpuTime(string(text))
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// cpuTime reads user and system time off a line of /proc/PID/stat. They are
// fields 14 and 15, in hundredths of a second; the name, field 2, may contain
// anything but ends with the last parenthesis.
func cpuTime(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has another form: %q", stat)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, err
}
