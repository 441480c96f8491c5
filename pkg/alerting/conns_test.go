package alerting

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConnections_CloseEndsOpenOnesAndRefusesNewOnes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	c := newConnections()
	dial := func() (net.Conn, error) { return c.dial(t.Context(), "tcp", listener.Addr().String()) }
	first, err := dial()
	require.NoError(t, err)
	second, err := dial()
	require.NoError(t, err)
	require.NoError(t, first.Close())
	require.Len(t, c.open, 1)
	c.close()
	_, err = second.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = dial()
	require.ErrorContains(t, err, "alerting is stopped")
}
