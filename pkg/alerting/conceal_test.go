package alerting

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/alertmanager/alert"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/stretchr/testify/require"
)

type failing struct{ err error }

func (f failing) Notify(context.Context, ...*alert.Alert) (bool, error) { return true, f.err }

func TestConcealed_HidesEverySecretOfTheReceiver(t *testing.T) {
	conf, err := amconfig.Load(`
global: { slack_api_url: "http://example.org/s-l-a-c-k" }
route: { receiver: r }
receivers:
  - name: r
    webhook_configs: [ { url: "http://example.org/w-e-b", http_config: { basic_auth: { username: u, password: p-a-s-s } } } ]
    slack_configs: [ { channel: c } ]
    pagerduty_configs: [ { routing_key: k-e-y } ]
`)
	require.NoError(t, err)
	cause := errors.New("said http://example.org/s-l-a-c-k and http://example.org/w-e-b with p-a-s-s and k-e-y to /bot123:fromfile/send")
	n := concealed{inner: failing{cause}, secrets: secretsIn(conf.Receivers[0])}
	retry, err := n.Notify(t.Context())
	require.True(t, retry)
	require.ErrorIs(t, err, cause)
	require.EqualError(t, err, "said <secret> and <secret> with <secret> and <secret> to /bot<secret>/send")
}

func TestConcealed_LeavesOtherErrorsAlone(t *testing.T) {
	cause := errors.New("unexpected status code 503")
	_, err := concealed{inner: failing{cause}, secrets: []string{"hush"}}.Notify(t.Context())
	require.Equal(t, cause, err)
}
