package alerting

import (
	"context"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/notifier"
	"github.com/stretchr/testify/require"
)

func ruleAlerts(alerts ...*notifier.Alert) []handed { return handedBy(sourceRule, alerts) }

// names are the alerts of a batch in order, resolved ones marked.
func namesOf(batch []handed) []string {
	var names []string
	for _, a := range batch {
		name := a.Name()
		if a.Resolved() {
			name += " resolved"
		}
		names = append(names, name)
	}
	return names
}

func TestHandoff_LatestStateWinsInOldOrder(t *testing.T) {
	h := newHandoff(nil, nil)
	require.True(t, h.put(ruleAlerts(firing("A"), firing("B"), firing("A", "job", "x"))))
	require.True(t, h.put(ruleAlerts(firing("C"), resolved("A"))))
	require.Equal(t, []string{"A resolved", "B", "A", "C"}, namesOf(h.take(false)))
	require.Empty(t, h.take(false))
}

func TestHandoff_PutDoesNotWaitForDelivery(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var got []string
	h := newHandoff(func(batch []handed) {
		once.Do(func() { close(entered); <-release })
		got = append(got, namesOf(batch)...)
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.run(ctx) })
	h.put(ruleAlerts(firing("A")))
	<-entered
	for range 1000 {
		h.put(ruleAlerts(firing("B"), firing("C")))
	}
	cancel()
	close(release)
	running.Wait()
	require.Equal(t, []string{"A", "B", "C"}, got, "what waits at the end is delivered, each once")
	require.False(t, h.put(ruleAlerts(firing("D"))))
}

func TestHandoff_DeliversInBatches(t *testing.T) {
	var sizes []int
	h := newHandoff(func(batch []handed) { sizes = append(sizes, len(batch)) }, nil)
	h.deliverAll(make([]handed, 2*handoffBatch+1))
	require.Equal(t, []int{handoffBatch, handoffBatch, 1}, sizes)
}
