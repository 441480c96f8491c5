package frontend

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// Secret is in everything that a [Frontend] says and that nobody may repeat.
const Secret = "canary-of-the-databases"

// Call is one call that was made.
type Call struct {
	Protocol  string // "grpc" or "http"
	Actor     string // X-Sourcegraph-Actor-UID
	UserAgent string
	At        time.Time
}

// Frontend is a stand-in for a Sourcegraph frontend. Its methods are safe for
// concurrent use.
type Frontend struct {
	t            testing.TB
	address      string
	toGRPC       *handed
	toHTTP       *handed
	wg           sync.WaitGroup
	stopped      context.Context
	grpc         *grpc.Server
	http         *http.Server
	mu           sync.Mutex // guards what follows
	listener     net.Listener
	conns        []net.Conn
	connected    int // that many connections were made
	speaks       Protocols
	next, always []Answer
	calls        []Call
	arrived      chan struct{} // closed and replaced at each call
}

// Start starts a frontend on a port of its own that speaks both protocols, and stops
// it when the test ends. It answers as Set says.
func Start(t testing.TB, answers ...Answer) *Frontend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	stopped, stop := context.WithCancel(context.Background())
	f := &Frontend{
		t:       t,
		address: l.Addr().String(),
		toGRPC:  newHanded(l.Addr()),
		toHTTP:  newHanded(l.Addr()),
		stopped: stopped,
		arrived: make(chan struct{}),
	}
	f.Set(answers...)
	f.grpc = f.newGRPC()
	f.http = f.newHTTP()
	f.wg.Go(func() { _ = f.grpc.Serve(f.toGRPC) })
	f.wg.Go(func() { _ = f.http.Serve(f.toHTTP) })
	f.listen(l)
	t.Cleanup(func() {
		stop()
		f.Down()
		f.grpc.Stop()
		_ = f.http.Close()
		f.wg.Wait()
	})
	return f
}

// Address is the host and port that it listens on.
func (f *Frontend) Address() string { return f.address }

// Set makes it give these answers, one after the other, again and again.
func (f *Frontend) Set(answers ...Answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.always = slices.Clone(answers)
}

// SetSite makes it answer with a site configuration.
func (f *Frontend) SetSite(text string) { f.Set(Site(text)) }

// Next makes it give these answers once each, before it goes on as Set says.
func (f *Frontend) Next(answers ...Answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = append(f.next, answers...)
}

// Speak says what it speaks from now on. Connections that there are end.
func (f *Frontend) Speak(p Protocols) {
	f.mu.Lock()
	f.speaks = p
	f.mu.Unlock()
	f.Disconnect()
}

// Down makes it refuse connections, and ends those that there are.
func (f *Frontend) Down() {
	f.mu.Lock()
	l := f.listener
	f.listener = nil
	f.mu.Unlock()
	if l != nil {
		l.Close()
	}
	f.Disconnect()
}

// Up ends Down.
func (f *Frontend) Up() {
	var l net.Listener
	require.Eventually(f.t, func() bool {
		var err error
		l, err = net.Listen("tcp", f.address)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond, "listen on %s again", f.address)
	f.listen(l)
}

// Disconnect ends all connections that there are.
func (f *Frontend) Disconnect() {
	f.mu.Lock()
	conns := f.conns
	f.conns = nil
	f.mu.Unlock()
	for _, conn := range conns {
		conn.Close()
	}
}

// Calls are all that were made so far.
func (f *Frontend) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Connections is how many connections were made so far.
func (f *Frontend) Connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.connected
}

// Fetches is how many calls were made so far.
func (f *Frontend) Fetches() int { return len(f.Calls()) }

// Await waits until that many calls have been made since the start.
func (f *Frontend) Await(calls int) {
	f.t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	f.mu.Lock()
	for ; len(f.calls) < calls; f.mu.Lock() {
		arrived := f.arrived
		f.mu.Unlock()
		select {
		case <-arrived:
		case <-deadline.C:
			require.FailNow(f.t, "the frontend was not called often enough", "%d times, not %d", f.Fetches(), calls)
		}
	}
	f.mu.Unlock()
}

func (f *Frontend) listen(l net.Listener) {
	f.mu.Lock()
	f.listener = l
	f.mu.Unlock()
	f.wg.Go(func() { f.accept(l) })
}

// track remembers a connection; false where it came too late.
func (f *Frontend) track(conn net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener == nil {
		return false
	}
	f.conns = append(f.conns, conn)
	f.connected++
	return true
}

func (f *Frontend) speaking() Protocols {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.speaks
}

// called notes a call and chooses the answer, which is number id.
func (f *Frontend) called(c Call) (a Answer, id int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.At = time.Now()
	f.calls = append(f.calls, c)
	close(f.arrived)
	f.arrived = make(chan struct{})
	switch {
	case len(f.next) > 0:
		a, f.next = f.next[0], f.next[1:]
	case len(f.always) > 0:
		a = f.always[0]
		f.always = append(f.always[1:], a)
	}
	return a, len(f.calls)
}

// hold lets the time pass that an answer takes.
func (f *Frontend) hold(ctx context.Context, a Answer) error {
	var due <-chan time.Time // never
	if !a.Hang {
		timer := time.NewTimer(a.Delay)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
		return nil
	case <-f.stopped.Done():
		return errors.New("the frontend stops")
	case <-ctx.Done():
		return ctx.Err()
	}
}
