package alerting

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newMember is a started Manager in a cluster with those at the given addresses.
func newMember(t *testing.T, peers ...string) *harness {
	return newHarness(t, func(o *Options, _ *Deps) { inCluster(o, peers...) }).start()
}

func inCluster(o *Options, peers ...string) {
	o.Cluster.ListenAddress = "127.0.0.1:0"
	o.Cluster.Peers = peers
	o.Cluster.GossipInterval = 10 * time.Millisecond
	o.Cluster.PeerTimeout = 500 * time.Millisecond
}

func (h *harness) clusterAddress() string { return h.engine.peer.Self().Address() }

func TestCluster_SilenceReachesPeer(t *testing.T) {
	hook := newWebhook(t, nil)
	first := newMember(t)
	first.apply(effective(t, webhookYML(hook.URL)))
	first.silence(silenceText("", "Early", "test", time.Now().Add(time.Hour)))

	second := newMember(t, first.clusterAddress())
	second.apply(effective(t, webhookYML(hook.URL)))
	require.Eventually(t, func() bool { return first.engine.peer.ClusterSize() == 2 }, patience, tick, "the second has not joined")
	first.silence(silenceText("", "Late", "test", time.Now().Add(time.Hour)))
	api := second.serve().URL + "/alertmanager/api/v2"
	require.Eventually(t, func() bool {
		_, body := request(t, http.MethodGet, api+"/silences", "")
		return strings.Contains(body, "Early") && strings.Contains(body, "Late")
	}, patience, tick, "the silences have not come over")
	requireMetric(t, second.reg, 1, "alertmanager_cluster_enabled")
	_, body := request(t, http.MethodGet, api+"/status", "")
	require.Contains(t, body, first.engine.peer.Name())

	// Both have the alert; the notification log of one keeps the other from sending.
	for _, h := range []*harness{first, second} {
		require.Eventually(t, h.engine.peer.Ready, patience, tick, "the cluster does not settle")
		h.fire("DiskFull", "Late")
	}
	hook.requireMessages(t, 1)
	requireMetric(t, second.reg, 1, "alertmanager_notifications_suppressed_total", "reason", "silence")
	first.stop()
	second.stop()
	require.Equal(t, 1, hook.requests())
}

func TestCluster_StopFreesAddress(t *testing.T) {
	h := newMember(t)
	address := h.clusterAddress()
	_, err := net.Listen("tcp", address)
	require.Error(t, err, "the cluster listens")
	h.stop()
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	listener.Close()
}

func TestCluster_AddressInUseFailsNew(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	opts, deps := newInputs(t)
	opts.Cluster.ListenAddress = listener.Addr().String()
	_, err = New(opts, deps)
	require.ErrorContains(t, err, listener.Addr().String())
}

func TestCluster_BadTLSConfigurationFailsNew(t *testing.T) {
	opts, deps := newInputs(t)
	opts.Cluster.ListenAddress = "127.0.0.1:0"
	opts.Cluster.TLSConfigFile = filepath.Join(t.TempDir(), "tls.yml")
	_, err := New(opts, deps)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(opts.Cluster.TLSConfigFile, []byte("tls_client_config: {}"), 0o600))
	_, deps = newInputs(t)
	_, err = New(opts, deps)
	require.ErrorContains(t, err, "tls_server_config")
}

func TestCluster_UnreachablePeerHoldsUpNeitherStartNorStop(t *testing.T) {
	hook := newWebhook(t, nil)
	h := newMember(t, "127.0.0.1:1")
	h.apply(effective(t, webhookYML(hook.URL)))
	h.fire("DiskFull")
	hook.requireMessages(t, 1)
}

func TestCluster_GossipsOverMutualTLS(t *testing.T) {
	tlsFile := writeTLS(t)
	secure := func(peers ...string) *harness {
		return newHarness(t, func(o *Options, _ *Deps) {
			o.Cluster.ListenAddress = "127.0.0.1:0"
			o.Cluster.Peers = peers
			o.Cluster.TLSConfigFile = tlsFile
			o.DrainTimeout = 200 * time.Millisecond
		}).start()
	}
	first := secure()
	second := secure(first.clusterAddress())
	require.Eventually(t, func() bool {
		return first.engine.peer.ClusterSize() == 2 && second.engine.peer.ClusterSize() == 2
	}, patience, tick, "they do not find each other")
	address := first.clusterAddress()
	first.stop()
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	listener.Close()
}

// writeTLS makes a certificate that vouches for itself and returns the path of a
// cluster.tls-config that uses it on both sides.
func writeTLS(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	certificate := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"cert.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"key.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
		"tls.yml": `
tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: cert.pem, client_auth_type: RequireAndVerifyClientCert}
tls_client_config: {cert_file: cert.pem, key_file: key.pem, ca_file: cert.pem}
`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return filepath.Join(dir, "tls.yml")
}

func TestLeaveTimeout_IsASmallShare(t *testing.T) {
	require.Equal(t, time.Second, leaveTimeout(Options{DrainTimeout: 8 * time.Second}))
	require.Equal(t, 200*time.Millisecond, leaveTimeout(Options{}))
	require.Equal(t, time.Second, leaveTimeout(Options{Cluster: ClusterOptions{GossipInterval: 200 * time.Millisecond}}))
}
