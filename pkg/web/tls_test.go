package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// authority signs certificates for one test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir(), pool: x509.NewCertPool()}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "authority"},
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.pool.AddCert(a.cert)
	a.write(t, "ca.pem", "CERTIFICATE", der)
	return a
}

// issue writes name.pem and name.key.
func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: name},
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	a.write(t, name+".pem", "CERTIFICATE", der)
	a.write(t, name+".key", "PRIVATE KEY", private)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, name), text, 0o600))
}

// webConfig asks for TLS, a client certificate and a password.
func (a *authority) webConfig(t *testing.T) string {
	t.Helper()
	a.issue(t, "server")
	hash, err := bcrypt.GenerateFromPassword([]byte("hunter2"), bcrypt.MinCost)
	require.NoError(t, err)
	file := filepath.Join(a.dir, "web.yml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_ca_file: ca.pem
  client_auth_type: RequireAndVerifyClientCert
basic_auth_users:
  alice: %s
http_server_config:
  headers:
    X-Frame-Options: sameorigin
`, hash), 0o600))
	return file
}

func (a *authority) client(t *testing.T, certificates ...tls.Certificate) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: a.pool, Certificates: certificates},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func request(t *testing.T, method, target, user, password string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, nil)
	require.NoError(t, err)
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	return req
}

func TestServer_WebConfigGuardsThePublicDoor(t *testing.T) {
	a := newAuthority(t)
	s := startServer(t, func(o *Options, _ *Deps) {
		o.WebConfigFile = a.webConfig(t)
		o.ListenAddresses = []string{"127.0.0.1:0", "127.0.0.1:0"}
	})
	require.Equal(t, "https", s.external.Scheme, "links must lead where TLS is spoken")
	c := a.client(t, a.issue(t, "client"))
	for _, l := range s.listeners.public {
		base := "https://" + l.Addr().String()
		for _, path := range []string{"/", "/metrics", "/-/ready", "/api/v1/query?query=1", "/alertmanager/api/v2/status", "/api/srcprom/v1/ready"} {
			require.Equal(t, http.StatusOK, send(t, c, request(t, http.MethodGet, base+path, "alice", "hunter2")).status, path)
			require.Equal(t, http.StatusUnauthorized, send(t, c, request(t, http.MethodGet, base+path, "", "")).status, path)
			require.Equal(t, http.StatusUnauthorized, send(t, c, request(t, http.MethodGet, base+path, "alice", "guess")).status, path)
		}
		resp, err := c.Do(request(t, http.MethodGet, base+"/", "alice", "hunter2"))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 2, resp.ProtoMajor)
		require.Equal(t, []string{"sameorigin"}, resp.Header["X-Frame-Options"], "what the operator configured wins")
		_, err = a.client(t).Do(request(t, http.MethodGet, base+"/", "alice", "hunter2"))
		require.Error(t, err, "whoever has no certificate") // "certificate required" or, if that comes too late, a reset connection
		plain := send(t, s.http, request(t, http.MethodGet, "http://"+l.Addr().String()+"/metrics", "alice", "hunter2"))
		require.Equal(t, http.StatusBadRequest, plain.status)
	}
}

func TestServer_DialSelfScrapesPastTheGuard(t *testing.T) {
	a := newAuthority(t)
	s := startServer(t, func(o *Options, _ *Deps) {
		o.WebConfigFile = a.webConfig(t)
		o.RoutePrefix = "/prom"
		o.EnableLifecycle = true
	})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.DialSelf(ctx) }}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	for _, path := range []string{"/prom/metrics", "/prom/alertmanager/metrics"} {
		require.Equal(t, http.StatusOK, send(t, c, request(t, http.MethodGet, "http://self"+path, "", "")).status, path)
	}
	for _, other := range []string{
		"GET /metrics", "POST /prom/metrics", "GET /prom/metrics/", "GET /prom//metrics", "GET /prom/-/ready", "GET /prom/api/v1/query?query=1",
		"POST /prom/-/reload", "GET /prom/debug/pprof/cmdline", "GET /prom/api/v1/../../metrics",
	} {
		method, path := split(other)
		require.Equal(t, http.StatusForbidden, send(t, c, request(t, method, "http://self"+path, "", "")).status, other)
	}
}

func TestServer_DialSelfEndsWithTheServer(t *testing.T) {
	s := newTestServer(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("no patience"))
	_, err := s.DialSelf(ctx)
	require.ErrorContains(t, err, "no patience", "nobody serves yet")
	require.NoError(t, s.Close())
	_, err = s.DialSelf(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestServer_InternalAddressesServeEverythingWithoutWebConfig(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) {
		o.InternalListenAddresses = []string{"127.0.0.1:0", "127.0.0.1:0"}
	})
	for _, l := range s.listeners.internal {
		for _, path := range []string{"/metrics", "/alertmanager/metrics", "/api/v1/query?query=1", "/alertmanager/api/v2/silences", "/"} {
			require.Equal(t, http.StatusOK, send(t, s.http, request(t, http.MethodGet, "http://"+l.Addr().String()+path, "", "")).status, path)
		}
	}
}

func TestServer_InternalAddressesNarrowBehindWebConfig(t *testing.T) {
	a := newAuthority(t)
	s := startServer(t, func(o *Options, _ *Deps) {
		o.WebConfigFile = a.webConfig(t)
		o.InternalListenAddresses = []string{"127.0.0.1:0"}
		o.EnableLifecycle, o.EnableConfigAPI = true, true
	})
	base := "http://" + s.listeners.internal[0].Addr().String()
	for _, path := range []string{"/metrics", "/alertmanager/metrics", "/-/healthy", "/-/ready", "/alertmanager/-/healthy", "/alertmanager/-/ready"} {
		require.Equal(t, http.StatusOK, send(t, s.http, request(t, http.MethodGet, base+path, "", "")).status, path)
	}
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/alertmanager/api/v2/alerts", strings.NewReader(`[{"labels":{"alertname":"Deployed"}}]`))
	require.NoError(t, err)
	post.Header.Set("Content-Type", "application/json")
	require.Equal(t, http.StatusOK, send(t, s.http, post).status)
	for _, other := range []string{
		"GET /", "GET /api/v1/query?query=1", "GET /api/v1/status/config", "GET /alertmanager/api/v2/alerts", "POST /alertmanager/api/v2/silences",
		"POST /-/reload", "GET /api/srcprom/v1/config", "POST /api/srcprom/v1/config", "GET /debug/pprof/", "GET /federate", "GET /alertmanager/api/v2/status",
	} {
		method, path := split(other)
		answer := send(t, s.http, request(t, method, base+path, "", ""))
		require.Equal(t, http.StatusForbidden, answer.status, other)
		require.Contains(t, answer.body, "use the public one", other)
	}
}
