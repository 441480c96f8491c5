package web

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// memoryListener accepts connections from within the process.
type memoryListener struct {
	pending chan net.Conn
	closed  chan struct{}
	close   sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{pending: make(chan net.Conn), closed: make(chan struct{})}
}

// dial returns one end of a connection as soon as the server has the other.
func (l *memoryListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.pending <- server:
		return client, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial this process: %w", net.ErrClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("dial this process: %w", context.Cause(ctx))
	}
}

// Accept waits for the next dial.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.pending:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close makes every Accept and dial fail.
func (l *memoryListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return nil
}

// Addr has no port: nobody outside can connect.
func (l *memoryListener) Addr() net.Addr {
	return memoryAddr{}
}

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "self" }
