package web

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/notifications"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

func TestNew_NamesEveryMissingDependency(t *testing.T) {
	_, err := New(DefaultOptions(), Deps{})
	for _, name := range []string{
		"Logger", "Registerer", "Gatherer", "AlertmanagerRegisterer", "AlertmanagerGatherer", "Storage", "Local",
		"Engine", "Parser", "Scrape", "Rules", "Alertmanagers", "Config", "Configurer", "Ready", "Quit", "Features",
	} {
		require.ErrorContains(t, err, "web: Deps."+name+": want it set")
	}
	for _, name := range optionalDeps() {
		require.NotContains(t, err.Error(), "Deps."+name+":")
	}
}

func TestNew_FailureReleasesListeners(t *testing.T) {
	opts, deps, _ := testDeps(t)
	deps.Registerer.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "prometheus_ready", Help: "taken"}))
	var err error
	deps.Listeners, err = Listen(opts, deps.Logger)
	require.NoError(t, err)
	address := deps.Listeners.Addr()
	_, err = New(opts, deps)
	require.ErrorContains(t, err, "prometheus_ready")
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestServer_RunAndCloseMayComeInAnyOrder(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()

	s := newTestServer(t)
	require.NoError(t, s.Run(done), "a Run whose context is done returns at once")
	require.ErrorContains(t, s.Run(t.Context()), "has already run or was closed")
	require.NoError(t, s.Close())

	s = newTestServer(t)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.ErrorContains(t, s.Run(t.Context()), "has already run or was closed")
	l, err := net.Listen("tcp", s.Addr())
	require.NoError(t, err, "a server that never ran must give its address back")
	require.NoError(t, l.Close())
}

func TestServer_TwoInOneProcess(t *testing.T) {
	a, b := startServer(t), startServer(t)
	a.state.set(false, "storage: opening")
	require.Equal(t, http.StatusServiceUnavailable, a.get(t, "/-/ready").status)
	require.Equal(t, http.StatusOK, b.get(t, "/-/ready").status)
	require.NoError(t, a.stop())
	require.Equal(t, http.StatusOK, b.get(t, "/metrics").status)
}

func TestServer_ListenerFailureEndsRun(t *testing.T) {
	s := newTestServer(t)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	require.Equal(t, http.StatusOK, s.get(t, "/-/healthy").status)
	require.NoError(t, s.listeners.public[0].Close())
	select {
	case err := <-ended:
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorContains(t, err, "serve on ")
	case <-time.After(patience):
		t.Fatal("Run did not return")
	}
}

func TestServer_PrefixAndExternalURLHoldForTheWholeSurface(t *testing.T) {
	for name, tc := range map[string]struct {
		external, prefix     string
		wantPrefix, wantBase string
	}{
		"neither":             {"", "", "", ""},
		"external path":       {"https://example.com/mon/", "", "/mon", "/mon"},
		"proxy strips path":   {"https://example.com/mon", "/", "", "/mon"},
		"proxy replaces path": {"https://example.com/mon", "/inner/prom", "/inner/prom", "/mon"},
		"prefix without URL":  {"", "/prom", "/prom", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, func(o *Options, _ *Deps) {
				o.ExternalURL, o.RoutePrefix = tc.external, tc.prefix
				o.EnableConfigAPI = true
			})
			require.Equal(t, "http://"+s.Addr()+tc.wantPrefix, s.base)
			for _, path := range []string{
				"/", "/query", "/alerts", "/alertmanager/", "/version", "/metrics", "/federate?match[]=up",
				"/-/healthy", "/-/ready", "/debug/pprof/", "/debug/pprof/cmdline", "/api/v1/query?query=1", "/api/v1/openapi.yaml",
				"/api/srcprom/v1/ready", "/api/srcprom/v1/openapi.yaml",
				"/alertmanager/metrics", "/alertmanager/-/healthy", "/alertmanager/-/ready", "/alertmanager/api/v2/status",
			} {
				require.Equal(t, http.StatusOK, s.get(t, path).status, path)
			}
			require.Equal(t, tc.wantBase+"/query?g0.expr=up&g0.tab=1", s.get(t, "/graph?g0.expr=up&g0.tab=1").header.Get("Location"))
			require.Equal(t, tc.wantPrefix+"/alertmanager/", s.get(t, "/alertmanager").header.Get("Location"))
			require.Equal(t, http.StatusNotFound, s.get(t, "/nothing").status)
			require.Equal(t, http.StatusNotFound, s.get(t, "/api/v1/nothing").status)
			require.Equal(t, http.StatusNotFound, s.get(t, "/api/v2/alerts").status)
			if tc.wantPrefix != "" {
				s.base = "http://" + s.Addr()
				root := s.get(t, "/")
				require.Equal(t, http.StatusFound, root.status)
				require.Equal(t, tc.wantPrefix+"/", root.header.Get("Location"))
				require.Equal(t, http.StatusNotFound, s.get(t, "/metrics").status)
				require.Equal(t, http.StatusNotFound, s.get(t, "/api/v1/query?query=1").status)
			}
		})
	}
}

func TestServer_ProbesSayWhatIsNotReady(t *testing.T) {
	s := startServer(t)
	ready := s.get(t, "/-/ready")
	require.Equal(t, answer{200, ready.header, "Prometheus Server is Ready.\n"}, ready)
	require.Equal(t, "Prometheus Server is Healthy.\n", s.get(t, "/-/healthy").body)
	require.Equal(t, http.StatusOK, s.do(t, http.MethodHead, "/-/ready", "", nil).status)
	require.Equal(t, http.StatusOK, s.do(t, http.MethodHead, "/-/healthy", "", nil).status)
	require.Equal(t, 1.0, gaugeValue(t, s, "prometheus_ready"))

	s.state.set(false, "storage: replaying the write-ahead log", "rules: no configuration yet")
	ready = s.get(t, "/-/ready")
	require.Equal(t, http.StatusServiceUnavailable, ready.status)
	require.Equal(t, "false", ready.header.Get("X-Prometheus-Stopping"))
	require.Equal(t, "storage: replaying the write-ahead log\nrules: no configuration yet\n", ready.body)
	require.Equal(t, http.StatusServiceUnavailable, s.do(t, http.MethodHead, "/-/ready", "", nil).status)
	require.Equal(t, http.StatusOK, s.get(t, "/-/healthy").status)
	require.Equal(t, 0.0, gaugeValue(t, s, "prometheus_ready"))
	require.Equal(t, "OK", s.get(t, "/alertmanager/-/ready").body, "alerts are taken while the store opens")

	c, err := client.New(s.base, client.WithHTTPClient(s.http))
	require.NoError(t, err)
	readiness, err := c.Ready(t.Context())
	require.NoError(t, err)
	require.Equal(t, &client.Readiness{Reasons: []string{"storage: replaying the write-ahead log", "rules: no configuration yet"}}, readiness)

	s.state.set(true)
	ready = s.get(t, "/-/ready")
	require.Equal(t, http.StatusServiceUnavailable, ready.status)
	require.Equal(t, "true", ready.header.Get("X-Prometheus-Stopping"))
	require.Equal(t, "stopping\n", ready.body)
	require.Equal(t, http.StatusServiceUnavailable, s.get(t, "/alertmanager/-/ready").status)
}

func gaugeValue(t *testing.T, s *testServer, name string) float64 {
	t.Helper()
	families, err := s.gatherer.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			return firstValue(family)
		}
	}
	t.Fatalf("no metric %q", name)
	return 0
}

func TestServer_ServesAlertsAndReplayProgressWhileStorageOpens(t *testing.T) {
	s := startServer(t)
	s.state.set(false, "storage: opening")
	for _, path := range []string{"/api/v1/query?query=1", "/api/v1/status/config", "/federate?match[]=up", "/api/v1/openapi.yaml"} {
		a := s.get(t, path)
		require.Equal(t, http.StatusServiceUnavailable, a.status, path)
		require.Equal(t, "Service Unavailable", a.body, path)
		require.Equal(t, "false", a.header.Get("X-Prometheus-Stopping"), path)
	}
	require.JSONEq(t, `{"status":"success","data":{"min":1,"max":9,"current":3}}`, s.get(t, "/api/v1/status/walreplay").body)
	require.Equal(t, http.StatusOK, s.get(t, "/api/v1/notifications").status)
	require.Equal(t, http.StatusOK, s.get(t, "/metrics").status)

	posted := s.do(t, http.MethodPost, "/alertmanager/api/v2/alerts", `[{"labels":{"alertname":"External"}}]`, map[string]string{"Content-Type": "application/json"})
	require.Equal(t, http.StatusOK, posted.status, posted.body)
	require.Contains(t, s.get(t, "/alertmanager/api/v2/alerts").body, "External")
}

func TestServer_PrometheusAPIAnswers(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.EnableRemoteWriteReceiver, o.EnableOTLPReceiver = true, true })
	now := time.Now().UnixMilli()
	app := s.db.Appender(t.Context())
	_, err := app.Append(0, labels.FromStrings("__name__", "answer", "job", "a"), now, 42)
	require.NoError(t, err)
	require.NoError(t, app.Commit())

	require.Contains(t, s.get(t, "/api/v1/query?query=answer").body, `"42"`)
	require.JSONEq(t, `{"status":"success","data":["__name__","job"]}`, s.get(t, "/api/v1/labels").body)
	require.Contains(t, s.get(t, "/api/v1/status/config").body, "region: north")
	require.JSONEq(t, `{"status":"success","data":{"storage.tsdb.path":"data"}}`, s.get(t, "/api/v1/status/flags").body)
	require.Contains(t, s.get(t, "/api/v1/status/buildinfo").body, `"version":"1.2.3"`)
	require.Contains(t, s.get(t, "/api/v1/status/runtimeinfo").body, `"storageRetention":"15d"`)
	require.Contains(t, s.get(t, "/api/v1/status/tsdb").body, `"numSeries":1`)
	require.Contains(t, s.get(t, "/api/v1/features").body, `"remote_write_receiver":true`)
	for _, path := range []string{"/api/v1/targets", "/api/v1/rules", "/api/v1/alerts", "/api/v1/alertmanagers", "/api/v1/scrape_pools", "/api/v1/status/self_metrics"} {
		require.Equal(t, http.StatusOK, s.get(t, path).status, path)
	}
	// Malformed, but understood as what it is: the receivers are there.
	require.Equal(t, http.StatusBadRequest, s.do(t, http.MethodPost, "/api/v1/write", "x", nil).status)
	require.Equal(t, http.StatusBadRequest, s.do(t, http.MethodPost, "/api/v1/otlp/v1/metrics", "x", map[string]string{"Content-Type": "application/json"}).status)

	document := s.get(t, "/api/v1/openapi.yaml")
	require.Contains(t, document.body, "/query_range:")
	require.Contains(t, document.body, s.external.String()+"/api/v1")
	require.Contains(t, s.get(t, "/api/v1/openapi.yaml?openapi_version=3.2").body, "openapi: 3.2.0")
	require.JSONEq(t, `{"version":"1.2.3","revision":"","branch":"","buildUser":"","buildDate":"","goVersion":""}`, s.get(t, "/version").body)
}

func TestServer_ReceiversThatAreOffNameTheirFlag(t *testing.T) {
	s := startServer(t)
	a := s.do(t, http.MethodPost, "/api/v1/write", "", nil)
	require.Equal(t, http.StatusNotFound, a.status)
	require.Contains(t, a.body, "--web.enable-remote-write-receiver")
	a = s.do(t, http.MethodPost, "/api/v1/otlp/v1/metrics", "", nil)
	require.Equal(t, http.StatusNotFound, a.status)
	require.Contains(t, a.body, "--web.enable-otlp-receiver")
}

func TestServer_WithoutAlertmanagerOnlyItsMetricsAnswer(t *testing.T) {
	s := startServer(t, func(_ *Options, d *Deps) { d.AlertmanagerAPI = nil })
	require.Equal(t, http.StatusOK, s.get(t, "/alertmanager/metrics").status)
	for _, path := range []string{"/alertmanager/", "/alertmanager/-/ready", "/alertmanager/api/v2/status"} {
		require.Equal(t, http.StatusNotFound, s.get(t, path).status, path)
	}
	require.NotContains(t, s.get(t, "/").body, "/alertmanager/api")
}

func TestServer_MetricsPathsShowTheirOwnRegistries(t *testing.T) {
	s := startServer(t, func(_ *Options, d *Deps) {
		d.InstrumentAlertmanager = func(name string, h http.HandlerFunc) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Measured-As", name)
				h(w, r)
			}
		}
	})
	s.get(t, "/api/v1/query?query=1")
	s.get(t, "/-/ready")
	prom := s.get(t, "/metrics")
	for _, series := range []string{
		`prometheus_http_requests_total{code="200",handler="/api/v1/query"} 1`,
		`prometheus_http_requests_total{code="200",handler="/-/ready"} 1`,
		`prometheus_http_request_duration_seconds_count{handler="/api/v1/query"} 1`,
		`prometheus_http_response_size_bytes_count{handler="/api/v1/query"} 1`,
		"prometheus_ready 1", "prometheus_web_federation_errors_total 0", "prometheus_web_federation_warnings_total 0",
		"prometheus_api_notification_active_subscribers 0", "go_goroutines", "process_start_time_seconds",
		"net_conntrack_listener_conn_accepted_total", "promhttp_metric_handler_requests_total",
	} {
		require.Contains(t, prom.body, series)
	}
	require.NotContains(t, prom.body, "alertmanager_silences")

	am := s.get(t, "/alertmanager/metrics")
	require.Equal(t, "/metrics", am.header.Get("X-Measured-As"))
	require.Contains(t, am.body, "alertmanager_silences")
	require.NotContains(t, am.body, "prometheus_http")
	require.NotContains(t, am.body, "go_goroutines")
}

func TestServer_RequestsThatComeBeforeTheAPIWait(t *testing.T) {
	s := newTestServer(t)
	got := make(chan int, 1)
	go func() {
		resp, err := s.http.Get(s.base + "/api/v1/query?query=1")
		if err != nil {
			got <- 0
			return
		}
		resp.Body.Close()
		got <- resp.StatusCode
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case status := <-got:
		require.Equal(t, http.StatusOK, status)
	case <-time.After(patience):
		t.Fatal("no answer")
	}
	s.http.CloseIdleConnections()
	cancel()
	require.NoError(t, <-ended)
}

func TestServer_PanicAbortsTheConnectionNotTheServer(t *testing.T) {
	s := startServer(t, func(_ *Options, d *Deps) {
		d.AlertmanagerAPI = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("out of cheese") })
	})
	_, err := s.http.Get(s.base + "/alertmanager/api/v2/status")
	require.ErrorContains(t, err, "EOF")
	require.Contains(t, s.log.String(), "out of cheese")
	require.Contains(t, s.log.String(), "server_test.go", "the stack is logged")
	require.Equal(t, 1, strings.Count(s.log.String(), "out of cheese"), "and once")
	require.Equal(t, http.StatusOK, s.get(t, "/-/healthy").status)
}

func TestServer_MaxConnectionsHoldOverAllListeners(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) {
		o.ListenAddresses = []string{"127.0.0.1:0", "127.0.0.1:0"}
		o.InternalListenAddresses = []string{"127.0.0.1:0"}
		o.MaxConnections = 3
	})
	dial := func(l net.Listener) net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		ask(t, conn, "/-/healthy")
		return conn
	}
	const conns = 8
	answered := make(chan net.Conn, conns)
	for i := range conns {
		conn := dial(s.listeners.public[i%2])
		go func() {
			if heardWithin(conn, patience) == "HTTP/1.1 200 OK" {
				answered <- conn
			}
		}()
	}
	require.Equal(t, "HTTP/1.1 200 OK", heardWithin(dial(s.listeners.internal[0]), patience), "internal addresses have a limit of their own")
	require.Never(t, func() bool { return len(answered) > 3 }, 100*time.Millisecond, 10*time.Millisecond, "more than MaxConnections")
	for range conns { // each that is closed makes room for another
		(<-answered).Close()
	}
}

func ask(t *testing.T, conn net.Conn, path string) {
	t.Helper()
	_, err := conn.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n"))
	require.NoError(t, err)
}

// heardWithin returns the first line that comes, or nothing.
func heardWithin(conn net.Conn, limit time.Duration) string {
	_ = conn.SetReadDeadline(time.Now().Add(limit)) // an error comes again from Read
	buf := make([]byte, 4096)
	n, _ := conn.Read(buf)
	line, _, _ := strings.Cut(string(buf[:n]), "\r\n")
	return line
}

// slowStorage answers no query before its context is done.
type slowStorage struct {
	storage.Storage
	entered chan struct{}
}

func (s slowStorage) Querier(int64, int64) (storage.Querier, error) {
	return slowQuerier{storage.NoopQuerier(), s.entered}, nil
}

type slowQuerier struct {
	storage.Querier
	entered chan struct{}
}

func (q slowQuerier) Select(ctx context.Context, _ bool, _ *storage.SelectHints, _ ...*labels.Matcher) storage.SeriesSet {
	q.entered <- struct{}{}
	<-ctx.Done()
	return storage.ErrSeriesSet(ctx.Err())
}

func TestServer_StopCancelsSlowQueriesAfterTheDrain(t *testing.T) {
	entered := make(chan struct{}, 1)
	s := startServer(t, func(o *Options, d *Deps) {
		o.DrainTimeout = 300 * time.Millisecond
		d.Storage = slowStorage{d.Storage, entered}
	})
	status := make(chan int, 1)
	go func() {
		resp, err := s.http.Get(s.base + "/api/v1/query?query=up")
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	<-entered
	began := time.Now()
	require.NoError(t, s.stop(), "which is bounded")
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond, "a running request has its time")
	require.Equal(t, 499, <-status, "its client gets upstream's answer to a cancelled query")
	require.Contains(t, s.log.String(), "Requests are still running, cancelling them")
}

func TestServer_StopLetsRequestsFinish(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := startServer(t, func(o *Options, d *Deps) {
		o.DrainTimeout = patience
		d.AlertmanagerAPI = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			w.WriteHeader(http.StatusTeapot)
		})
	})
	got := make(chan int, 1)
	go func() {
		resp, err := s.http.Get(s.base + "/alertmanager/api/v2/silences")
		if err != nil {
			got <- 0
			return
		}
		resp.Body.Close()
		got <- resp.StatusCode
	}()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", s.Addr())
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, patience, 5*time.Millisecond, "new connections must be refused")
	close(release)
	require.Equal(t, http.StatusTeapot, <-got)
	require.NoError(t, <-ended)
}

func TestServer_StopDoesNotWaitForSilentConnections(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.DrainTimeout = patience })
	silent, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer silent.Close()
	idle, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer idle.Close()
	ask(t, idle, "/-/healthy")
	require.Equal(t, "HTTP/1.1 200 OK", heardWithin(idle, patience))
	stream, err := s.http.Get(s.base + "/api/v1/notifications/live")
	require.NoError(t, err)
	defer stream.Body.Close()

	began := time.Now()
	require.NoError(t, s.stop())
	require.Less(t, time.Since(began), patience/2, "nothing to wait for, although the drain has time")
}

func TestServer_StopReportsRequestsThatDoNotEnd(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := newTestServer(t, func(o *Options, d *Deps) {
		o.DrainTimeout = 10 * time.Millisecond
		d.AlertmanagerAPI = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(entered)
			<-release
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	failed := make(chan error, 1)
	go func() {
		_, err := s.http.Get(s.base + "/alertmanager/api/v2/silences")
		failed <- err
	}()
	<-entered
	cancel()
	require.EqualError(t, <-ended, "stop serving: 1 requests do not end although they were cancelled")
	require.Error(t, <-failed)
	close(release)
}

func TestServer_NotificationsAreStreamedUntilTheStop(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.MaxNotificationsSubscribers = 1 })
	s.Notifications().AddNotification(notifications.StartingUp)
	require.Contains(t, s.get(t, "/api/v1/notifications").body, notifications.StartingUp)
	stream, err := s.http.Get(s.base + "/api/v1/notifications/live")
	require.NoError(t, err)
	defer stream.Body.Close()
	buf := make([]byte, 1024)
	n, err := stream.Body.Read(buf)
	require.NoError(t, err)
	require.Contains(t, string(buf[:n]), notifications.StartingUp)
	require.Equal(t, http.StatusNoContent, s.get(t, "/api/v1/notifications/live").status, "one subscriber at most")
}

func TestServer_HandlerServesWithoutRun(t *testing.T) {
	s := newTestServer(t, func(o *Options, d *Deps) {
		o.LookbackDelta = 0 // means the default
		d.Config = func() *promconfig.Config { return nil }
	})
	for _, path := range []string{"/api/v1/query?query=1", "/api/v1/status/config", "/federate?match[]=up", "/alertmanager/api/v2/status"} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, w.Code, path)
	}
	require.Equal(t, 5*time.Minute, s.opts.LookbackDelta)
}

func TestServer_ProfilesAreServed(t *testing.T) {
	s := startServer(t, func(o *Options, _ *Deps) { o.RoutePrefix = "/p" })
	require.Equal(t, "/p/debug/pprof/", s.get(t, "/debug/pprof").header.Get("Location"))
	for _, path := range []string{
		"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=1", "/debug/pprof/heap", "/debug/pprof/symbol",
		"/debug/pprof/trace?seconds=0.01", "/debug/pprof/profile?seconds=1",
	} {
		require.Equal(t, http.StatusOK, s.get(t, path).status, path)
	}
	for _, path := range []string{"/debug/requests", "/debug/vars", "/debug/pprof/nothing"} {
		require.Equal(t, http.StatusNotFound, s.get(t, path).status, path)
	}
}

func TestServer_FeaturesAreThoseOfTheOptions(t *testing.T) {
	s := newTestServer(t, func(o *Options, _ *Deps) { o.EnableLifecycle, o.EnableSearch = true, true })
	api := s.deps.Features.Get()["api"]
	require.True(t, api["lifecycle"])
	require.True(t, api["search"])
	require.False(t, api["admin"])
	require.True(t, api["openapi_3.2"])
}

func TestServer_MetricsFollowUpstreamsRules(t *testing.T) {
	s := newTestServer(t)
	problems, err := testutil.GatherAndLint(s.deps.Gatherer, "prometheus_http_requests_total", "prometheus_ready")
	require.NoError(t, err)
	require.Empty(t, problems)
}
