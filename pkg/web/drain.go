package web

import (
	"net"
	"net/http"
	"sync"
)

// drain knows which connections and handlers are busy, so that a stop waits for
// them and for nothing else. http.Server.Shutdown alone also waits five seconds
// for each connection on which nothing was ever sent, such as browsers open in
// advance.
type drain struct {
	mu       sync.Mutex // guards what follows
	conns    map[net.Conn]struct{}
	handlers int
	waiting  []chan struct{}
}

func newDrain() *drain {
	return &drain{conns: make(map[net.Conn]struct{})}
}

// connState is the ConnState hook of the HTTP servers. A connection counts until
// its last answer has been written out, which is after the handler has returned.
func (d *drain) connState(conn net.Conn, state http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if state == http.StateActive {
		d.conns[conn] = struct{}{}
		return
	}
	delete(d.conns, conn)
	d.signalLocked()
}

// counted counts the requests that h is serving. With HTTP/2 a handler may go on
// after its connection has become idle.
func (d *drain) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.add(1)
		defer d.add(-1)
		h.ServeHTTP(w, r)
	})
}

func (d *drain) add(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.handlers += n
	d.signalLocked()
}

// quiet returns a channel that is closed at the first moment at which nothing is
// busy.
func (d *drain) quiet() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := make(chan struct{})
	d.waiting = append(d.waiting, c)
	d.signalLocked()
	return c
}

// running is the number of requests being served.
func (d *drain) running() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.handlers
}

func (d *drain) signalLocked() {
	if d.handlers > 0 || len(d.conns) > 0 {
		return
	}
	for _, c := range d.waiting {
		close(c)
	}
	d.waiting = nil
}
