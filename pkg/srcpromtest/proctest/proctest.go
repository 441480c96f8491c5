// Package proctest is what tests need that start processes: of servers, of commands
// and of examples.
package proctest

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// Output collects what is written to it, and may be read meanwhile. The zero value
// is empty.
type Output struct {
	mu  sync.Mutex // guards what follows
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String is all that has been written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// FreeAddress is an address of the loopback interface that nothing listens on just
// now, for programs that cannot be given port 0.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("proctest: %v", err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
