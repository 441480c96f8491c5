package alerting

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

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

// Upstream says nothing elsewhere of a group that it makes.
func TestDispatcher_NotesEachGroupThatIsMade(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	h.fire("A", "B")
	hook.requireMessages(t, 2)
	d := h.engine.dispatcher.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	require.Contains(t, d.made, `{}:{alertname="A"}`)
	require.Contains(t, d.made, `{}:{alertname="B"}`)
}
