package counters

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestRegisterer_ReadsWhatOthersRegister(t *testing.T) {
	for name, reg := range map[string]prometheus.Registerer{"registry": prometheus.NewRegistry(), "nobody": nil} {
		t.Run(name, func(t *testing.T) {
			r := Watch(reg, "failed_total", "failed_peers")
			failed := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "failed_total"}, []string{"job"})
			other := prometheus.NewCounter(prometheus.CounterOpts{Name: "other_total"})
			peers := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "failed_peers"}, func() float64 { return 3 })
			r.MustRegister(failed, other, peers)
			failed.WithLabelValues("a").Add(2)
			require.Equal(t, []Value{{map[string]string{"job": "a"}, 2}}, r.Values("failed_total"))
			require.Equal(t, []Value{{map[string]string{}, 3}}, r.Values("failed_peers"))
			require.Empty(t, r.Values("other_total"))
			require.True(t, r.Unregister(other))
			if reg != nil {
				require.Error(t, r.Register(failed), "twice")
				require.Panics(t, func() { r.MustRegister(failed) })
				require.Len(t, r.Values("failed_total"), 1)
			}
		})
	}
}

func TestRises_HoldsOnAsLongAsACounterGrowsAgainAndAgain(t *testing.T) {
	var r Rises
	begin := time.Now()
	at := func(minutes int, value float64) int {
		now := begin.Add(time.Duration(minutes) * time.Minute)
		since := r.Since("writes", value, now, 5*time.Minute)
		if since.IsZero() {
			return -1
		}
		return int(since.Sub(begin).Minutes())
	}
	require.Equal(t, -1, at(0, 0))
	require.Equal(t, 1, at(1, 2))
	require.Equal(t, 1, at(5, 2))
	require.Equal(t, 1, at(6, 3), "it grew again within five minutes")
	require.Equal(t, 1, at(11, 3))
	require.Equal(t, -1, at(12, 3))
	require.Equal(t, begin.Add(6*time.Minute), r.Last("writes"))
	require.Equal(t, 20, at(20, 4))
	require.True(t, r.Last("reads").IsZero())
	require.True(t, r.Since("reads", 0, begin, time.Minute).IsZero())
}
