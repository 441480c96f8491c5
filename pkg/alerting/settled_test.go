package alerting

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// logged is a notification log with fixed answers.
type logged []*nflogpb.Entry

func (l logged) Query(...nflog.QueryParam) ([]*nflogpb.Entry, error) { return l, nil }

func (l logged) Log(*nflogpb.Receiver, string, []uint64, []uint64, *nflog.Store, time.Duration) error {
	return nil
}

func TestHashAlert_IsUpstreams(t *testing.T) {
	a := &alert.Alert{Alert: model.Alert{Labels: model.LabelSet{"alertname": "A", "job": "x", "zone": "é", "empty": ""}}}
	ctx := notify.WithRepeatInterval(notify.WithGroupKey(t.Context(), "g"), time.Hour)
	ctx, _, err := notify.NewDedupStage(lostIntegration{}, logged{}, &nflogpb.Receiver{}).Exec(ctx, slog.New(slog.DiscardHandler), a)
	require.NoError(t, err)
	firing, ok := notify.FiringAlerts(ctx)
	require.True(t, ok)
	require.Equal(t, []uint64{hashAlert(a)}, firing)
}

func TestFlush_WithoutSettledKeepsWhatIsOwed(t *testing.T) {
	now := time.Now()
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	made := func(name string, end time.Time) *alert.Alert {
		return &alert.Alert{Alert: model.Alert{Labels: model.LabelSet{"alertname": model.LabelValue(name)}, StartsAt: at(-60), EndsAt: end}}
	}
	firing, told, old, recent := made("firing", time.Time{}), made("told", at(-30)), made("old", at(-30)), made("recent", at(-5))
	all := []*alert.Alert{firing, told, old, recent}
	entries := []*nflogpb.Entry{
		{Timestamp: timestamppb.New(at(-10)), FiringAlerts: []uint64{1}},
		{Timestamp: timestamppb.New(at(-20)), FiringAlerts: []uint64{hashAlert(told)}},
	}
	stranger := &legacy{serial: 1, at: at(-1)}
	for name, c := range map[string]struct {
		before    *legacy
		entries   []*nflogpb.Entry
		succeeded time.Time
		want      []*alert.Alert
	}{
		"never told":                         {&legacy{}, nil, time.Time{}, all},
		"after a restart":                    {&legacy{}, entries, time.Time{}, []*alert.Alert{firing, told, recent}},
		"flushed since, with nothing to say": {&legacy{}, entries, at(-2), []*alert.Alert{firing, told}},
		"that came to the group only now":    {stranger, entries, at(-10), []*alert.Alert{firing, told}},
		"resolved since the stop": {
			&legacy{serial: 1, at: at(-7)}, entries, at(-10), []*alert.Alert{firing, told, recent},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, flush{before: c.before}.withoutSettled(all, c.entries, c.succeeded))
		})
	}
}
