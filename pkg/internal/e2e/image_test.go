package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sourcegraph/srcprom/pkg/internal/frontend"
)

// scrapedMetrics is what a part of Sourcegraph answers.
const scrapedMetrics = `process_cpu_seconds_total 1
process_resident_memory_bytes 1000
process_virtual_memory_bytes 2000
`

// serveMetrics answers scrapes on ports of the container's network.
func (c *container) serveMetrics(ports ...string) {
	for _, port := range ports {
		c.serveHTTP("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, scrapedMetrics)
		}))
	}
}

func (c *container) serveHTTP(address string, handler http.Handler) {
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	server.Listener = c.listen(c.t, address)
	server.Start()
	c.t.Cleanup(server.Close)
}

// pools are the names of the scrape jobs that run.
func (p *process) pools() []string {
	p.t.Helper()
	var answer struct {
		Data struct{ ScrapePools []string }
	}
	p.getJSON("/api/v1/scrape_pools", &answer)
	return answer.Data.ScrapePools
}

// awaitPools waits until these scrape jobs run, and no others.
func (p *process) awaitPools(want []string) {
	p.t.Helper()
	want = slices.Sorted(slices.Values(want))
	p.await(fmt.Sprintf("the scrape jobs %v", want), func() bool { return slices.Equal(want, p.pools()) })
}

// activeTarget is one of /api/v1/targets.
type activeTarget struct {
	ScrapePool, ScrapeURL, Health, LastError string
	Labels                                   map[string]string
}

func (p *process) targets() []activeTarget {
	p.t.Helper()
	var answer struct {
		Data struct{ ActiveTargets []activeTarget }
	}
	p.getJSON("/api/v1/targets?state=active", &answer)
	return answer.Data.ActiveTargets
}

// requireLoaded holds what runs against the file of a deployment, as upstream reads
// it: each job with all of its relabelling.
func (p *process) requireLoaded(deployment string) {
	p.t.Helper()
	p.awaitPools(deploymentJobs[deployment])
	var answer struct{ Data struct{ YAML string } }
	p.getJSON("/api/v1/status/config", &answer)
	running, err := promconfig.Load(answer.Data.YAML, nil)
	require.NoError(p.t, err)
	require.Equal(p.t, normal(p.t, deploymentConfig(p.t, deployment).ScrapeConfigs), normal(p.t, running.ScrapeConfigs))
}

// normal is a part of a configuration as text.
func normal(t *testing.T, part any) string {
	t.Helper()
	text, err := yaml.Marshal(part)
	require.NoError(t, err)
	return string(text)
}

// composeTargets are the addresses in the targets file of the Compose deployment.
func composeTargets(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "deployments", "compose", "prometheus_targets.yml"))
	require.NoError(t, err)
	var groups []struct{ Targets []string }
	require.NoError(t, yaml.Unmarshal(text, &groups))
	var all []string
	for _, group := range groups {
		all = append(all, group.Targets...)
	}
	return all
}

// alwaysFiring is a rule file of an operator's with one alert.
const alwaysFiring = `groups:
  - name: extra
    rules:
      - alert: critical_frontend_down
        expr: vector(1)
        labels: { level: critical, name: frontend_down, service_name: frontend, description: "frontend: down" }
`

// The Compose deployment of Sourcegraph, started as it is: every target is scraped,
// its rules run, and its alerts go where the site configuration says, once.
func TestImage_ComposeDeploymentStartsUnchanged(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	addresses := composeTargets(t)
	var hosts, ports []string
	for _, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		hosts, ports = append(hosts, host), append(ports, port)
	}
	slices.Sort(ports)
	c.hosts(hosts...)
	c.serveMetrics(slices.Compact(ports)...)
	c.volume("/prometheus", 100, 101, 0o755)
	c.deployment("compose", map[string]string{"extra_rules.yml": alwaysFiring})
	sink := c.sink()
	c.frontend(fmt.Sprintf(`{"observability.alerts": [{"level": "critical", "notifier": {"type": "webhook", "url": %q}}]}`, sink.URL+"/critical"))

	p := c.run([]string{"SRC_FRONTEND_INTERNAL=sourcegraph-frontend-internal:3090"})
	p.awaitReady()
	p.requireLoaded("compose")
	told := sink.await("the alert through the receiver of the site configuration", of("critical_frontend_down"))
	require.Equal(t, "src-critical-receiver", told.Receiver)

	p.await("every target to be scraped", func() bool {
		up := 0
		for _, target := range p.targets() {
			if target.Health == "up" {
				up++
			}
		}
		return up == len(addresses)+2
	})
	var scraped []string
	for _, target := range p.targets() {
		if target.ScrapePool == "sg" {
			require.Equal(t, "sourcegraph-docker-compose-host", target.Labels["nodename"])
			scraped = append(scraped, target.Labels["instance"])
		}
	}
	require.ElementsMatch(t, addresses, scraped)

	query := p.querier(false)
	p.await("the rules of the deployment to have been evaluated", func() bool {
		return query(`container:process_virtual_memory_max{instance="gitserver-0:6060"}`) == "2000"
	})
	require.Equal(t, "2", query(`count(up{job=~"builtin-.*"} == 1)`))
	require.Empty(t, query(`{job="builtin-prometheus", __name__=~"alertmanager_.*"}`), "each registry in one job only")
	require.Empty(t, query(`{job="builtin-alertmanager", __name__=~"prometheus_(tsdb|rule|target|notifications)_.*"}`))

	// The deployment's file names this very process as its Alertmanager.
	var alertmanagers struct {
		Data struct{ ActiveAlertmanagers []struct{ URL string } }
	}
	p.getJSON("/api/v1/alertmanagers", &alertmanagers)
	require.NotEmpty(t, alertmanagers.Data.ActiveAlertmanagers)
	p.await("the notifier to have tried this process", func() bool {
		return query(`sum(prometheus_notifications_sent_total{alertmanager=~".*127.0.0.1:9093.*"})`) != ""
	})
	require.Equal(t, []string{"firing"}, sink.told("critical_frontend_down"))
	p.stop()
}

// With nothing mounted the image watches itself, as the old one did.
func TestImage_WithoutAddOnsRunsTheBakedConfiguration(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	p := c.run(nil)
	p.awaitReady()
	p.awaitPools([]string{"builtin-prometheus", "builtin-alertmanager", "sg"})
	require.Contains(t, p.log.String(), `/sg_prometheus_add_ons/*_rules.yml`, "a glob that matches nothing is warned about, and no more")
	_, status := p.get("/alertmanager/api/v2/status")
	require.Contains(t, status, "src-noop-receiver")
	for _, address := range []string{"127.0.0.1:9092", "127.0.0.1:9093"} {
		inside := *p
		inside.URL = "http://" + c.publish(t, address)
		status, _ := inside.get("/-/ready")
		require.Equal(t, http.StatusOK, status, address)
	}
	p.stop()
}

// Kubernetes runs it as another group on a read-only root, where nothing but the
// volume can be written to.
func TestImage_NeedsNothingWritableButItsVolume(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	c.gid = 100
	c.volume("/prometheus", 0, 100, 0o2775) // as fsGroup makes it
	c.deployment("compose", nil)
	c.hosts()
	c.readOnly()
	p := c.run([]string{"SRC_FRONTEND_INTERNAL=sourcegraph-frontend-internal"})
	p.awaitReady()
	p.awaitPools(deploymentJobs["compose"])
	id := p.silence(t, "Kept")
	p.stop()
	p = c.run(nil)
	p.awaitReady()
	status, _ := p.get(silencePath + id)
	require.Equal(t, http.StatusOK, status)
	p.stop()
}

// sourcegraph/sourcegraph#7829.
func TestImage_VolumeOfAnotherUserIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*container)
		want    []string
	}{
		"of root": {
			prepare: func(c *container) { c.volume("/prometheus", 0, 0, 0o755) },
			want:    []string{"/prometheus", "user 100", "permission denied"},
		},
		"read-only": {
			prepare: func(c *container) { c.readOnly() },
			want:    []string{"/prometheus", "read-only file system", "mount it writable"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			box := newContainer(t)
			c.prepare(box)
			p := box.run(nil)
			require.Equal(t, 1, p.exit())
			lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
			for _, text := range c.want {
				require.Contains(t, lines[len(lines)-1], text)
			}
		})
	}
}

// sink is one that the container reaches.
func (c *container) sink() *sink {
	s := newSink(c.t)
	outside := strings.TrimPrefix(s.URL, "http://")
	c.bring(c.t, outside, outside)
	return s
}

// frontend answers at the address that the Compose deployment names.
func (c *container) frontend(site string) {
	c.t.Helper()
	f := frontend.Start(c.t, frontend.Site(site))
	c.bring(c.t, f.Address(), "127.0.0.1:3090")
}
