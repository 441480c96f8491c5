package e2e

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// serviceAccount is where Kubernetes mounts what a pod needs to call its API.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/"

// object is one of Kubernetes's.
type object map[string]any

// named is an object with a name in a namespace, with labels and annotations, and with
// what else belongs to it.
func named(name, namespace string, labels, annotations map[string]string, more object) object {
	o := object{"metadata": object{"name": name, "namespace": namespace, "uid": name, "labels": labels, "annotations": annotations}}
	maps.Copy(o, more)
	return o
}

// cluster is what the API of Kubernetes lists, by path.
func cluster() map[string][]object {
	scraped := func(port string) map[string]string {
		return map[string]string{"sourcegraph.prometheus/scrape": "true", "prometheus.io/port": port}
	}
	app := func(name string) map[string]string { return map[string]string{"app": name, "deploy": "sourcegraph"} }
	endpoints := func(target, portName string, port int) object {
		return object{"subsets": []object{{
			"addresses": []object{{"ip": "127.0.0.1", "nodeName": "node-1", "targetRef": object{"kind": "Pod", "name": target, "namespace": "sourcegraph"}}},
			"ports":     []object{{"name": portName, "port": port, "protocol": "TCP"}},
		}}}
	}
	frontend := named("sourcegraph-frontend", "sourcegraph", app("sourcegraph-frontend"), scraped("6060"), endpoints("sourcegraph-frontend-5f", "http", 3080))
	quiet := named("quiet", "sourcegraph", app("quiet"), nil, endpoints("quiet-1", "http", 3080))
	pod := named("cadvisor-x", "sourcegraph", app("cadvisor"), scraped("48080"), object{
		"spec":   object{"nodeName": "node-1", "containers": []object{{"name": "cadvisor", "ports": []object{{"containerPort": 80, "protocol": "TCP"}}}}},
		"status": object{"phase": "Running", "podIP": "127.0.0.1", "hostIP": "127.0.0.1"},
	})
	services := []object{frontend, quiet}
	pods := []object{pod, named("sourcegraph-frontend-5f", "sourcegraph", app("sourcegraph-frontend"), nil, object{
		"spec": object{"nodeName": "node-1"}, "status": object{"phase": "Running", "podIP": "127.0.0.1"},
	})}
	return map[string][]object{
		"/api/v1/endpoints": {named("kubernetes", "default", nil, nil, endpoints("", "https", 443)), frontend, quiet},
		"/api/v1/services":  append([]object{named("kubernetes", "default", nil, nil, nil)}, services...),
		"/api/v1/pods":      {pod},
		"/api/v1/nodes":     {named("node-1", "", map[string]string{"zone": "a"}, nil, object{"status": object{"addresses": []object{{"type": "InternalIP", "address": "127.0.0.1"}}}})},
		"/api/v1/namespaces/sourcegraph/endpoints": {frontend, quiet},
		"/api/v1/namespaces/sourcegraph/services":  services,
		"/api/v1/namespaces/sourcegraph/pods":      pods,
	}
}

// kinds are those of the lists.
var kinds = map[string]string{"endpoints": "EndpointsList", "services": "ServiceList", "pods": "PodList", "nodes": "NodeList"}

// kubernetes serves as much of the API of Kubernetes as discovery uses, to whoever
// brings the token of the service account. Nothing ever changes in it.
func (c *container) kubernetes() {
	c.t.Helper()
	cert, key := certificate(c.t)
	c.write(serviceAccount+"ca.crt", cert)
	c.write(serviceAccount+"token", "token-of-the-service-account")
	c.write(serviceAccount+"namespace", "sourcegraph")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	require.NoError(c.t, err)
	lists := cluster()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-of-the-service-account" {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/metrics") {
			_, _ = io.WriteString(w, scrapedMetrics)
			return
		}
		list, ok := lists[r.URL.Path]
		switch {
		case !ok:
			http.Error(w, "no such resource", http.StatusNotFound)
		case r.URL.Query().Get("sendInitialEvents") != "":
			answer(w, http.StatusUnprocessableEntity, object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid", "code": http.StatusUnprocessableEntity})
		case r.URL.Query().Get("watch") != "":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
			answer(w, http.StatusOK, object{"kind": kinds[resource], "apiVersion": "v1", "metadata": object{"resourceVersion": "1"}, "items": list})
		}
	}))
	server.Listener.Close()
	server.Listener = c.listen(c.t, "127.0.0.1:443")
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	c.t.Cleanup(func() {
		server.CloseClientConnections() // the watches
		server.Close()
	})
}

func answer(w http.ResponseWriter, status int, body object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// inCluster is what Kubernetes puts into the environment of a pod.
func inCluster() []string {
	return []string{"KUBERNETES_SERVICE_HOST=127.0.0.1", "KUBERNETES_SERVICE_PORT=443"}
}

// The Helm chart's deployment, started as it is, with the role of a cluster and with
// that of a namespace.
func TestImage_HelmDeploymentStartsUnchanged(t *testing.T) {
	t.Parallel()
	for deployment, want := range map[string]map[string]string{
		"helm": {
			"kubernetes-apiservers":        "https://127.0.0.1:443/metrics",
			"kubernetes-nodes":             "https://kubernetes.default.svc:443/api/v1/nodes/node-1/proxy/metrics",
			"kubernetes-service-endpoints": "http://127.0.0.1:6060/metrics",
			"kubernetes-pods":              "http://127.0.0.1:48080/metrics",
			"builtin-prometheus":           "http://127.0.0.1:9092/metrics",
			"builtin-alertmanager":         "http://127.0.0.1:9093/alertmanager/metrics",
		},
		"helm-namespaced": {
			"kubernetes-service-endpoints": "http://127.0.0.1:6060/metrics",
			"kubernetes-pods":              "http://127.0.0.1:48080/metrics",
			"builtin-prometheus":           "http://127.0.0.1:9092/metrics",
			"builtin-alertmanager":         "http://127.0.0.1:9093/alertmanager/metrics",
		},
	} {
		t.Run(deployment, func(t *testing.T) {
			t.Parallel()
			c := newContainer(t)
			c.gid = 100
			c.volume("/prometheus", 0, 100, 0o2775)
			c.deployment(deployment, nil)
			c.hosts("kubernetes.default.svc")
			c.kubernetes()
			c.serveMetrics("6060", "48080")
			p := c.run(inCluster())
			p.awaitReady()
			p.requireLoaded(deployment)
			var found []activeTarget
			p.await("every target to be scraped", func() bool {
				found = p.targets()
				for _, target := range found {
					if target.Health != "up" {
						return false
					}
				}
				return len(found) == len(want)
			})
			got := map[string]string{}
			for _, target := range found {
				got[target.ScrapePool] = target.ScrapeURL
				if target.ScrapePool == "kubernetes-service-endpoints" {
					require.Equal(t, map[string]string{
						"job": "sourcegraph-frontend", "app": "sourcegraph-frontend", "deploy": "sourcegraph", "instance": "sourcegraph-frontend-5f",
						"kubernetes_name": "sourcegraph-frontend", "nodename": "node-1", "ns": "sourcegraph",
					}, target.Labels)
				}
			}
			require.Equal(t, want, got)
			p.stop()
		})
	}
}

// A cluster whose API does not answer must not keep anything else down.
func TestImage_HelmDeploymentRunsWithoutTheAPI(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	cert, _ := certificate(t)
	c.write(serviceAccount+"ca.crt", cert)
	c.write(serviceAccount+"token", "token")
	c.deployment("helm", map[string]string{"always_rules.yml": alwaysFiring})
	p := c.run(inCluster())
	p.awaitReady()
	p.requireLoaded("helm")
	p.await("an alert", func() bool { _, ok := p.alertsByName()["critical_frontend_down"]; return ok })
	p.stop()
}
