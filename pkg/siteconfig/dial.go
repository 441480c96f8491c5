package siteconfig

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// dialTimeout bounds the making of a connection. A frontend is near.
const dialTimeout = 5 * time.Second

// dialer makes the connections for gRPC and remembers what became of the last: gRPC's
// own errors tell it in words only.
type dialer struct {
	address *url.URL
	tls     *tls.Config // for https

	mu    sync.Mutex // guards what follows
	err   error      // of the last dial
	http1 *atomic.Bool
}

func newDialer(address *url.URL) *dialer {
	return &dialer{address: address, tls: &tls.Config{NextProtos: []string{"h2", "http/1.1"}}}
}

// errNoHTTP2 is that of a server that will not speak HTTP/2 over TLS.
var errNoHTTP2 = errors.New("the server does not speak HTTP/2")

func (d *dialer) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := d.connect(ctx, address)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.http1 = err, new(atomic.Bool)
	if err != nil {
		return nil, err
	}
	return &heardConn{Conn: conn, http1: d.http1}, nil
}

func (d *dialer) connect(ctx context.Context, address string) (net.Conn, error) {
	plain := net.Dialer{Timeout: dialTimeout}
	if d.address.Scheme != "https" {
		return plain.DialContext(ctx, "tcp", address)
	}
	secure := tls.Dialer{NetDialer: &plain, Config: d.tls}
	conn, err := secure.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if conn.(*tls.Conn).ConnectionState().NegotiatedProtocol != "h2" {
		conn.Close()
		return nil, errNoHTTP2
	}
	return conn, nil
}

// last says whether the other side has answered as only HTTP/1 does, and what the last
// dial ended with.
func (d *dialer) last() (http1 bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.http1 != nil && d.http1.Load(), d.err
}

// heardConn tells whether the first that is read begins like an answer of HTTP/1.
type heardConn struct {
	net.Conn
	heard bool
	http1 *atomic.Bool
}

func (c *heardConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.heard {
		c.heard = true
		c.http1.Store(bytes.HasPrefix(b[:n], []byte("HTTP/")))
	}
	return n, err
}
