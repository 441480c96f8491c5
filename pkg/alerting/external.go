package alerting

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/notifier"
	"github.com/prometheus/sigv4"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// processHeader tells a receiver of alerts which process sent them. An
// Alertmanager that finds its own id there has those alerts already: addresses
// and names of services do not tell whether a target is this process.
const processHeader = "X-Srcprom-Process"

// Discovery finds external Alertmanagers; discovery.Manager of Prometheus is one.
// Whoever made it runs it.
type Discovery interface {
	ApplyConfig(map[string]discovery.Configs) error
	SyncCh() <-chan map[string][]*targetgroup.Group
}

// external sends alerts to the Alertmanagers that prometheus.yml names, through
// Prometheus's notifier.
//
// The notifier holds its lock while it drains the queue of a target that goes
// away, which takes as long as that target pleases, and Send waits for the lock. So
// alerts reach it through a hand-off, and configurations from Run.
type external struct {
	log       *slog.Logger
	processID string
	discovery Discovery
	notifier  *notifier.Manager
	queue     *handoff
	kill      context.Context // done when what is being sent has to end
	cut       context.CancelFunc

	active atomic.Bool // whether any external Alertmanager is configured
	wanted atomic.Pointer[promconfig.Config]
	wake   chan struct{}

	mu       sync.Mutex // guards what follows
	clients  map[*http.Client]struct{}
	inFlight int // requests
}

func newExternal(opts ExternalOptions, deps Deps) (*external, *notificationMetrics) {
	x := &external{
		log:       deps.Logger.With("component", "notifier"),
		processID: deps.ProcessID,
		discovery: deps.Discovery,
		wake:      make(chan struct{}, 1),
		clients:   map[*http.Client]struct{}{},
	}
	x.kill, x.cut = context.WithCancel(context.Background())
	reg, metrics := captureNotificationMetrics(deps.PrometheusRegisterer)
	x.notifier = notifier.NewManager(&notifier.Options{
		QueueCapacity:   opts.QueueCapacity,
		MaxBatchSize:    opts.MaxBatchSize,
		DrainOnShutdown: opts.DrainOnShutdown,
		Registerer:      reg,
		Do:              x.do,
	}, model.UTF8Validation, x.log)
	x.queue = newHandoff(func(batch []handed) { x.notifier.Send(bare(batch)...) }, nil)
	return x, metrics()
}

// check builds what the notifier will build, so that it cannot fail later.
func (x *external) check(conf *promconfig.Config) error {
	sets := conf.AlertingConfig.AlertmanagerConfigs
	if len(sets) > 0 && x.discovery == nil {
		return config.Faults{{
			Document: config.PrometheusDocument,
			Reason:   "alerting.alertmanagers is set, and this server cannot find external Alertmanagers (Deps.Discovery is nil): remove it",
		}}
	}
	var faults config.Faults
	for i, set := range sets {
		if err := checkClient(set); err != nil {
			faults = append(faults, config.Fault{
				Document: config.PrometheusDocument,
				Reason:   conceal(fmt.Sprintf("build client of alerting.alertmanagers[%d]: %v", i, err), secretsIn(set)),
			})
		}
	}
	if len(faults) > 0 { // an empty Faults would be an error that is not nil
		return faults
	}
	return nil
}

func checkClient(set *promconfig.AlertmanagerConfig) error {
	client, err := commonconfig.NewClientFromConfig(set.HTTPClientConfig, "alertmanager")
	if err != nil || set.SigV4Config == nil {
		return err
	}
	_, err = sigv4.NewSigV4RoundTripper(set.SigV4Config, client.Transport)
	return err
}

// apply makes a configuration take effect as soon as Run gets to it.
func (x *external) apply(conf *promconfig.Config) {
	x.active.Store(len(conf.AlertingConfig.AlertmanagerConfigs) > 0)
	x.wanted.Store(conf)
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// applyWanted follows the order of cmd/prometheus/main.go: the notifier must know
// a set before its targets are found.
func (x *external) applyWanted() {
	conf := x.wanted.Load()
	defer x.closeIdle() // clients of sets that are gone are never used again
	if err := x.notifier.ApplyConfig(conf); err != nil {
		x.log.Error("Configuration of external Alertmanagers not applied", "err", err)
		return
	}
	if x.discovery == nil {
		return
	}
	sets := map[string]discovery.Configs{}
	for name, set := range conf.AlertingConfig.AlertmanagerConfigs.ToMap() {
		sets[name] = set.ServiceDiscoveryConfigs
	}
	if err := x.discovery.ApplyConfig(sets); err != nil {
		x.log.Error("Discovery of external Alertmanagers not configured", "err", err)
	}
}

// externalTarget is the label value of alerts dropped before it is known which
// external Alertmanagers would have got them: to ask the notifier could block.
const externalTarget = "external"

// send never blocks. It drops what comes after the end, as the notifier would, and
// returns false then.
func (x *external) send(alerts []handed) bool {
	return !x.active.Load() || x.queue.put(alerts)
}

// run sends until ctx is done. Then it drains, until x.cut is called.
func (x *external) run(ctx context.Context) {
	var queue, up sync.WaitGroup
	defer x.closeIdle()
	up.Go(func() { x.notifier.Run(x.syncCh()) })
	queue.Go(func() { x.queue.run(ctx) })
	for done := false; !done; {
		select {
		case <-x.wake:
			x.applyWanted()
		case <-ctx.Done():
			done = true
		}
	}
	queue.Wait()
	x.notifier.Stop()
	up.Wait()
	x.awaitRequests()
}

// quiet is how long no request is in flight before we believe that none comes any
// more: a send loop needs that, generously, to make one of alerts it holds.
const quiet = 50 * time.Millisecond

// awaitRequests waits until the notifier sends nothing any more. It does not wait
// for its send loops itself, and what they have taken from their queues would be
// lost.
func (x *external) awaitRequests() {
	if !x.active.Load() {
		return
	}
	const step = quiet / 10
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for calm := time.Duration(0); calm < quiet; calm += step {
		if x.requests(0) > 0 {
			calm = 0
		}
		select {
		case <-ticker.C:
		case <-x.kill.Done():
			return
		}
	}
}

// requests adds to the number of requests in flight and returns it.
func (x *external) requests(n int) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.inFlight += n
	return x.inFlight
}

func (x *external) syncCh() <-chan map[string][]*targetgroup.Group {
	if x.discovery == nil {
		return nil
	}
	return x.discovery.SyncCh()
}

// do sends one request of the notifier. It adds our id, and ends the request when
// the time for draining is over.
func (x *external) do(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	if client == nil {
		client = http.DefaultClient
	}
	x.remember(client)
	req.Header.Set(processHeader, x.processID)
	x.requests(1)
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(x.kill, cancel)
	end := func() {
		release()
		cancel()
		x.requests(-1)
	}
	resp, err := client.Do(req.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, closed: end}
	return resp, nil
}

// body tells when it is closed.
type body struct {
	io.ReadCloser
	closed func()
}

func (b *body) Close() error {
	defer b.closed()
	return b.ReadCloser.Close()
}

func (x *external) remember(client *http.Client) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.clients[client] = struct{}{}
}

// closeIdle closes the connections that clients keep, which the notifier leaves
// open, and forgets the clients; do remembers those that are still in use.
func (x *external) closeIdle() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for client := range x.clients {
		client.CloseIdleConnections()
	}
	clear(x.clients)
}

// withoutURL leaves out the targets that are known under own.
func withoutURL(urls []*url.URL, own *url.URL) []*url.URL {
	var rest []*url.URL
	for _, u := range urls {
		if own == nil || u.String() != own.String() {
			rest = append(rest, u)
		}
	}
	return rest
}
