package web

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// How much of the time alerts have fired is asked for in steps, each of which is also
// the time that is averaged over.
const (
	alertsHistoryQuery = `max by (level, name, service_name, owner) (avg_over_time(alert_count{name!=""}[12h]))`
	alertsHistoryStep  = 12 * time.Hour
	maxHistorySteps    = 11000 // as many as Prometheus's API allows
)

// serveAlertsHistory serves /prom-wrapper/alerts-status/history.
func (s *Server) serveAlertsHistory(w http.ResponseWriter, r *http.Request) {
	timespan, err := timespanOf(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	history, err := s.alertsHistory(r.Context(), timespan)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeBare(w, history)
}

func timespanOf(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("timespan")
	if text == "" {
		return 24 * time.Hour, nil
	}
	timespan, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("parameter timespan: %w", err)
	case timespan < 0 || timespan > maxHistorySteps*alertsHistoryStep:
		return 0, fmt.Errorf("parameter timespan=%q: want it between 0 and %s", text, maxHistorySteps*alertsHistoryStep)
	}
	return timespan, nil
}

func (s *Server) alertsHistory(ctx context.Context, timespan time.Duration) (client.AlertsHistory, error) {
	history := client.AlertsHistory{Alerts: []client.AlertAverage{}} // [], never null
	now := time.Now()
	query, err := s.deps.Engine.NewRangeQuery(ctx, s.deps.Storage, nil, alertsHistoryQuery, now.Add(-timespan), now, alertsHistoryStep)
	if err != nil {
		return history, fmt.Errorf("query the history of alerts: %w", err)
	}
	defer query.Close()
	result := query.Exec(ctx)
	series, err := result.Matrix()
	if err = cmp.Or(result.Err, err); err != nil {
		return history, fmt.Errorf("query the history of alerts: %w", err)
	}
	for _, one := range series {
		history.Alerts = append(history.Alerts, averages(one)...)
	}
	slices.SortFunc(history.Alerts, func(a, b client.AlertAverage) int {
		return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.ServiceName, b.ServiceName), cmp.Compare(a.Owner, b.Owner))
	})
	return history, nil
}

// averages are those of one alert. What is no number JSON cannot say.
func averages(series promql.Series) []client.AlertAverage {
	var all []client.AlertAverage
	for _, point := range series.Floats {
		if math.IsNaN(point.F) || math.IsInf(point.F, 0) {
			continue
		}
		all = append(all, client.AlertAverage{
			Timestamp:   timestamp.Time(point.T).UTC(),
			Name:        series.Metric.Get("level") + ": " + series.Metric.Get("name"),
			ServiceName: series.Metric.Get("service_name"),
			Owner:       series.Metric.Get("owner"),
			Average:     point.F,
		})
	}
	return all
}
