package web

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServer_LifecycleOffNamesItsFlag(t *testing.T) {
	s := startServer(t)
	for _, path := range []string{"/-/reload", "/-/quit", "/alertmanager/-/reload"} {
		a := s.do(t, http.MethodPost, path, "", nil)
		require.Equal(t, http.StatusForbidden, a.status, path)
		require.Contains(t, a.body, "--web.enable-lifecycle", path)
		require.Equal(t, http.StatusMethodNotAllowed, s.get(t, path).status, path)
	}
	require.Equal(t, http.StatusForbidden, s.do(t, http.MethodPut, "/-/reload", "", nil).status)
	require.Zero(t, s.configurer.reloads)
}

func TestServer_AdminOffNamesItsFlag(t *testing.T) {
	s := startServer(t)
	for _, path := range []string{"/api/v1/admin/tsdb/snapshot", "/api/v1/admin/tsdb/delete_series?match[]=up", "/api/v1/admin/tsdb/clean_tombstones"} {
		a := s.do(t, http.MethodPost, path, "", map[string]string{"Origin": s.base})
		require.Equal(t, http.StatusForbidden, a.status, path)
		require.JSONEq(t, `{"status":"error","errorType":"unavailable","error":"admin APIs disabled: start with --web.enable-admin-api"}`, a.body)
		require.Equal(t, s.base, a.header.Get("Access-Control-Allow-Origin"))
	}
	require.Contains(t, s.get(t, "/metrics").body, `prometheus_http_requests_total{code="403",handler="/api/v1/admin"} 3`)
}

func TestServer_BackupIsOffWithTheAdminAPI(t *testing.T) {
	s := startServer(t) // a backup would panic
	a := s.do(t, http.MethodPost, "/api/srcprom/v1/admin/backup", "", nil)
	require.Equal(t, http.StatusForbidden, a.status)
	require.JSONEq(t, `{"error":"admin API is not enabled: start with --web.enable-admin-api"}`, a.body)
}

func TestServer_AdminOnTakesSnapshots(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.EnableAdminAPI = true })
	a := s.do(t, http.MethodPost, "/api/v1/admin/tsdb/snapshot", "", nil)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.DirExists(t, s.opts.StorageDir+"/snapshots")
}

func TestServer_ConfigAPIOffNamesItsFlag(t *testing.T) {
	s := startServer(t)
	for _, request := range []string{"GET /api/srcprom/v1/config", "GET /api/srcprom/v1/config/history", "POST /api/srcprom/v1/config", "POST /api/srcprom/v1/config/rollback"} {
		method, path := split(request)
		a := s.do(t, method, path, "{}", map[string]string{"Content-Type": "application/json"})
		require.Equal(t, http.StatusForbidden, a.status, request)
		require.JSONEq(t, `{"error":"configuration API is not enabled: start with --web.enable-config-api"}`, a.body)
	}
}

func TestServer_CrossOriginChangesAreRefused(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) {
		o.EnableLifecycle, o.EnableAdminAPI, o.EnableConfigAPI, o.EnableRemoteWriteReceiver, o.EnableOTLPReceiver = true, true, true, true, true
	})
	changes := []string{
		"POST /-/reload", "PUT /-/reload", "POST /-/quit", "PUT /-/quit", "POST /alertmanager/-/reload",
		"POST /alertmanager/api/v2/alerts", "POST /alertmanager/api/v2/silences", "DELETE /alertmanager/api/v2/silence/d04ac2ed-9a1c-4e1a-8d4a-3d3d0ad4c5b4",
		"POST /api/v1/admin/tsdb/snapshot", "PUT /api/v1/admin/tsdb/delete_series", "POST /api/v1/write", "POST /api/v1/otlp/v1/metrics",
		"POST /api/srcprom/v1/config", "POST /api/srcprom/v1/config/rollback", "POST /api/srcprom/v1/test-notification", "POST /api/srcprom/v1/admin/backup",
	}
	for _, change := range changes {
		method, path := split(change)
		for _, header := range []map[string]string{
			{"Origin": "https://evil.example"},
			{"Origin": "null"},
			{"Sec-Fetch-Site": "cross-site", "Origin": s.base},
			{"Sec-Fetch-Site": "same-site"},
		} {
			a := s.do(t, method, path, "", header)
			require.Equal(t, http.StatusForbidden, a.status, "%s with %v", change, header)
			require.Contains(t, a.body, "cross-origin request", change)
		}
	}
	require.Zero(t, s.configurer.reloads)
	select {
	case <-s.quit:
		t.Fatal("quit")
	default:
	}
}

func split(request string) (method, path string) {
	for i := range request {
		if request[i] == ' ' {
			return request[:i], request[i+1:]
		}
	}
	return request, ""
}

func TestServer_SameOriginAndProgramsMayChange(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) {
		o.EnableLifecycle = true
		o.ExternalURL, o.RoutePrefix = "https://Mon.example:443/x", "/"
	})
	for i, header := range []map[string]string{
		nil,                               // amtool, curl
		{"Origin": s.base},                // a page of this server
		{"Sec-Fetch-Site": "same-origin"}, // the same, over TLS
		{"Sec-Fetch-Site": "none"},        // typed in
		{"Origin": "https://mon.example", "Sec-Fetch-Site": "cross-site"}, // behind a proxy that changes Host
	} {
		require.Equal(t, http.StatusOK, s.do(t, http.MethodPost, "/-/reload", "", header).status, "%v", header)
		require.Equal(t, i+1, s.configurer.reloads)
	}
	require.Equal(t, http.StatusForbidden, s.do(t, http.MethodPost, "/-/reload", "", map[string]string{"Origin": "http://mon.example"}).status)
}

func TestServer_CrossOriginReadsFollowCORS(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.CORSOrigin = `https://(a|b)\.example`; o.RoutePrefix = "/p" })
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://a.example", "Sec-Fetch-Site": "cross-site"}
	for _, path := range readPaths() {
		a := s.do(t, http.MethodPost, path, "query=1&start=0&end=1&step=1&match[]=up", form)
		require.NotEqual(t, http.StatusForbidden, a.status, path)
	}
	a := s.do(t, http.MethodPost, "/api/v1/query", "query=1", form)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "https://a.example", a.header.Get("Access-Control-Allow-Origin"))

	form["Origin"] = "https://c.example"
	require.Empty(t, s.do(t, http.MethodGet, "/api/v1/query?query=1", "", form).header.Get("Access-Control-Allow-Origin"))
	preflight := s.do(t, http.MethodOptions, "/api/v1/query", "", map[string]string{"Origin": "https://b.example", "Access-Control-Request-Method": "POST"})
	require.Equal(t, http.StatusNoContent, preflight.status)
	require.Equal(t, "https://b.example", preflight.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "GET, POST, OPTIONS", preflight.header.Get("Access-Control-Allow-Methods"))
}

func TestServer_ReloadReportsItsOutcome(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.EnableLifecycle = true })
	for _, request := range []string{"POST /-/reload", "PUT /-/reload", "POST /alertmanager/-/reload"} {
		method, path := split(request)
		require.Equal(t, http.StatusOK, s.do(t, method, path, "", nil).status, request)
	}
	require.Equal(t, 3, s.configurer.reloads)

	s.configurer.err = errSetAside
	a := s.do(t, http.MethodPost, "/-/reload", "", nil)
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Equal(t, "failed to reload config: set aside: rules/a.yml:3: group \"g\": no such function\n", a.body)

	s.state.set(false, "storage: opening")
	a = s.do(t, http.MethodPost, "/-/reload", "", nil)
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "not reloaded: storage: opening\n", a.body)
	s.state.set(true)
	a = s.do(t, http.MethodPost, "/-/reload", "", nil)
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "true", a.header.Get("X-Prometheus-Stopping"))
}

func TestServer_QuitAsksOnce(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.EnableLifecycle = true })
	require.Equal(t, "Requesting termination... Goodbye!", s.do(t, http.MethodPost, "/-/quit", "", nil).body)
	<-s.quit
	require.Equal(t, "Termination already in progress.", s.do(t, http.MethodPut, "/-/quit", "", nil).body)
}
