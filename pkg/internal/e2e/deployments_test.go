package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns" // what the deployments use
	_ "github.com/prometheus/prometheus/discovery/file"
	_ "github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/scrape"
	"github.com/stretchr/testify/require"
)

// deploymentJobs are the jobs of each deployment of Sourcegraph, in order.
var deploymentJobs = map[string][]string{
	"compose": {"builtin-prometheus", "builtin-alertmanager", "sg"},
	"helm": {
		"kubernetes-apiservers", "kubernetes-nodes", "kubernetes-service-endpoints",
		"kubernetes-services", "kubernetes-pods", "builtin-prometheus", "builtin-alertmanager",
	},
	"helm-namespaced": {"kubernetes-service-endpoints", "kubernetes-services", "kubernetes-pods", "builtin-prometheus", "builtin-alertmanager"},
	"kustomize-dns":   {"kubernetes-pods", "sourcegraph-statefulsets", "sourcegraph-services", "builtin-prometheus", "builtin-alertmanager"},
}

// deploymentConfig is the prometheus.yml of a deployment as upstream reads it where
// it is mounted.
func deploymentConfig(t *testing.T, name string) *promconfig.Config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "deployments", name, "prometheus.yml"))
	require.NoError(t, err)
	conf, err := promconfig.Load(string(text), nil)
	require.NoError(t, err)
	conf.SetDirectory("/sg_prometheus_add_ons")
	return conf
}

func deploymentJob(t *testing.T, deployment, name string) *promconfig.ScrapeConfig {
	t.Helper()
	jobs, err := deploymentConfig(t, deployment).GetScrapeConfigs()
	require.NoError(t, err)
	i := slices.IndexFunc(jobs, func(job *promconfig.ScrapeConfig) bool { return job.JobName == name })
	require.GreaterOrEqual(t, i, 0, name)
	return jobs[i]
}

func TestDeployments_HaveTheJobsOfTheContract(t *testing.T) {
	for name, want := range deploymentJobs {
		jobs, err := deploymentConfig(t, name).GetScrapeConfigs()
		require.NoError(t, err)
		var got []string
		for _, job := range jobs {
			got = append(got, job.JobName)
		}
		require.Equal(t, want, got, name)
	}
}

// What Kubernetes says about a target becomes the labels that dashboards and alerts
// of Sourcegraph ask for.
func TestDeployments_RelabellingOfTargets(t *testing.T) {
	service := map[string]string{
		"__address__":                    "10.0.0.7:80",
		"__meta_kubernetes_namespace":    "sourcegraph",
		"__meta_kubernetes_service_name": "sourcegraph-frontend",
		"__meta_kubernetes_service_annotation_sourcegraph_prometheus_scrape": "true",
		"__meta_kubernetes_service_annotation_prometheus_io_port":            "6060",
		"__meta_kubernetes_service_label_app":                                "sourcegraph-frontend",
		"__meta_kubernetes_service_label_deploy":                             "sourcegraph",
		"__meta_kubernetes_pod_name":                                         "sourcegraph-frontend-5f",
		"__meta_kubernetes_endpoint_node_name":                               "node-1",
	}
	pod := map[string]string{
		"__address__":                 "10.0.0.8:3000",
		"__meta_kubernetes_namespace": "other",
		"__meta_kubernetes_pod_annotation_sourcegraph_prometheus_scrape": "true",
		"__meta_kubernetes_pod_annotation_prometheus_io_port":            "48080",
		"__meta_kubernetes_pod_label_app":                                "cadvisor",
		"__meta_kubernetes_pod_name":                                     "cadvisor-x",
		"__meta_kubernetes_pod_node_name":                                "node-2",
	}
	for name, c := range map[string]struct {
		job    string
		target map[string]string
		want   map[string]string // nil: dropped
	}{
		"API server": {
			job: "kubernetes-apiservers",
			target: map[string]string{
				"__address__": "10.0.0.1:6443", "__meta_kubernetes_namespace": "default",
				"__meta_kubernetes_service_name": "kubernetes", "__meta_kubernetes_endpoint_port_name": "https",
			},
			want: map[string]string{"__address__": "10.0.0.1:6443", "__scheme__": "https", "__metrics_path__": "/metrics", "instance": "10.0.0.1:6443", "job": "kubernetes-apiservers"},
		},
		"not the API server": {
			job: "kubernetes-apiservers",
			target: map[string]string{
				"__address__": "10.0.0.1:6443", "__meta_kubernetes_namespace": "default",
				"__meta_kubernetes_service_name": "kubernetes", "__meta_kubernetes_endpoint_port_name": "http",
			},
		},
		"node": {
			job:    "kubernetes-nodes",
			target: map[string]string{"__address__": "10.0.1.1:10250", "instance": "node-1", "__meta_kubernetes_node_name": "node-1", "__meta_kubernetes_node_label_zone": "a"},
			want: map[string]string{
				"__address__": "kubernetes.default.svc:443", "__scheme__": "https",
				"__metrics_path__": "/api/v1/nodes/node-1/proxy/metrics", "instance": "node-1", "job": "kubernetes-nodes", "zone": "a",
			},
		},
		"service": {
			job: "kubernetes-service-endpoints", target: service,
			want: map[string]string{
				"__address__": "10.0.0.7:6060", "__scheme__": "http", "__metrics_path__": "/metrics",
				"app": "sourcegraph-frontend", "deploy": "sourcegraph", "ns": "sourcegraph", "kubernetes_name": "sourcegraph-frontend",
				"job": "sourcegraph-frontend", "instance": "sourcegraph-frontend-5f", "nodename": "node-1",
			},
		},
		"service with its own path and scheme": {
			job: "kubernetes-service-endpoints",
			target: with(service, map[string]string{
				"__meta_kubernetes_service_annotation_prometheus_io_path":   "/own",
				"__meta_kubernetes_service_annotation_prometheus_io_scheme": "https",
			}),
			want: map[string]string{
				"__address__": "10.0.0.7:6060", "__scheme__": "https", "__metrics_path__": "/own",
				"app": "sourcegraph-frontend", "deploy": "sourcegraph", "ns": "sourcegraph", "kubernetes_name": "sourcegraph-frontend",
				"job": "sourcegraph-frontend", "instance": "sourcegraph-frontend-5f", "nodename": "node-1",
			},
		},
		"service that is not to be scraped": {
			job: "kubernetes-service-endpoints", target: with(service, map[string]string{"__meta_kubernetes_service_annotation_sourcegraph_prometheus_scrape": "false"}),
		},
		"service to be probed": {
			job: "kubernetes-services",
			target: map[string]string{
				"__address__": "web.sourcegraph.svc:80", "__meta_kubernetes_namespace": "sourcegraph", "__meta_kubernetes_service_name": "web",
				"__meta_kubernetes_service_annotation_prometheus_io_probe": "true", "__meta_kubernetes_service_label_app": "web",
			},
			want: map[string]string{
				"__address__": "blackbox", "__scheme__": "http", "__metrics_path__": "/probe", "__param_module": "http_2xx",
				"__param_target": "web.sourcegraph.svc:80", "instance": "web.sourcegraph.svc:80", "app": "web",
				"ns": "sourcegraph", "kubernetes_name": "web", "job": "kubernetes-services",
			},
		},
		"service that is not to be probed": {
			job: "kubernetes-services", target: map[string]string{"__address__": "web.sourcegraph.svc:80"},
		},
		"pod": {
			job: "kubernetes-pods", target: pod,
			want: map[string]string{
				"__address__": "10.0.0.8:48080", "__scheme__": "http", "__metrics_path__": "/metrics", "app": "cadvisor",
				"kubernetes_pod_name": "cadvisor-x", "ns": "other", "nodename": "node-2", "instance": "10.0.0.8:48080", "job": "kubernetes-pods",
			},
		},
		"pod that is not to be scraped": {
			job: "kubernetes-pods", target: map[string]string{"__address__": "10.0.0.8:3000"},
		},
		"itself": {
			job: "builtin-alertmanager", target: map[string]string{"__address__": "127.0.0.1:9093", "app": "alertmanager"},
			want: map[string]string{"__address__": "127.0.0.1:9093", "__scheme__": "http", "__metrics_path__": "/alertmanager/metrics", "app": "alertmanager", "instance": "127.0.0.1:9093", "job": "builtin-alertmanager"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			target := model.LabelSet{}
			for label, value := range c.target {
				target[model.LabelName(label)] = model.LabelValue(value)
			}
			relabelled, err := scrape.PopulateLabels(labels.NewBuilder(labels.EmptyLabels()), deploymentJob(t, "helm", c.job), target, nil)
			require.NoError(t, err)
			got := relabelled.Map()
			maps.DeleteFunc(got, func(label, _ string) bool { // settings of the job that are not at stake
				return strings.HasPrefix(label, "__scrape_") || strings.HasSuffix(label, "_histograms__") || strings.HasSuffix(label, "_nhcb__")
			})
			if c.want == nil {
				require.Empty(t, got)
				return
			}
			require.Equal(t, c.want, got)
		})
	}
}

func with(all, more map[string]string) map[string]string {
	merged := maps.Clone(all)
	maps.Copy(merged, more)
	return merged
}

// cAdvisor tells of the containers of everybody on its node.
func TestDeployments_RelabellingOfSeries(t *testing.T) {
	for name, c := range map[string]struct {
		job          string
		series, want map[string]string // want is nil: dropped
	}{
		"container of ours": {
			job:    "kubernetes-pods",
			series: map[string]string{"nodename": "n", "container_label_io_kubernetes_pod_namespace": "sourcegraph", "container_label_io_kubernetes_container_name": "frontend", "container_label_io_kubernetes_pod_name": "frontend-5f"},
			want:   map[string]string{"nodename": "n", "container_label_io_kubernetes_pod_namespace": "sourcegraph", "container_label_io_kubernetes_container_name": "frontend", "container_label_io_kubernetes_pod_name": "frontend-5f", "name": "frontend-frontend-5f"},
		},
		"container of others":    {job: "kubernetes-pods", series: map[string]string{"nodename": "n", "container_label_io_kubernetes_pod_namespace": "other"}},
		"no container":           {job: "kubernetes-pods", series: map[string]string{"nodename": "n", "name": "own"}, want: map[string]string{"nodename": "n", "name": "own"}},
		"pod without a node":     {job: "kubernetes-pods", series: map[string]string{"name": "own"}},
		"service":                {job: "kubernetes-service-endpoints", series: map[string]string{"nodename": "n"}, want: map[string]string{"nodename": "n"}},
		"service without a node": {job: "kubernetes-service-endpoints", series: map[string]string{"app": "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, deployment := range []string{"helm", "helm-namespaced"} {
				builder := labels.NewBuilder(labels.FromMap(c.series))
				kept := relabel.ProcessBuilder(builder, deploymentJob(t, deployment, c.job).MetricRelabelConfigs...)
				require.Equal(t, c.want != nil, kept, deployment)
				if kept {
					require.Equal(t, c.want, builder.Labels().Map(), deployment)
				}
			}
		})
	}
}
