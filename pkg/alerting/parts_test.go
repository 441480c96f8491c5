package alerting

import (
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestPartsOf_KindsAreUpstreams(t *testing.T) {
	for _, p := range partsOf(effective(t, allKinds).Alertmanager.Receivers[0]) {
		built, err := receiver.BuildReceiverIntegrations(p.alone, unread(), slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.Len(t, built, 1)
		require.Equal(t, p.kind, built[0].Name())
	}
	require.Len(t, partsOf(effective(t, allKinds).Alertmanager.Receivers[0]), 5)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[amconfig.Receiver]()) {
		require.Equal(t, field.Type.Kind() == reflect.Slice, strings.HasSuffix(field.Name, "Configs"), field.Name)
	}
}

// The configuration that runs is read by who plans the next one.
func TestPart_BuildWritesNothingIntoTheConfiguration(t *testing.T) {
	const text = `
route: { receiver: all }
receivers:
  - name: all
    email_configs: [ { to: a@example.org, from: b@example.org, smarthost: "localhost:25", require_tls: false, tls_config: { insecure_skip_verify: true } } ]
    pagerduty_configs: [ { routing_key: k } ]
`
	built, unread := effective(t, text).Alertmanager.Receivers[0], unread()
	for _, p := range partsOf(built) {
		_, err := p.build(unread, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
	}
	require.Equal(t, effective(t, text).Alertmanager.Receivers[0], built)
}

func TestTextIndex_CountsWhatIsSetAside(t *testing.T) {
	lost := []config.Integration{{Type: "webhook", Index: 2}, {Type: "webhook", Index: 0}, {Type: "email", Index: 1}}
	for index, want := range []int{1, 3, 4} {
		require.Equal(t, want, textIndex(part{kind: "webhook", index: index}, lost))
	}
}

// withCA has a webhook whose client needs a CA file, and one beside it.
func withCA(ca, url, neighbour string) string {
	return webhookYML(url+"\n    http_config: {tls_config: {ca_file: "+ca+"}}") + "  - url: " + neighbour + "\n"
}

func TestManager_IntegrationWhoseFileIsGoneGoesOn(t *testing.T) {
	hook, neighbour := newWebhook(t, nil), newWebhook(t, nil)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pemCA := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(ca, pemCA, 0o600))
	h := running(t, withCA(ca, hook.URL, "http://127.0.0.1:1"))
	require.NoError(t, os.Remove(ca))
	h.apply(effective(t, withCA(ca, hook.URL, neighbour.URL)))
	h.apply(effective(t, withCA(ca, hook.URL, neighbour.URL), withTemplate("y")))
	require.Empty(t, h.Impaired())
	require.Zero(t, h.current.Load().blueprint.receivers["team"].text)
	require.NoError(t, os.WriteFile(ca, pemCA, 0o600)) // upstream reads it at each request
	h.fire("DiskFull")
	neighbour.requireMessages(t, 1)
	hook.requireMessages(t, 1)
}

func TestManager_IntegrationThatNeverRanIsSetAside(t *testing.T) {
	neighbour := newWebhook(t, nil)
	h := running(t, withCA("/does/not/exist", "http://127.0.0.1:1", neighbour.URL))
	require.Len(t, h.Impaired(), 1)
	require.Contains(t, h.Impaired()[0], `integration webhook[0] of receiver "team" is set aside: `)
	h.apply(effective(t, withCA("/does/not/exist", "http://127.0.0.1:1", neighbour.URL), withTemplate("y")))
	require.Len(t, h.Impaired(), 1)
	h.fire("DiskFull")
	neighbour.requireMessages(t, 1)
}
