package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

func counting(status client.AlertsStatus) edit {
	return func(_ *Options, d *Deps) {
		d.AlertsStatus = func() (*client.AlertsStatus, error) { return &status, nil }
	}
}

func TestWrapper_AnswersByteForByte(t *testing.T) {
	s := startServer(t, counting(client.AlertsStatus{Warning: 1, Silenced: 2, Critical: 3, ServicesCritical: 4}))
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		a := s.do(t, method, "/prom-wrapper/alerts-status?any=thing", "body", nil)
		require.Equal(t, http.StatusOK, a.status, method)
		require.Equal(t, `{"warning":1,"silenced":2,"critical":3,"services_critical":4}`, a.body, method)
		require.Equal(t, "text/plain; charset=utf-8", a.header.Get("Content-Type"), method)
	}
	a := s.do(t, http.MethodHead, "/prom-wrapper/alerts-status", "", nil)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "text/plain; charset=utf-8", a.header.Get("Content-Type"))
	a = s.get(t, "/prom-wrapper/alerts-status/history")
	require.Equal(t, http.StatusOK, a.status)
	want := `{"alerts":[]}` // to the byte
	require.Equal(t, want, a.body)
	require.Equal(t, "text/plain; charset=utf-8", a.header.Get("Content-Type"))
	require.Contains(t, s.get(t, "/metrics").body, `prometheus_http_requests_total{code="200",handler="/prom-wrapper/alerts-status"}`)
}

// They change nothing, so no page of another origin is refused.
func TestWrapper_AnswersAnyMethodOfAnyOrigin(t *testing.T) {
	s := startServer(t, counting(client.AlertsStatus{}), func(_ *Options, d *Deps) {
		d.Handlers = map[string]http.Handler{"/prom-wrapper/config-subscriber": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"problems":null}`))
		})}
	})
	foreign := map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
	for _, path := range []string{"/prom-wrapper/alerts-status", "/prom-wrapper/alerts-status/history", "/prom-wrapper/config-subscriber"} {
		require.Equal(t, http.StatusOK, s.do(t, http.MethodPost, path, "", foreign).status, path)
	}
	require.Equal(t, http.StatusForbidden, s.do(t, http.MethodPost, "/prom-wrapper/../-/reload", "", foreign).status)
}

func TestWrapper_OnlyTheExactPathsAnswer(t *testing.T) {
	for _, prefix := range []string{"", "/prom"} {
		s := startServer(t, counting(client.AlertsStatus{}), func(o *Options, d *Deps) {
			o.RoutePrefix = prefix
			d.Handlers = map[string]http.Handler{"/prom-wrapper/config-subscriber": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
		})
		for _, path := range []string{client.ConfigStatusPath, client.AlertsStatusPath, client.AlertsHistoryPath} {
			require.Equal(t, http.StatusOK, s.get(t, path).status, path)
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				a := s.do(t, method, path+"/?timespan=1h", "", nil)
				require.Equal(t, http.StatusMovedPermanently, a.status, path)
				require.Equal(t, prefix+path+"?timespan=1h", a.header.Get("Location"))
			}
			require.Equal(t, http.StatusNotFound, s.get(t, path+"/more").status, path)
			require.Equal(t, http.StatusNotFound, s.get(t, path+"/more/").status, path)
		}
		for _, path := range []string{"/prom-wrapper", "/prom-wrapper/", "/prom-wrapper/other", "/prom-wrapper/alerts-statuses"} {
			require.Equal(t, http.StatusNotFound, s.get(t, path).status, path)
		}
	}
}

func TestWrapper_StatusThatIsNotKnownIsAnError(t *testing.T) {
	s := startServer(t)
	a := s.get(t, "/prom-wrapper/alerts-status")
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Contains(t, a.body, "Alertmanager is disabled")
	require.Equal(t, "text/plain; charset=utf-8", a.header.Get("Content-Type"))
	require.Equal(t, http.StatusNotFound, s.get(t, "/prom-wrapper/config-subscriber").status, "nobody brings a site configuration")
	require.Equal(t, http.StatusOK, s.get(t, "/prom-wrapper/alerts-status/history").status, "it needs no Alertmanager")

	s = startServer(t, func(_ *Options, d *Deps) {
		d.AlertsStatus = func() (*client.AlertsStatus, error) { return nil, errors.New("not counted yet") }
	})
	a = s.get(t, "/prom-wrapper/alerts-status")
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Equal(t, "not counted yet\n", a.body)
}

func TestWrapper_HistoryHasTheAverages(t *testing.T) {
	s := startServer(t)
	now := time.Now()
	app := s.db.Appender(t.Context())
	add := func(ago time.Duration, value float64, pairs ...string) {
		t.Helper()
		lset := labels.FromStrings(append([]string{"__name__", "alert_count", "service_name", "frontend", "owner", "search"}, pairs...)...)
		_, err := app.Append(0, lset, timestamp.FromTime(now.Add(-ago)), value)
		require.NoError(t, err)
	}
	for _, ago := range []time.Duration{13 * time.Hour, 12*time.Hour + 10*time.Minute} {
		add(ago, 1, "level", "warning", "name", "slow")
	}
	for i, ago := range []time.Duration{4 * time.Hour, 3 * time.Hour, 2 * time.Hour, time.Hour} {
		add(ago, float64(i%2), "level", "warning", "name", "slow")
		add(ago, 0, "level", "warning", "name", "slow", "instance", "other")
		add(ago, 2, "level", "critical", "name", "down")
		add(ago, 5, "level", "critical", "name", "")
	}
	require.NoError(t, app.Commit())

	get := func(path string) (averages []client.AlertAverage) {
		t.Helper()
		a := s.get(t, path)
		require.Equal(t, http.StatusOK, a.status, a.body)
		var history client.AlertsHistory
		require.NoError(t, json.Unmarshal([]byte(a.body), &history))
		return history.Alerts
	}
	day := get("/prom-wrapper/alerts-status/history")
	require.Len(t, day, 3)
	require.Equal(t, get("/prom-wrapper/alerts-status/history?timespan=24h")[0].Average, day[0].Average)
	for i, want := range []client.AlertAverage{
		{Name: "warning: slow", Average: 1, Timestamp: now.Add(-12 * time.Hour)},
		{Name: "critical: down", Average: 2, Timestamp: now},
		{Name: "warning: slow", Average: 0.5, Timestamp: now},
	} {
		require.Equal(t, want.Name, day[i].Name)
		require.InDelta(t, want.Average, day[i].Average, 1e-9)
		require.WithinDuration(t, want.Timestamp, day[i].Timestamp, time.Minute)
		require.Equal(t, "frontend", day[i].ServiceName)
		require.Equal(t, "search", day[i].Owner)
	}
	require.Len(t, get("/prom-wrapper/alerts-status/history?timespan=1h"), 2)
	require.Regexp(t, `^\{"alerts":\[\{"timestamp":"[^"]+Z","name":"critical: down","service_name":"frontend","owner":"search","average":2\},`,
		s.get(t, "/prom-wrapper/alerts-status/history?timespan=0s").body)
}

func TestWrapper_HistoryOfABadTimespanIsRefused(t *testing.T) {
	s := startServer(t)
	for _, timespan := range []string{"12", "a", "-1h", "1d", "200000h"} {
		a := s.get(t, "/prom-wrapper/alerts-status/history?timespan="+timespan)
		require.Equal(t, http.StatusBadRequest, a.status, timespan)
		require.Contains(t, a.body, "parameter timespan", timespan)
	}
}

func TestWrapper_HistoryThatCannotBeReadIsAnError(t *testing.T) {
	s := startServer(t, func(_ *Options, d *Deps) { d.Storage = brokenStorage{d.Storage} })
	a := s.get(t, "/prom-wrapper/alerts-status/history")
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Contains(t, a.body, "query the history of alerts: ")
	require.Contains(t, a.body, errBroken.Error())
}

var errBroken = errors.New("the storage is broken")

type brokenStorage struct{ storage.Storage }

func (brokenStorage) Querier(int64, int64) (storage.Querier, error) { return nil, errBroken }
