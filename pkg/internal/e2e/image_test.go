package e2e

import (
	"errors"
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
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
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
func (c *container) frontend(site string) *frontend.Frontend {
	c.t.Helper()
	f := frontend.Start(c.t, frontend.Site(site))
	c.bring(c.t, f.Address(), "127.0.0.1:3090")
	return f
}

// rewritten is an alertmanager.yml that the old image has left on a volume, with an
// operator's own receiver still in it.
const rewritten = `route:
  receiver: src-noop-receiver
  routes:
    - { receiver: src-critical-receiver, match: { level: critical } }
    - { receiver: own, match: { team: own } }
receivers:
  - name: src-noop-receiver
  - name: src-critical-receiver
    webhook_configs: [ { url: "URL/stale" } ]
  - name: own
    webhook_configs: [ { url: "URL/own" } ]
`

// What the old image has written into a file of the operator's is dropped; what the
// operator has written into it lives on. The file itself is left alone.
func TestImage_FileThatTheOldImageRewroteIsUnderTheSiteConfiguration(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	sink := c.sink()
	outside := c.volume("/alertmanager-config", 100, 101, 0o555)
	text := strings.ReplaceAll(rewritten, "URL", sink.URL)
	write(t, filepath.Join(outside, "alertmanager.yml"), text)
	c.deployment("compose", map[string]string{"extra_rules.yml": alwaysFiring})
	c.hosts("sourcegraph-frontend-internal")
	c.frontend(fmt.Sprintf(`{"observability.alerts": [{"level": "critical", "notifier": {"type": "webhook", "url": %q}}]}`, sink.URL+"/now"))
	p := c.run([]string{"SRC_FRONTEND_INTERNAL=http://sourcegraph-frontend-internal:3090", "ALERTMANAGER_CONFIG_PATH=/alertmanager-config/alertmanager.yml"})
	p.awaitReady()
	told := sink.await("what the site configuration asks for", of("critical_frontend_down"))
	require.Equal(t, "now", told.receiver())
	p.postAlerts(alert("Own", "team", "own"))
	require.Equal(t, "own", sink.await("what the operator asks for", of("Own")).receiver())
	require.Empty(t, sink.matching(func(d delivery) bool { return d.receiver() == "stale" }))
	left, err := os.ReadFile(filepath.Join(outside, "alertmanager.yml"))
	require.NoError(t, err)
	require.Equal(t, text, string(left))
	p.stop()
}

// With the site configuration turned off the file holds as it is, what the old image
// has written into it included.
func TestImage_WithoutTheSiteConfigurationTheFileHoldsAsItIs(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	sink := c.sink()
	c.write("/alertmanager.yml", strings.ReplaceAll(rewritten, "URL", sink.URL))
	c.deployment("compose", map[string]string{"extra_rules.yml": alwaysFiring})
	c.hosts("sourcegraph-frontend-internal")
	f := c.frontend(`{}`)
	p := c.run([]string{"DISABLE_SOURCEGRAPH_CONFIG=true", "SRC_FRONTEND_INTERNAL=sourcegraph-frontend-internal:3090", "ALERTMANAGER_CONFIG_PATH=/alertmanager.yml"})
	p.awaitReady()
	require.Equal(t, "stale", sink.await("what the file asks for", of("critical_frontend_down")).receiver())
	require.Zero(t, f.Fetches())
	p.stop()
}

func TestImage_WithoutAlertmanagerThereAreMetricsAndRules(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	c.deployment("compose", map[string]string{"extra_rules.yml": alwaysFiring})
	c.hosts("sourcegraph-frontend-internal")
	f := c.frontend(`{}`)
	p := c.run([]string{"DISABLE_ALERTMANAGER=true", "SRC_FRONTEND_INTERNAL=sourcegraph-frontend-internal:3090"})
	p.awaitReady()
	p.await("the rule to fire", func() bool {
		_, alerts := p.get("/api/v1/alerts")
		return strings.Contains(alerts, "critical_frontend_down")
	})
	status, _ := p.get("/alertmanager/api/v2/status")
	require.Equal(t, http.StatusNotFound, status)
	require.Zero(t, f.Fetches())
	p.stop()
}

// The volume of the old image's Prometheus is opened as it is, and what its
// Alertmanager knew, where that was kept at all, is taken over.
func TestImage_VolumesOfTheOldImageAreTakenOver(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	metrics, silences := c.volume("/prometheus", 100, 101, 0o755), c.volume("/alertmanager", 100, 101, 0o755)
	address := freeAddress(t)
	alertmanager := start(t, launch{program: debianAlertmanager, args: []string{
		"--config.file=am.yml", "--storage.path=" + silences, "--web.listen-address=" + address, "--cluster.listen-address=",
	}, files: map[string]string{"am.yml": "route: { receiver: r }\nreceivers: [ { name: r } ]\n"}})
	alertmanager.URL = "http://" + address
	alertmanager.awaitReady()
	hers := silenceOf("ByHand")
	hers.ID = silenceID(alertmanager, alertmanager.do(http.MethodPost, "/api/v2/silences", &hers))
	status, body := alertmanager.post("/-/reload", "", "") // who answers this listens to signals
	require.Equal(t, http.StatusOK, status, body)
	alertmanager.stop()
	target := srcpromtest.NewTarget(t)
	target.Set("before", 1)
	address = freeAddress(t)
	prometheus := start(t, launch{program: debianPrometheus, args: []string{
		"--config.file=prometheus.yml", "--storage.tsdb.path=" + metrics, "--web.listen-address=" + address,
	}, files: map[string]string{"prometheus.yml": fmt.Sprintf(
		"global: { scrape_interval: 200ms, scrape_timeout: 200ms }\nscrape_configs: [ { job_name: t, static_configs: [ { targets: [ %q ] } ] } ]\n", target.Addr())}})
	prometheus.URL = "http://" + address
	prometheus.awaitReady()
	query := prometheus.querier(false)
	prometheus.await("a sample", func() bool { return query("before") == "1" })
	prometheus.stop()
	for _, dir := range []string{metrics, silences} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			return errors.Join(err, os.Chown(path, 100, 101))
		}))
	}

	p := c.run(nil)
	p.awaitReady()
	require.Equal(t, "1", p.querier(false)("count(last_over_time(before[1h]))"))
	require.Equal(t, "active", p.getSilence(hers.ID).Status.State)
	p.expireSilence(hers.ID)
	p.stop()
	p = c.run(nil)
	p.awaitReady()
	require.Equal(t, "expired", p.getSilence(hers.ID).Status.State, "it is imported once")
	p.stop()
}

// Arguments of the image and both variables with flags work as they did.
func TestImage_ArgumentsAndAdditionalFlags(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	p := c.run([]string{
		"PROMETHEUS_ADDITIONAL_FLAGS=--web.enable-lifecycle --web.enable-admin-api",
		"ALERTMANAGER_ADDITIONAL_FLAGS=--log.silences",
		"OPSGENIE_API_KEY=canary-of-opsgenie", "INCIDENT_IO_ALERT_SOURCE_TOKEN=canary-of-incident.io",
		"SRC_FRONTEND_INTERNAL=127.0.0.1:3090",
	}, "--storage.tsdb.retention.time=2d")
	p.awaitReady()
	var flags struct{ Data map[string]string }
	p.getJSON("/api/v1/status/flags", &flags)
	for name, want := range map[string]string{
		"web.enable-lifecycle": "true", "web.enable-admin-api": "true", "alertmanager.log.silences": "true",
		"storage.tsdb.retention.time": "2d", "storage.tsdb.path": "/prometheus", "siteconfig.url": "127.0.0.1:3090",
		"alertmanager.data.retention": "1w", "config.file": "/sg_config_prometheus/prometheus.yml",
	} {
		require.Equal(t, want, flags.Data[name], name)
	}
	status, _ := p.post("/-/reload", "", "")
	require.Equal(t, http.StatusOK, status)
	for _, path := range []string{"/api/v1/status/flags", "/api/v1/status/config", "/metrics", "/alertmanager/metrics", "/alertmanager/api/v2/status", "/api/srcprom/v1/config", "/api/srcprom/v1/health"} {
		_, body := p.get(path)
		require.NotContains(t, body, "canary", path)
	}
	p.stop()
	require.NotContains(t, p.log.String(), "canary")
}
