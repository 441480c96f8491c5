package web

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// asChild is set in the process that gets sockets as systemd passes them.
const asChild = "WEB_TEST_SYSTEMD_CHILD"

func TestListen_TakesOverSocketsOfSystemd(t *testing.T) {
	if os.Getenv(asChild) != "" {
		listenAsChild(t)
		return
	}
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer stream.Close()
	streamFile, err := stream.(*net.TCPListener).File()
	require.NoError(t, err)
	defer streamFile.Close()
	datagram, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer datagram.Close()
	datagramFile, err := datagram.(*net.UDPConn).File()
	require.NoError(t, err)
	defer datagramFile.Close()

	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), asChild+"="+stream.Addr().String())
	child.ExtraFiles = []*os.File{datagramFile, streamFile}
	output, err := child.CombinedOutput()
	require.NoError(t, err, "%s", output)
}

func listenAsChild(t *testing.T) {
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	t.Setenv("LISTEN_FDS", "2")
	opts := listenOptions()
	opts.SystemdSocket = true
	l, err := Listen(opts, discard)
	require.NoError(t, err)
	require.Len(t, l.public, 1, "the datagram socket is left out")
	require.Equal(t, os.Getenv(asChild), l.Addr())
	require.NoError(t, l.Close())
}
