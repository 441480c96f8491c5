package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server is srcprom through several lives on one directory and address: each ends
// with a signal, and the next begins with what the one before has left behind.
type server struct {
	*process // of the present life; dead between two lives

	t      *testing.T
	launch launch
	sinks  []*sink
	ends   []lifeEnd // of the lives so far
}

// lifeEnd is when and how a life ended.
type lifeEnd struct {
	began time.Time // when the signal was sent
	dead  time.Time // when the process was gone
	clean bool      // with exit code 0, by itself
}

// newServer begins the first life, and waits until it is ready. The sinks get its
// notifications; they tell its lives apart.
func newServer(t *testing.T, l launch, sinks ...*sink) *server {
	t.Helper()
	if l.dir == "" {
		l.dir = t.TempDir()
	}
	s := &server{t: t, launch: l, sinks: sinks}
	address := steadyAddress(t)
	s.launch.args = append([]string{"--web.listen-address=" + address}, l.args...)
	s.begin(address)
	s.launch.files = nil // written; later lives find what tests have made of them
	s.awaitReady()
	return s
}

// begin starts the next life, and does not wait for anything.
func (s *server) begin(address string) {
	s.t.Helper()
	s.process = start(s.t, s.launch)
	s.process.URL = "http://" + address
}

// again begins the next life, and waits until it is ready.
func (s *server) again() {
	s.t.Helper()
	s.begin(strings.TrimPrefix(s.process.URL, "http://"))
	s.awaitReady()
}

// kill ends the life with SIGKILL.
func (s *server) kill() {
	s.t.Helper()
	s.endWith(syscall.SIGKILL)
}

// restart ends the life with a signal and begins the next.
func (s *server) restart(sig syscall.Signal) {
	s.t.Helper()
	s.endWith(sig)
	s.again()
}

// endWith ends the life with a signal, and waits until nothing of it is on its way
// any more. SIGTERM must end it cleanly.
func (s *server) endWith(sig syscall.Signal) {
	s.t.Helper()
	began := time.Now()
	s.signal(sig)
	s.ended(began)
	if sig == syscall.SIGTERM {
		require.Equal(s.t, 0, s.cmd.ProcessState.ExitCode(), "exit code after SIGTERM")
	}
}

// ended records the end of a life that a signal ends.
func (s *server) ended(began time.Time) {
	s.t.Helper()
	s.exit()
	s.ends = append(s.ends, lifeEnd{began: began, dead: time.Now(), clean: s.cmd.ProcessState.ExitCode() == 0})
	for _, sink := range s.sinks {
		sink.nextLife()
	}
}

// steadyAddress is an address on which nothing listens, and which no outgoing
// connection is given: those have ports from 32768 on.
func steadyAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		listener, err := net.Listen("tcp", address)
		if err == nil {
			require.NoError(t, listener.Close())
			return address
		}
	}
	require.Fail(t, "no free port between 20000 and 32000")
	return ""
}

// lone sends each request on a connection of its own, since those to a server that
// dies are of no use to the next one.
var lone = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   patience,
}

// call sends a request to a server that may die meanwhile: then there is an error,
// and nobody knows whether it took effect.
func call(method, url, body string) (status int, answer string, err error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := lone.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// getJSON decodes what a path answers with status 200.
func (p *process) getJSON(path string, into any) {
	p.t.Helper()
	status, body, err := call(http.MethodGet, p.URL+path, "")
	require.NoError(p.t, err)
	require.Equal(p.t, http.StatusOK, status, body)
	require.NoErrorf(p.t, json.Unmarshal([]byte(body), into), "%s: %s", path, body)
}

// do sends a request that has to be answered with 200, and returns the answer.
func (p *process) do(method, path string, body any) string {
	p.t.Helper()
	text := ""
	if body != nil {
		text = jsonOf(p.t, body)
	}
	status, answer, err := call(method, p.URL+path, text)
	require.NoError(p.t, err)
	require.Equalf(p.t, http.StatusOK, status, "%s %s: %s", method, path, answer)
	return answer
}
