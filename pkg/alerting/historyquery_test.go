package alerting

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// recordedNames adds one record for each list of alert names.
func (h *harness) recordNames(notifications ...[]string) {
	for i, names := range notifications {
		r := &decision{Outcome: client.OutcomeDelivered, Receiver: fmt.Sprintf("r%d", i%2)}
		for _, name := range names {
			r.Alerts = append(r.Alerts, decidedAlert{Labels: model.LabelSet{"alertname": model.LabelValue(name), "team": "a"}})
		}
		h.engine.pipelines.history.add(r)
	}
}

func names(entries []client.HistoryEntry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Labels["alertname"])
	}
	return all
}

func TestHistory_PagesGoOnWithinANotification(t *testing.T) {
	h := newHarness(t, nil)
	h.recordNames([]string{"A", "B", "C"}, []string{"D"}, []string{"E", "F"})
	query := client.HistoryQuery{Limit: 2}
	var pages [][]string
	for {
		page, err := h.History(t.Context(), query)
		require.NoError(t, err)
		pages = append(pages, names(page.Entries))
		if page.Next == "" {
			break
		}
		query.Page = page.Next
	}
	require.Equal(t, [][]string{{"E", "F"}, {"D", "A"}, {"B", "C"}}, pages)
}

func TestHistory_QueriesSelect(t *testing.T) {
	h := newHarness(t, nil)
	h.recordNames([]string{"A", "B"}, []string{"C"}, []string{"D"})
	require.NoError(t, h.engine.state.Flush(t.Context()))
	all := h.history(client.HistoryQuery{})
	require.Equal(t, []string{"D", "C", "A", "B"}, names(reversed(all)))
	at := map[string]time.Time{}
	for _, e := range all {
		at[e.Labels["alertname"]] = e.Time
	}
	for name, c := range map[string]struct {
		query client.HistoryQuery
		want  []string
	}{
		"selector":                  {client.HistoryQuery{Matchers: []string{`{alertname=~"A|D",team="a"}`}}, []string{"D", "A"}},
		"either matchers":           {client.HistoryQuery{Matchers: []string{`alertname="A"`, `alertname="C"`}}, []string{"C", "A"}},
		"negative":                  {client.HistoryQuery{Matchers: []string{`{alertname!="A"}`}}, []string{"D", "C", "B"}},
		"none match":                {client.HistoryQuery{Matchers: []string{`{team="b"}`}}, nil},
		"receiver":                  {client.HistoryQuery{Receiver: "r1"}, []string{"C"}},
		"receiver is not a pattern": {client.HistoryQuery{Receiver: "r."}, nil},
		"outcome":                   {client.HistoryQuery{Outcome: client.OutcomeFailed}, nil},
		"start is included":         {client.HistoryQuery{Start: at["C"]}, []string{"D", "C"}},
		"end is included":           {client.HistoryQuery{End: at["C"]}, []string{"C", "A", "B"}},
		"one moment":                {client.HistoryQuery{Start: at["C"], End: at["C"]}, []string{"C"}},
		"before the records":        {client.HistoryQuery{End: time.Unix(-1, 0)}, nil},
		"far future":                {client.HistoryQuery{End: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, []string{"D", "C", "A", "B"}},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := h.History(t.Context(), c.query)
			require.NoError(t, err)
			require.Equal(t, c.want, names(page.Entries))
			require.NotNil(t, page.Entries, "an empty page is not null")
		})
	}
}

func reversed(entries []client.HistoryEntry) []client.HistoryEntry {
	var all []client.HistoryEntry
	for i := range entries {
		all = append(all, entries[len(entries)-1-i])
	}
	return all
}

func TestHistory_BadQueriesAreSaidToBe(t *testing.T) {
	h := newHarness(t, nil)
	for name, query := range map[string]client.HistoryQuery{
		"matchers":        {Matchers: []string{`{alertname=~"["}`}},
		"limit":           {Limit: 1001},
		"negative limit":  {Limit: -1},
		"outcome":         {Outcome: "lost"},
		"end":             {Start: time.Unix(2, 0), End: time.Unix(1, 0)},
		"page is no text": {Page: "%"},
		"page":            {Page: "AAAA"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.History(t.Context(), query)
			require.ErrorAs(t, err, &QueryError{})
		})
	}
}

func TestHistory_WorkForAPageIsBounded(t *testing.T) {
	h := newHarness(t, nil)
	h.recordNames([]string{"Wanted"})
	for range maxHistoryRead {
		h.recordNames([]string{"Other"})
	}
	query := client.HistoryQuery{Matchers: []string{`alertname="Wanted"`}}
	page, err := h.History(t.Context(), query)
	require.NoError(t, err)
	require.Empty(t, page.Entries)
	require.NotEmpty(t, page.Next)
	query.Page = page.Next
	page, err = h.History(t.Context(), query)
	require.NoError(t, err)
	require.Equal(t, []string{"Wanted"}, names(page.Entries))
	require.Empty(t, page.Next)
}

func TestHistory_WithoutEngineIsEmpty(t *testing.T) {
	h := newHarness(t, func(o *Options, _ *Deps) { o.Disabled = true })
	page, err := h.History(t.Context(), client.HistoryQuery{})
	require.NoError(t, err)
	require.NotNil(t, page.Entries)
	require.Empty(t, h.FailingIntegrations())
}

func TestHistory_DamagedRecordsAreLeftOut(t *testing.T) {
	h := newHarness(t, nil)
	h.recordNames([]string{"A"})
	for _, bad := range []string{"", "?", "j{", "zzz"} {
		h.engine.state.AddHistory([]byte(bad))
	}
	h.recordNames([]string{"B"})
	require.Equal(t, []string{"A", "B"}, names(h.history(client.HistoryQuery{})))
}

func TestDecision_LargeOnesAreDeflated(t *testing.T) {
	r := &decision{Outcome: client.OutcomeFailed, Receiver: "team", Error: "boom"}
	for i := range 500 {
		r.Alerts = append(r.Alerts, decidedAlert{Labels: model.LabelSet{"alertname": "Disk", "instance": model.LabelValue(fmt.Sprint("host", i))}})
	}
	var p packer
	for range 2 { // the second time with the writer of the first
		packed, err := p.pack(r)
		require.NoError(t, err)
		require.Less(t, len(packed), 5000)
		got, err := unpack(packed)
		require.NoError(t, err)
		require.Equal(t, r.Alerts, got.Alerts)
		require.Equal(t, r.Error, got.Error)
	}
}

func TestDecision_ValueMayBeAnyNumber(t *testing.T) {
	for value, want := range map[float64]string{1: "1e+00", math.Inf(1): "+Inf", 0.25: "2.5e-01"} {
		require.Equal(t, want, newDecidedAlert(&alert.Alert{}, "rule", &value).Value)
	}
	nan := math.NaN()
	require.Equal(t, "NaN", newDecidedAlert(&alert.Alert{}, "rule", &nan).Value)
}

func TestMemory_IsBounded(t *testing.T) {
	m := newMemory(10)
	c := newCause(client.OutcomeSilenced, false, "id")
	for i := range 1000 {
		require.True(t, m.changed(station{alert: model.Fingerprint(i)}, c))
		require.LessOrEqual(t, len(m.young)+len(m.old), 20)
	}
	require.False(t, m.changed(station{alert: 999}, c), "what was asked for lately is remembered")
	require.True(t, m.changed(station{alert: 999}, newCause(client.OutcomeSilenced, false, "other")))
	require.True(t, m.forget(station{alert: 999}))
	require.False(t, m.forget(station{alert: 999}))
	require.True(t, m.changed(station{alert: 999}, c))
}
