package alerting

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

func TestSecretsIn_HasThePartsThatTellAURLFromAnother(t *testing.T) {
	conf, err := amconfig.Load(`
route: { receiver: r }
receivers:
  - name: r
    webhook_configs: [ { url: "http://u:p-a-s-s@example.org/hooks/0123456789abcdef/end?sig=fedcba9876543210&v=1" } ]
    slack_configs: [ { channel: c, api_url: "http://example.org/", http_config: { basic_auth: { username: u, password: s-l-a-c-k } } } ]
`)
	require.NoError(t, err)
	secrets := secretsIn(conf.Receivers[0])
	require.IsNonIncreasing(t, lengths(secrets))
	for said, want := range map[string]string{
		"no hook 0123456789abcdef":                                "no hook <secret>",
		"/hooks/0123456789abcdef/end?sig=fedcba9876543210&v=1 is": "<secret> is",
		"sig fedcba9876543210, p-a-s-s":                           "sig <secret>, <secret>",
		"Basic dTpzLWwtYS1jLWs=":                                  "Basic <secret>",
		"/hooks/ of example.org, v=1, end":                        "/hooks/ of example.org, v=1, end",
	} {
		require.Equal(t, want, conceal(said, secrets))
	}
}

func lengths(texts []string) []int {
	var all []int
	for _, text := range texts {
		all = append(all, len(text))
	}
	return all
}

func TestSecretsInFiles_ReadsWhatTheSettingsName(t *testing.T) {
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	conf, err := amconfig.Load(fmt.Sprintf(`
route: { receiver: r }
receivers:
  - name: r
    webhook_configs: [ { url_file: %q, http_config: { authorization: { credentials_file: %q }, http_headers: { X-Key: { files: [ %q ] } } } } ]
    pagerduty_configs: [ { routing_key_file: /not/there } ]
    pushover_configs: [ { user_key_file: %q, token: t-o-k-e-n } ]
`, file("url", "http://example.org/0123456789abcdef\n"), file("credentials", " c-r-e-d-s "), file("header", "h-e-a-d-e-r"), t.TempDir()))
	require.NoError(t, err)
	require.Equal(t, []string{"http://example.org/0123456789abcdef", "/0123456789abcdef", "0123456789abcdef", "h-e-a-d-e-r", "c-r-e-d-s"}, secretsInFiles(conf.Receivers[0]))
}
