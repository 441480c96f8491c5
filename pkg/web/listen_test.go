package web

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var discard = slog.New(slog.DiscardHandler)

func listenOptions(addresses ...string) Options {
	opts := DefaultOptions()
	opts.ListenAddresses = addresses
	return opts
}

func TestListen_PortInUseIsOneClearLine(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	taken := other.Addr().String()

	_, err = Listen(listenOptions(taken), discard)
	require.EqualError(t, err, `listen on "`+taken+`": address already in use: stop the process that holds it, or choose another address with --web.listen-address`)

	opts := listenOptions("127.0.0.1:0")
	opts.InternalListenAddresses = []string{taken}
	_, err = Listen(opts, discard)
	require.EqualError(t, err, `listen on "`+taken+`": address already in use: stop the process that holds it, or choose another internal address`)
}

func TestListen_FailureReleasesWhatWasBound(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	free := first.Addr().String()
	require.NoError(t, first.Close())
	second, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer second.Close()

	_, err = Listen(listenOptions(free, second.Addr().String()), discard)
	require.ErrorContains(t, err, "address already in use")
	again, err := net.Listen("tcp", free)
	require.NoError(t, err, "the first address must be free again")
	require.NoError(t, again.Close())
}

func TestListen_AddressThatIsNotOursNamesTheReason(t *testing.T) {
	_, err := Listen(listenOptions("192.0.2.1:9090"), discard)
	require.ErrorContains(t, err, `listen on "192.0.2.1:9090": `)
	require.NotContains(t, err.Error(), "\n")
}

func TestListen_ChecksWebConfigurationFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	for text, part := range map[string]string{
		"basic_auth_users: {a: plain}\n":                 "crypto/bcrypt",
		"tls_server_config: {cert_file: missing.pem}":    "missing one of key or key_file",
		"one: 1\ntwo: 2\n":                               "field two not found",
		"tls_server_config: {cert_file: a, key_file: b}": "read cert_file",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		opts := listenOptions("192.0.2.1:9090") // cannot be bound either
		opts.WebConfigFile = file
		_, err := Listen(opts, discard)
		require.ErrorContains(t, err, "check web configuration file")
		require.ErrorContains(t, err, part)
		require.NotContains(t, err.Error(), "\n")
	}
	opts := listenOptions("127.0.0.1:0")
	opts.WebConfigFile = filepath.Join(t.TempDir(), "none.yml")
	_, err := Listen(opts, discard)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestListen_SystemdWithoutSocketsSaysWhatToDo(t *testing.T) {
	opts := listenOptions()
	opts.SystemdSocket = true
	_, err := Listen(opts, discard)
	require.ErrorContains(t, err, "start through the socket unit")
}

func TestListeners_KnowTheBoundPort(t *testing.T) {
	opts := listenOptions("127.0.0.1:0", "127.0.0.1:0")
	opts.RoutePrefix = "prom"
	l, err := Listen(opts, discard)
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr())
	require.NoError(t, err)
	require.NotEqual(t, "0", port)
	require.True(t, strings.HasSuffix(l.ExternalURL().Host, ":"+port), "%s", l.ExternalURL())
	require.Equal(t, "/prom", l.RoutePrefix())
}

func TestListeners_CloseTwiceReleasesOnce(t *testing.T) {
	l, err := Listen(listenOptions("127.0.0.1:0"), discard)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	_, err = l.self.dial(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
}
