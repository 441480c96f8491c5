package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience bounds one control of one program.
const patience = time.Minute

// program is what a control is played to.
type program struct {
	name string
	path string
	args func(address string) []string
	api  string // what stands before /api/v2
}

func alertmanager(peers string) (program, error) {
	path, err := absolute(peers, "alertmanager")
	return program{name: "Alertmanager", path: path, args: func(address string) []string {
		return []string{
			"--config.file=alertmanager.yml", "--storage.path=data",
			"--web.listen-address=" + address, "--cluster.listen-address=",
		}
	}}, err
}

func srcprom(bin string) (program, error) {
	path, err := absolute(bin, "srcprom-lean")
	return program{name: "srcprom", path: path, api: "/alertmanager", args: func(address string) []string {
		return []string{
			"--config.file=prometheus.yml", "--alertmanager.config.file=alertmanager.yml", "--storage.tsdb.path=data",
			"--web.listen-address=" + address, "--web.enable-lifecycle", "--monitoring.builtin=none",
		}
	}}, err
}

// subject is a program through several lives on one directory and address.
type subject struct {
	ctx      context.Context
	program  program
	dir      string
	receiver *receiver

	address string
	cmd     *exec.Cmd
	exited  chan struct{} // closed when cmd has ended
	log     output
	serial  int
}

// begin starts the program and waits until it is ready. A configuration that is
// given is written first.
func (s *subject) begin(config string) error {
	if config != "" {
		if err := os.WriteFile(filepath.Join(s.dir, "alertmanager.yml"), []byte(config), 0o600); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.dir, "prometheus.yml"), nil, 0o600); err != nil {
			return err
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.address = listener.Addr().String()
		if err := listener.Close(); err != nil {
			return err
		}
	}
	s.cmd = exec.CommandContext(s.ctx, s.program.path, s.program.args(s.address)...)
	s.cmd.Dir = s.dir
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	cmd, exited := s.cmd, make(chan struct{})
	s.exited = exited
	go func() {
		defer close(exited)
		_ = cmd.Wait() // how it ended does not matter
	}()
	return s.awaitReady()
}

func (s *subject) awaitReady() error {
	for {
		status, _, err := s.call(http.MethodGet, "/-/ready", nil)
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%s has ended", s.program.name)
		default:
		}
		if err := s.pause(10 * time.Millisecond); err != nil {
			return fmt.Errorf("wait for it to be ready: %w", err)
		}
	}
}

// end sends a signal; the channel gets one value when the process has ended.
func (s *subject) end(sig syscall.Signal) <-chan error {
	done := make(chan error, 1)
	if err := s.cmd.Process.Signal(sig); err != nil {
		done <- err
		return done
	}
	go func() {
		select {
		case <-s.exited:
			done <- nil
		case <-s.ctx.Done():
			done <- fmt.Errorf("wait for the end after %s: %w", sig, s.ctx.Err())
		}
	}()
	return done
}

// kill ends whatever runs.
func (s *subject) kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

func (s *subject) restart(sig syscall.Signal) error {
	if err := <-s.end(sig); err != nil {
		return err
	}
	return s.begin("")
}

func (s *subject) reload() error {
	return s.must(http.MethodPost, "/-/reload", nil, nil)
}

// post posts an alert of a team, with an end where one is given.
func (s *subject) post(name, team string, end time.Time) error {
	alert := map[string]any{"labels": map[string]string{"alertname": name, "team": team}}
	if !end.IsZero() {
		alert["endsAt"] = end
	}
	return s.must(http.MethodPost, s.program.api+"/api/v2/alerts", []any{alert}, nil)
}

// deliver posts an alert and waits until the receiver has taken it.
func (s *subject) deliver(name string) error {
	if err := s.post(name, "x", time.Time{}); err != nil {
		return err
	}
	return s.receiver.await(s.ctx, func(r request) bool { return r.says(name, "firing") && r.answered })
}

// ticks returns when each group has been looked at twice more: another one has.
func (s *subject) ticks() error {
	s.serial++
	team := fmt.Sprintf("ticks%d", s.serial)
	for i := range 3 {
		name := fmt.Sprintf("%s-%d", team, i)
		if err := s.post(name, team, time.Time{}); err != nil {
			return err
		}
		if err := s.receiver.await(s.ctx, func(r request) bool { return r.says(name, "firing") && r.answered }); err != nil {
			return err
		}
	}
	return nil
}

func (s *subject) silence() (id string, err error) {
	var made struct{ SilenceID string }
	err = s.must(http.MethodPost, s.program.api+"/api/v2/silences", map[string]any{
		"matchers": []map[string]any{{"name": "alertname", "value": "A", "isRegex": false, "isEqual": true}},
		"startsAt": time.Now(), "endsAt": time.Now().Add(time.Hour), "createdBy": "control", "comment": "control",
	}, &made)
	return made.SilenceID, err
}

func (s *subject) hasSilence(id string) (bool, error) {
	status, body, err := s.call(http.MethodGet, s.program.api+"/api/v2/silence/"+id, nil)
	return status == http.StatusOK && strings.Contains(body, `"active"`), err
}

// must sends a request that has to be answered with 200.
func (s *subject) must(method, path string, body, answer any) error {
	status, text, err := s.call(method, path, body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s %s: status %d: %s", method, path, status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal([]byte(text), answer)
}

func (s *subject) call(method, path string, body any) (status int, answer string, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return 0, "", err
		}
	}
	req, err := http.NewRequestWithContext(s.ctx, method, "http://"+s.address+path, bytes.NewReader(text))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true // the next request may be to another life
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(read), err
}

func (s *subject) pause(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
