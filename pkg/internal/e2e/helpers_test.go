package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// silence makes a silence for one hour and returns its id.
func (p *process) silence(t *testing.T, alertname string) string {
	t.Helper()
	status, body := p.post("/alertmanager/api/v2/silences", "application/json", jsonOf(t, map[string]any{
		"matchers":  []map[string]any{{"name": "alertname", "value": alertname, "isRegex": false, "isEqual": true}},
		"startsAt":  time.Now(),
		"endsAt":    time.Now().Add(time.Hour),
		"createdBy": "test",
		"comment":   "test",
	}))
	require.Equal(t, http.StatusOK, status, body)
	var answer struct{ SilenceID string }
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	return answer.SilenceID
}

// webPassword is what webConfigFiles asks for, of the user "admin".
const webPassword = "correct horse"

// webConfigFiles is a web configuration with TLS and basic authentication, with
// a certificate made for this test.
func webConfigFiles(t *testing.T) map[string]string {
	t.Helper()
	cert, key := certificate(t)
	hash, err := bcrypt.GenerateFromPassword([]byte(webPassword), bcrypt.MinCost)
	require.NoError(t, err)
	return map[string]string{
		"key.pem":  key,
		"cert.pem": cert,
		"web.yml": "tls_server_config: { cert_file: cert.pem, key_file: key.pem }\n" +
			"basic_auth_users: { admin: " + string(hash) + " }\n",
	}
}

// certificate makes a self-signed certificate for 127.0.0.1, in PEM.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// querier returns a func that runs an instant query and returns the value of
// its first sample, or "" when there is none or no answer.
func (p *process) querier(secured bool) func(expr string) string {
	client, base := http.DefaultClient, p.URL
	if secured {
		client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		p.t.Cleanup(client.CloseIdleConnections)
		base = "https" + strings.TrimPrefix(base, "http")
	}
	return func(expr string) string {
		req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, base+"/api/v1/query?query="+url.QueryEscape(expr), nil)
		require.NoError(p.t, err)
		req.SetBasicAuth("admin", webPassword)
		resp, err := client.Do(req)
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		if json.NewDecoder(resp.Body).Decode(&answer) != nil || len(answer.Data.Result) == 0 {
			return ""
		}
		value, _ := answer.Data.Result[0].Value[1].(string)
		return value
	}
}
