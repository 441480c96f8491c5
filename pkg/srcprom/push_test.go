package srcprom_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcprom"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// withPushes makes a server accept what is pushed.
func withPushes() srcpromtest.Option {
	return srcpromtest.WithOptions(func(o *srcprom.Options) {
		o.Web.EnableRemoteWriteReceiver, o.Web.EnableOTLPReceiver = true, true
	})
}

// remoteWriter sends samples of the job "writer" by remote write.
type remoteWriter struct{ api *remote.API }

func newRemoteWriter(t *testing.T, server *srcpromtest.Server) remoteWriter {
	t.Helper()
	api, err := remote.NewAPI(server.URL)
	require.NoError(t, err)
	return remoteWriter{api}
}

func (w remoteWriter) push(ctx context.Context, samples map[string]time.Time) error {
	var req prompb.WriteRequest
	for name, at := range samples {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: name}, {Name: "job", Value: "writer"}},
			Samples: []prompb.Sample{{Value: 1, Timestamp: at.UnixMilli()}},
		})
	}
	_, err := w.api.Write(ctx, remote.WriteV1MessageType, &req)
	return err
}

// export sends a sample of the job "exporter" by OTLP.
func export(ctx context.Context, server *srcpromtest.Server, name string, at time.Time) error {
	body := fmt.Sprintf(`{"resourceMetrics":[{
		"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "exporter"}}]},
		"scopeMetrics": [{"metrics": [{"name": %q, "gauge": {"dataPoints": [{"asDouble": 1, "timeUnixNano": "%d"}]}}]}]
	}]}`, name, at.UnixNano())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/api/v1/otlp/v1/metrics", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body) // the status says enough
		return fmt.Errorf("OTLP: %s: %s", resp.Status, text)
	}
	return nil
}
