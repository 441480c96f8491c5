package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

// memoryNet is a receiver in memory: what reads from a real network keeps the time
// of a bubble from advancing. It is reached under every name; the name is that of
// the receiver.
type memoryNet struct {
	start   time.Time
	conns   chan net.Conn
	closed  chan struct{}
	server  *http.Server
	serving sync.WaitGroup
	answer  func(at time.Duration, receiver, group string) (status int, after time.Duration)

	mu  sync.Mutex // guards what follows
	got []told
	cut int // those that were cancelled
}

// told is one notification that was begun.
type told struct {
	At       time.Duration // since the start of the net
	Receiver string
	Group    string
	Alerts   string // in order, resolved ones in brackets
	Status   int
}

func (m told) String() string {
	return fmt.Sprintf("%s %s %s: %s (%d)", m.At, m.Receiver, m.Group, m.Alerts, m.Status)
}

func newMemoryNet(t *testing.T) *memoryNet {
	n := &memoryNet{
		start:  time.Now(),
		conns:  make(chan net.Conn),
		closed: make(chan struct{}),
		answer: func(time.Duration, string, string) (int, time.Duration) { return http.StatusOK, 0 },
	}
	n.server = &http.Server{Handler: http.HandlerFunc(n.receive)}
	n.serving.Go(func() { _ = n.server.Serve(n) })
	t.Cleanup(func() {
		require.NoError(t, n.server.Close())
		n.serving.Wait()
	})
	return n
}

func (n *memoryNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case n.conns <- server:
		return client, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (n *memoryNet) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.closed:
		return nil, errors.New("closed")
	}
}

// Close implements net.Listener.
func (n *memoryNet) Close() error {
	close(n.closed)
	return nil
}

// Addr implements net.Listener.
func (n *memoryNet) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func (n *memoryNet) receive(w http.ResponseWriter, r *http.Request) {
	var message webhookMessage
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	receiver := strings.TrimSuffix(r.Host, ":80")
	at := time.Since(n.start)
	status, after := n.answer(at, receiver, message.GroupKey)
	n.mu.Lock()
	n.got = append(n.got, told{at, receiver, message.GroupKey, message.names(), status})
	n.mu.Unlock()
	select {
	case <-time.After(after):
		w.WriteHeader(status)
	case <-r.Context().Done():
		n.mu.Lock()
		n.cut++
		n.mu.Unlock()
	}
}

func (n *memoryNet) cancelled() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut
}

func (n *memoryNet) notifications() []told {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.got)
}

// names are the alerts by their label "n", in order.
func (m webhookMessage) names() string {
	var names []string
	for _, a := range m.Alerts {
		name := a.Labels["n"]
		if a.Status == "resolved" {
			name = "(" + name + ")"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// virtualHarness is a Manager whose receivers are the names of n.
func virtualHarness(t *testing.T, n *memoryNet, edit func(*Options, *Deps)) *harness {
	h := newHarness(t, edit)
	h.engine.conns.connect = n.dial
	return h
}

// inBubble runs a Manager in virtual time whose receivers are the names of n.
func inBubble(t *testing.T, test func(t *testing.T, h *harness, n *memoryNet)) {
	t.Helper()
	virtual.Test(t, func(t *testing.T) {
		n := newMemoryNet(t)
		test(t, virtualHarness(t, n, nil).start(), n)
	})
}

// at sleeps until that long after the start of the net, and until all has come to
// rest.
func (n *memoryNet) at(d time.Duration) {
	time.Sleep(time.Until(n.start.Add(d)))
	synctest.Wait()
}

// fresh is an alert that begins to fire now.
func fresh(name string, more ...string) *notifier.Alert {
	a := firing("A", append([]string{"n", name}, more...)...)
	a.StartsAt, a.EndsAt = time.Now(), time.Now().Add(1000*time.Hour)
	return a
}

// ended is one that has just resolved, and began to fire before.
func ended(name string, more ...string) *notifier.Alert {
	return resolved("A", append([]string{"n", name}, more...)...)
}

// virtualYML has one receiver, named team, and the given lines in its route.
func virtualYML(lines ...string) string {
	return "route:\n  receiver: team\n  group_by: [alertname]\n  " + strings.Join(lines, "\n  ") +
		"\nreceivers:\n" + webhookReceiver("team", "http://team")
}

// otherTree has another tree of routes than virtualYML, with the same groups.
func otherTree(n int, lines ...string) string {
	return virtualYML(append(lines, fmt.Sprintf(`routes: [{matchers: [never="%d"]}]`, n))...)
}

func texts(all []told) []string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = one.String()
	}
	return texts
}
