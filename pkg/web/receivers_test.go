package web

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
	"github.com/stretchr/testify/require"
)

// push brings one sample by remote write and one by OTLP, of series called written and
// exported.
func (s *testServer) push(t *testing.T, now time.Time) {
	t.Helper()
	text, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "written"}, {Name: "job", Value: "a"}},
		Samples: []prompb.Sample{{Timestamp: now.UnixMilli(), Value: 1}},
	}}}).Marshal()
	require.NoError(t, err)
	body, err := compression.Encode(compression.Snappy, text, nil)
	require.NoError(t, err)
	a := s.do(t, http.MethodPost, "/api/v1/write", string(body), map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"})
	require.Equal(t, http.StatusNoContent, a.status, a.body)

	otlp := fmt.Sprintf(`{"resourceMetrics": [{
		"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "a"}}]},
		"scopeMetrics": [{"metrics": [{"name": "exported", "gauge": {"dataPoints": [{"asDouble": 1, "timeUnixNano": "%d"}]}}]}]
	}]}`, now.UnixNano())
	a = s.do(t, http.MethodPost, "/api/v1/otlp/v1/metrics", otlp, map[string]string{"Content-Type": "application/json"})
	require.Equal(t, http.StatusOK, a.status, a.body)
}

const namesOfPushed = `["exported","written"]`

func TestReceivers_WriteToTheStorageThatIsQueried(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.EnableRemoteWriteReceiver, o.EnableOTLPReceiver = true, true })
	s.push(t, time.Now())
	require.JSONEq(t, `{"status":"success","data":`+namesOfPushed+`}`, s.get(t, `/api/v1/label/__name__/values?match[]={job="a"}`).body)
}

func TestReceivers_WriteToReceivedAlone(t *testing.T) {
	db, err := tsdb.Open(t.TempDir(), nil, nil, tsdb.DefaultOptions(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s := startServer(t, func(o *Options, d *Deps) {
		o.EnableRemoteWriteReceiver, o.EnableOTLPReceiver = true, true
		d.Received = storage.NewFanout(d.Logger, db)
	})
	now := time.Now()
	s.push(t, now)
	require.JSONEq(t, `{"status":"success","data":[]}`, s.get(t, "/api/v1/label/__name__/values").body, "queries keep their storage")
	q, err := db.Querier(now.Add(-time.Minute).UnixMilli(), now.UnixMilli())
	require.NoError(t, err)
	defer q.Close()
	names, _, err := q.LabelValues(t.Context(), "__name__", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"exported", "written"}, names)
}
