package alerting

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"testing"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/notify"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
)

func TestWithLost_SurvivorsKeepTheirIndexInTheText(t *testing.T) {
	conf := effective(t, routeYML("team")+`
receivers:
- name: team
  webhook_configs: [{url: 'http://a'}, {url: 'http://b'}]
  pagerduty_configs: [{routing_key: a}]
  email_configs: [{to: a@x, from: b@x, smarthost: 'c:25'}, {to: a@x, from: b@x, smarthost: 'c:25'}]
`).Alertmanager
	tmpl, err := newTemplate(nil, &url.URL{})
	require.NoError(t, err)
	built, err := receiver.BuildReceiverIntegrations(conf.Receivers[0], tmpl, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	all := wrapped(conf.Receivers[0], built, []config.Integration{
		{Receiver: "team", Type: "webhook", Index: 2, Reason: "x"},
		{Receiver: "team", Type: "webhook", Index: 0, Reason: "x"},
		{Receiver: "team", Type: "email", Index: 1, Reason: "x"},
		{Receiver: "team", Type: "slack", Index: 0, Reason: "x"},
	})
	var names []string
	for i := range all {
		names = append(names, all[i].String())
	}
	require.Equal(t, []string{
		"webhook[1]", "webhook[3]", "email[0]", "email[2]", "pagerduty[0]",
		"webhook[2]", "webhook[0]", "email[1]", "slack[0]",
	}, names)
}

func TestLostIntegration_FailsWithoutRetry(t *testing.T) {
	l := lostIntegration{lostError(config.Integration{Receiver: "x", Type: "webhook", Index: 1, Reason: "no url"})}
	retry, err := l.Notify(t.Context())
	require.False(t, retry)
	require.EqualError(t, err, `integration webhook[1] of receiver "x" is set aside: no url`)
	require.True(t, l.SendResolved())
}

func TestCheckIntegration_TellsWhatWouldFailToBuild(t *testing.T) {
	good := effective(t, webhookYML("http://a")).Alertmanager.Receivers[0]
	require.NoError(t, CheckIntegration(good, nil))
	bad := effective(t, webhookYML("http://a\n    http_config: {tls_config: {ca_file: /does/not/exist}}")).Alertmanager.Receivers[0]
	require.ErrorContains(t, CheckIntegration(bad, nil), "/does/not/exist")
}

type notifierFunc func(context.Context) (bool, error)

func (f notifierFunc) Notify(ctx context.Context, _ ...*alert.Alert) (bool, error) { return f(ctx) }

func TestBoundedNotifier_ReturnsWithItsContextAndBoundsWhatHangs(t *testing.T) {
	release := make(chan struct{})
	b := &boundedNotifier{
		inner:   notifierFunc(func(context.Context) (bool, error) { <-release; return false, nil }),
		hanging: make(chan struct{}, maxHanging),
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for range maxHanging {
		retry, err := b.Notify(done)
		require.True(t, retry)
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err := b.Notify(done)
	require.ErrorIs(t, err, errHanging)
	close(release)
	require.Eventually(t, func() bool { return len(b.hanging) == 0 }, patience, tick, "places are not given back")
	_, err = b.Notify(t.Context())
	require.NoError(t, err)
}

func TestBoundedNotifier_PassesOutcomeOn(t *testing.T) {
	full := errors.New("mailbox full")
	b := &boundedNotifier{
		inner:   notifierFunc(func(context.Context) (bool, error) { return true, full }),
		hanging: make(chan struct{}, 1),
	}
	retry, err := b.Notify(t.Context())
	require.True(t, retry)
	require.ErrorIs(t, err, full)
	integration := notify.NewIntegration(b.inner, lostIntegration{}, "webhook", 0, "x")
	require.Same(t, &integration, bounded(&integration))
}
