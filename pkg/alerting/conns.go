package alerting

import (
	"context"
	"errors"
	"net"
	"sync"
)

// connections are those to receivers. The engine builds an HTTP client for each
// integration, keeps it to itself and never closes what it keeps open: without
// this a stopped server would leave sockets and goroutines for five minutes.
type connections struct {
	connect func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex // guards what follows
	open   map[*connection]struct{}
	closed bool
}

func newConnections() *connections {
	var dialer net.Dialer
	return &connections{connect: dialer.DialContext, open: map[*connection]struct{}{}}
}

func (c *connections) dial(ctx context.Context, network, address string) (net.Conn, error) {
	up, err := c.connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := &connection{Conn: up, of: c}
	if !c.add(conn) {
		up.Close()
		return nil, errors.New("alerting is stopped")
	}
	return conn, nil
}

func (c *connections) add(conn *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.open[conn] = struct{}{}
	return true
}

func (c *connections) remove(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

// close closes all connections and refuses new ones.
func (c *connections) close() {
	c.mu.Lock()
	open := c.open
	c.open, c.closed = map[*connection]struct{}{}, true
	c.mu.Unlock()
	for conn := range open {
		conn.Conn.Close()
	}
}

// connection is a connection that is forgotten when it is closed.
type connection struct {
	net.Conn
	of *connections
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.of.remove(c)
	return c.Conn.Close()
}
