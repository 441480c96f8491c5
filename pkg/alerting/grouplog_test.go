package alerting

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGroupLog_TellsOfGroupsAndPassesEverythingElseOn(t *testing.T) {
	var text bytes.Buffer
	var groups []string
	log := slog.New(groupLog{slog.NewTextHandler(&text, nil), func(group string) { groups = append(groups, group) }})
	dispatcher := log.With("component", "dispatcher").WithGroup("g")
	dispatcher.With(groupAttr, "one").Info("from a group")
	dispatcher.With(groupAttr, "two", "num_alerts", 1, "err", errors.New("broken")).Error("failed")
	dispatcher.With(groupAttr, "three", "num_alerts", 1, "err", errHeld).Error("held")
	require.Equal(t, []string{"one"}, groups)
	require.Contains(t, text.String(), "component=dispatcher g.aggrGroup=one")
	require.Contains(t, text.String(), "broken")
	require.NotContains(t, text.String(), "held")
}

// Upstream says nothing elsewhere of a group that it makes, and says its key again
// with each notification.
func TestDispatcher_NotesEachGroupWhenItIsMadeAndNotWhenItSends(t *testing.T) {
	inBubble(t, func(t *testing.T, h *harness, n *memoryNet) {
		h.apply(effective(t, virtualYML("group_wait: 30s", "group_interval: 5m")))
		n.at(time.Second)
		h.Send(fresh("a"))
		n.at(time.Minute)
		require.Equal(t, []string{toldTeam("31s", "a")}, texts(n.notifications()))
		d := h.engine.dispatcher.Load()
		d.mu.Lock()
		defer d.mu.Unlock()
		require.Equal(t, n.start.Add(time.Second), d.made[`{}:{alertname="A"}`].at)
	})
}
