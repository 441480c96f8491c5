package e2e

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// network is a network like that of a container: nothing in it but loopback, and all
// ports free. Sockets belong to the network of the thread that makes them.
type network struct {
	calls chan func() // carried out by the network's thread
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a network of its own takes root")
	}
	n := &network{calls: make(chan func())}
	made, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := leaveNetwork()
		made <- err
		for call := range n.calls {
			call()
		}
	}()
	t.Cleanup(func() {
		close(n.calls)
		<-ended
	})
	if err := <-made; err != nil {
		t.Skipf("this machine gives no network of its own: %s", err)
	}
	return n
}

// leaveNetwork gives the thread a new network, and starts its loopback.
func leaveNetwork() error {
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(socket)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	loopback.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("ioctl", unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback))
}

// within carries f out in the network. Processes that f starts are in it.
func (n *network) within(f func()) {
	done := make(chan struct{})
	n.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (n *network) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	var l net.Listener
	var err error
	n.within(func() { l, err = net.Listen("tcp", address) })
	require.NoError(t, err)
	return l
}

func (n *network) dial(address string) (conn net.Conn, err error) {
	n.within(func() { conn, err = net.Dial("tcp", address) })
	return conn, err
}

// publish makes an address of the network reachable from outside, as a container's
// published port is, and returns where.
func (n *network) publish(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	forward(t, l, func() (net.Conn, error) { return n.dial(address) })
	return l.Addr().String()
}

// bring makes what listens outside reachable in the network.
func (n *network) bring(t *testing.T, outside, address string) {
	t.Helper()
	forward(t, n.listen(t, address), func() (net.Conn, error) { return net.Dial("tcp", outside) })
}

// forward carries connections from a listener to what dial reaches, until the test
// ends.
func forward(t *testing.T, l net.Listener, dial func() (net.Conn, error)) {
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { carry(ctx, conn, dial) })
		}
	})
	t.Cleanup(func() {
		stop()
		l.Close()
		all.Wait()
	})
}

// carry carries one connection until one of its ends closes it.
func carry(ctx context.Context, in net.Conn, dial func() (net.Conn, error)) {
	defer in.Close()
	out, err := dial()
	if err != nil {
		return
	}
	defer out.Close()
	ctx, done := context.WithCancel(ctx)
	var back sync.WaitGroup
	defer back.Wait()
	defer done()
	context.AfterFunc(ctx, func() {
		in.Close()
		out.Close()
	})
	back.Go(func() {
		defer done()
		_, _ = io.Copy(in, out) // it ends when either is closed
	})
	_, _ = io.Copy(out, in)
}
