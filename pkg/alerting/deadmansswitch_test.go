package alerting

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

func switchedTo(receiver string) func(*Options, *Deps) {
	return func(o *Options, _ *Deps) { o.DeadMansSwitchReceiver = receiver }
}

func TestDeadMansSwitch_TellsItsReceiverAtEachInterval(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		n := newMemoryNet(t)
		n.answer = func(time.Duration, string, string) (int, time.Duration) { return http.StatusOK, 2 * time.Second }
		h := virtualHarness(t, n, switchedTo("watch")).start()
		conf := func(i int) *config.Effective {
			return effective(t, otherTree(i, "group_wait: 1h", "group_interval: 1h", "labels: {a: b}")+webhookReceiver("watch", "http://watch"))
		}
		h.apply(conf(0))
		lives := &notifier.Alert{
			Labels:   labels.FromStrings("alertname", DeadMansSwitch, "n", "dead"),
			StartsAt: time.Now(), EndsAt: time.Now().Add(time.Hour),
		}
		h.Send(lives)
		n.at(150 * time.Second)
		h.apply(conf(1))
		n.at(250 * time.Second)
		const group = ` watch {}/{alertname="SrcpromDeadMansSwitch"}:{alertname="SrcpromDeadMansSwitch"}: dead (200)`
		require.Equal(t, []string{"0s" + group, "1m0s" + group, "2m0s" + group, "3m0s" + group, "4m0s" + group}, texts(n.notifications()))
	})
}

func TestDeadMansSwitch_ConfigurationWithoutItsReceiverIsRefused(t *testing.T) {
	h := newHarness(t, switchedTo("watch")).start()
	_, err := h.Prepare(nil, effective(t, webhookYML("http://127.0.0.1:1")))
	require.ErrorContains(t, err, `there is none named "watch", which --alerting.dead-mans-switch.receiver names`)
	requireFaultIn(t, config.AlertmanagerDocument, err)
}

func TestDeadMansSwitch_StatusShowsTheOperatorsRoutes(t *testing.T) {
	h := newHarness(t, switchedTo("team")).start()
	h.apply(effective(t, webhookYML("http://127.0.0.1:1")))
	status, body := request(t, http.MethodGet, h.serve().URL+"/alertmanager/api/v2/status", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "receiver: team")
	require.NotContains(t, body, DeadMansSwitch)
}

func TestOptions_DeadMansSwitchNeedsAnInterval(t *testing.T) {
	opts := DefaultOptions()
	opts.DataDir, opts.DeadMansSwitchReceiver, opts.DeadMansSwitchInterval = "x", "watch", 0
	require.ErrorContains(t, opts.Validate(), "Options.DeadMansSwitchInterval is 0s: it must be positive")
}
