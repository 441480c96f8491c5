package frontend

import (
	"bufio"
	"net"
	"sync"
)

// Protocols are what a [Frontend] speaks.
type Protocols int

// What [Frontend.Speak] takes.
const (
	Both     Protocols = iota
	GRPCOnly           // [≥5.3]
	HTTPOnly           // [≤5.1]
)

// accept hands connections to the server that speaks what the client speaks. One that
// does not speak it gets them too, when there is no other: it knows best how to say so.
func (f *Frontend) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !f.track(conn) {
			conn.Close()
			continue
		}
		f.wg.Go(func() { f.hand(conn) })
	}
}

func (f *Frontend) hand(conn net.Conn) {
	reader := bufio.NewReader(conn)
	first, err := reader.Peek(3)
	if err != nil {
		conn.Close()
		return
	}
	to := f.toHTTP
	if speaks := f.speaking(); speaks == GRPCOnly || speaks == Both && string(first) == "PRI" {
		to = f.toGRPC
	}
	to.hand(&peeked{conn, reader})
}

// peeked is a connection of which something was read before.
type peeked struct {
	net.Conn
	reader *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.reader.Read(b) }

// handed is a listener whose connections come from another.
type handed struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	close sync.Once
}

func newHanded(addr net.Addr) *handed {
	return &handed{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (h *handed) hand(conn net.Conn) {
	select {
	case h.conns <- conn:
	case <-h.done:
		conn.Close()
	}
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error {
	h.close.Do(func() { close(h.done) })
	return nil
}

func (h *handed) Addr() net.Addr { return h.addr }
