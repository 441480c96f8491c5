package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// How many entries a page of the history has.
const (
	defaultEntries = 100
	maxEntries     = 1000
)

// badQuery is an error of who asked, to be answered with 400.
type badQuery interface {
	error
	BadQuery()
}

// alertsAPI answers questions about what became of alerts.
type alertsAPI struct {
	history   func(context.Context, client.HistoryQuery) (*client.History, error)
	explain   func(context.Context, client.ExplainQuery) (*client.Explanations, error)
	readiness func() client.Readiness
}

// serveHistory serves GET of /api/srcprom/v1/history.
func (a *alertsAPI) serveHistory(w http.ResponseWriter, r *http.Request) {
	query, err := parseHistoryQuery(r.URL.RawQuery)
	switch {
	case err != nil:
		writeError(w, http.StatusBadRequest, err.Error())
		return
	case a.history == nil:
		writeNoAlerting(w)
		return
	}
	history, err := a.history(r.Context(), query)
	if err != nil {
		a.writeFailure(r.Context(), w, err)
		return
	}
	writeJSON(w, http.StatusOK, client.History{
		Entries: append([]client.HistoryEntry{}, history.Entries...), // [], never null
		Next:    history.Next,
	})
}

func parseHistoryQuery(query string) (client.HistoryQuery, error) {
	p := parseParams(query, historyParams())
	q := client.HistoryQuery{
		Matchers: p.values[matchParam],
		Start:    p.time("start"),
		End:      p.time("end"),
		Receiver: p.values.Get("receiver"),
		Outcome:  client.Outcome(p.values.Get("outcome")),
		Limit:    p.count("limit", defaultEntries, maxEntries),
		Page:     p.values.Get("page"),
	}
	switch {
	case p.err != nil:
		return q, p.err
	case q.Outcome != "" && !slices.Contains(outcomes(), q.Outcome):
		return q, fmt.Errorf("parameter outcome=%q: want one of %q", q.Outcome, outcomes())
	case !q.Start.IsZero() && !q.End.IsZero() && q.End.Before(q.Start):
		return q, errors.New("parameter end: want it not before start")
	}
	return q, nil
}

func historyParams() []string {
	return []string{matchParam, "start", "end", "receiver", "outcome", "limit", "page"}
}

func outcomes() []client.Outcome {
	return []client.Outcome{
		client.OutcomeDelivered, client.OutcomeFailed, client.OutcomeSilenced,
		client.OutcomeInhibited, client.OutcomeMuted, client.OutcomeDeduplicated,
	}
}

// serveExplain serves GET of /api/srcprom/v1/explain.
func (a *alertsAPI) serveExplain(w http.ResponseWriter, r *http.Request) {
	p := parseParams(r.URL.RawQuery, explainParams())
	query := client.ExplainQuery{Matchers: p.values[matchParam], At: p.time("time")}
	if p.err == nil && len(query.Matchers) == 0 {
		p.err = errors.New(`parameter match[]: want it at least once, such as match[]={alertname="Disk"}`)
	}
	switch {
	case p.err != nil:
		writeError(w, http.StatusBadRequest, p.err.Error())
		return
	case a.explain == nil:
		writeNoAlerting(w)
		return
	}
	explanations, err := a.explain(r.Context(), query)
	if err != nil {
		a.writeFailure(r.Context(), w, err)
		return
	}
	writeJSON(w, http.StatusOK, client.Explanations{
		Alerts: append([]client.Explanation{}, explanations.Alerts...), // [], never null
	})
}

func explainParams() []string { return []string{matchParam, "time"} }

func writeNoAlerting(w http.ResponseWriter) {
	writeError(w, http.StatusNotFound, "there is no built-in Alertmanager: it was turned off")
}

func (a *alertsAPI) writeFailure(ctx context.Context, w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if _, bad := errors.AsType[badQuery](err); bad {
		status = http.StatusBadRequest
	} else if ctx.Err() != nil || !a.readiness().Ready {
		status = http.StatusServiceUnavailable
	}
	writeError(w, status, err.Error())
}
