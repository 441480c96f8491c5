package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

// One server writes to another in both versions of the protocol, and reads from
// it what a third party has posted there by OTLP; the other is federated.
func TestRemote_WriteReadOTLPAndFederation(t *testing.T) {
	target := srcpromtest.NewTarget(t)
	target.Set("scraped", 1)
	central := serve(t, launch{args: []string{"--web.enable-remote-write-receiver", "--web.enable-otlp-receiver"}, files: map[string]string{
		"prometheus.yml": "global: { external_labels: { site: central } }\n",
	}})
	edge := serve(t, launch{files: map[string]string{"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 200ms, scrape_timeout: 200ms, external_labels: { site: edge } }
remote_write:
  - { url: "%[1]s/api/v1/write", name: one, write_relabel_configs: [ { target_label: protocol, replacement: "1.0" } ] }
  - { url: "%[1]s/api/v1/write", name: two, protobuf_message: io.prometheus.write.v2.Request, write_relabel_configs: [ { target_label: protocol, replacement: "2.0" } ] }
remote_read:
  - { url: "%[1]s/api/v1/read", read_recent: true, filter_external_labels: false }
scrape_configs:
  - { job_name: t, static_configs: [ { targets: [ %[2]q ] } ] }
`, central.URL, target.Addr())}})

	query := central.querier(false)
	for _, protocol := range []string{"1.0", "2.0"} {
		central.await("samples by remote write "+protocol, func() bool {
			return query(fmt.Sprintf(`scraped{protocol=%q,site="edge"}`, protocol)) == "1"
		})
	}
	status, body := central.post("/api/v1/otlp/v1/metrics", "application/json", fmt.Sprintf(
		`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"posted","gauge":{"dataPoints":[{"timeUnixNano":"%d","asDouble":7}]}}]}]}]}`, time.Now().UnixNano()))
	require.Equal(t, http.StatusOK, status, body)
	central.await("the sample by OTLP", func() bool { return query("posted") == "7" })
	fromEdge := edge.querier(false)
	edge.await("the sample by remote read", func() bool { return fromEdge("posted") == "7" })

	status, body = central.get("/federate?match[]=posted")
	require.Equal(t, http.StatusOK, status)
	require.True(t, strings.HasPrefix(body, "# TYPE posted untyped\nposted{"), body)
	require.Contains(t, body, `site="central"`)
	edge.stop()
	central.stop()
}
