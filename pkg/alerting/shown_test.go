package alerting

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHandler_StatusHidesAdditionalHeadersOfMail(t *testing.T) {
	h := newHarness(t, nil).start()
	conf := effective(t, `
route: { receiver: mail }
receivers:
  - name: mail
    email_configs:
      - { to: a@example.org, from: b@example.org, smarthost: "127.0.0.1:1", headers: { subject: shown, x-key: canary1234 } }
`)
	h.apply(conf)
	status, body := request(t, http.MethodGet, h.serve().URL+"/alertmanager/api/v2/status", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `X-Key: \u003csecret\u003e`)
	require.Contains(t, body, "Subject: shown")
	require.Equal(t, "canary1234", conf.Alertmanager.Receivers[0].EmailConfigs[0].Headers["X-Key"], "what is sent is what was written")
}
