package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	commonconfig "github.com/prometheus/common/config"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

const (
	// testTimeout is how long a service has to answer a test notification.
	testTimeout = 10 * time.Second
	// maxTesting is how many integrations are tested at the same time.
	maxTesting = 64
)

// testBench is what all test notifications of an engine share.
type testBench struct {
	timeout time.Duration
	slots   chan struct{} // one element for each integration that is being tested
	hanging chan struct{} // one for each mail that is tested; see boundedNotifier
	making  sync.Mutex    // held while integrations are made
	ending  context.Context
	end     context.CancelFunc // ends them all; called at the beginning of a stop
}

func newTestBench() *testBench {
	b := &testBench{
		timeout: testTimeout,
		slots:   make(chan struct{}, maxTesting),
		hanging: make(chan struct{}, maxTesting),
	}
	b.ending, b.end = context.WithCancel(context.Background())
	return b
}

// UnknownReceiverError says that a configuration has no receiver of this name.
type UnknownReceiverError struct{ Name string }

// Error implements error.
func (e UnknownReceiverError) Error() string {
	return fmt.Sprintf("there is no receiver named %q in the configuration", e.Name)
}

// NotFound tells it apart from other errors.
func (UnknownReceiverError) NotFound() {}

var errNoAlertmanager = errors.New("there is no built-in Alertmanager: it was turned off")

// TestNotification sends a notification through a receiver, or through the routes of
// a label set, of the given configuration, whether that runs or not. The error is a
// [QueryError] or an [UnknownReceiverError] where the request is wrong; that a service
// does not take the notification is no error.
//
// Its integrations are made anew: what is tested is what is written, with the files
// and the network as they are now. It passes by dispatcher, silences, inhibitions,
// time intervals, notification log, history and metrics, and leaves no trace in them:
// only the receiver hears of it, and the log. There is one attempt for each
// integration.
func (m *Manager) TestNotification(ctx context.Context, on *config.Effective, req client.TestNotificationRequest) (*client.TestNotificationResult, error) {
	e := m.engine
	switch {
	case e == nil:
		return nil, errNoAlertmanager
	case req.Receiver == "" == (len(req.Labels) == 0):
		return nil, QueryError{Reason: "want either a receiver or labels"}
	}
	tree, err := e.withDeadMansSwitch(on.Alertmanager)
	if err != nil {
		return nil, err
	}
	tmpl, err := newTemplate(on.Templates, e.externalURL)
	if err != nil {
		return nil, alertmanagerFault(err.Error())
	}
	stops, err := stopsOf(req, dispatch.NewRoute(tree, nil), e.externalURL.String())
	if err != nil {
		return nil, err
	}
	if err := e.stage.begin(ctx); err != nil {
		return nil, err
	}
	defer e.stage.end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.tests.ending, cancel)()
	return e.testAll(ctx, on, tmpl, stops)
}

// testAll goes to all stops at once.
func (e *engine) testAll(ctx context.Context, on *config.Effective, tmpl *template.Template, stops []testStop) (*client.TestNotificationResult, error) {
	result := &client.TestNotificationResult{}
	var sending sync.WaitGroup
	defer sending.Wait()
	for _, stop := range stops {
		i := slices.IndexFunc(on.Alertmanager.Receivers, func(r amconfig.Receiver) bool { return r.Name == stop.receiver })
		if i < 0 {
			return nil, UnknownReceiverError{stop.receiver}
		}
		f, tests := stop.flush(tmpl), e.testsOf(on, on.Alertmanager.Receivers[i], tmpl)
		tested := client.TestedReceiver{Receiver: stop.receiver, Integrations: make([]client.TestedIntegration, len(tests))}
		if stop.route != nil {
			tested.Route = stop.route.ID()
		}
		if len(tests) == 0 {
			tested.Note = "nothing is sent: the receiver has no integrations"
		}
		for i := range tests {
			sending.Go(func() { tested.Integrations[i] = e.test(ctx, tests[i], f) })
		}
		result.Receivers = append(result.Receivers, tested)
	}
	return result, nil
}

// integrationTest is one integration of a receiver that is to be tested.
type integrationTest struct {
	id, kind string
	notifier notify.Notifier
	err      error // why it cannot be tried
}

// testsOf are the integrations of a receiver, in the order of their kinds.
//
// They are made one after another: upstream completes the configuration of an
// integration when it makes one, and others may be about to read the same.
func (e *engine) testsOf(on *config.Effective, rcv amconfig.Receiver, tmpl *template.Template) []integrationTest {
	e.tests.making.Lock()
	defer e.tests.making.Unlock()
	var tests []integrationTest
	aside := asideOf(on, rcv.Name)
	for id, reason := range aside {
		tests = append(tests, integrationTest{id: id, err: fmt.Errorf("not tried, as it is set aside: %s", reason)})
	}
	lost := slices.DeleteFunc(slices.Clone(on.Lost), func(l config.Integration) bool { return l.Receiver != rcv.Name })
	secrets := longestFirst(append(secretsIn(rcv), secretsInFiles(rcv)...))
	for _, p := range partsOf(rcv) {
		id := fmt.Sprintf("%s[%d]", p.kind, textIndex(p, lost))
		if aside[id] == "" {
			tests = append(tests, e.newTest(id, p, tmpl, secrets))
		}
	}
	slices.SortFunc(tests, func(a, b integrationTest) int { return strings.Compare(a.id, b.id) })
	return tests
}

// newTest makes the integration without what goes on between notifications: it
// keeps no connection, and mails that hang are counted apart from real ones.
func (e *engine) newTest(id string, p part, tmpl *template.Template, secrets []string) integrationTest {
	t := integrationTest{id: id, kind: p.kind}
	built, err := p.build(tmpl, slog.New(slog.DiscardHandler), commonconfig.WithDialContextFunc(e.conns.dial), commonconfig.WithKeepAlivesDisabled())
	if err != nil {
		t.err = fmt.Errorf("not tried, as it cannot be built: %s", conceal(err.Error(), secrets))
		return t
	}
	var notifier notify.Notifier = &built[0]
	if p.kind == mailKind {
		notifier = &boundedNotifier{inner: notifier, hanging: e.tests.hanging}
	}
	t.notifier = concealed{inner: notifier, secrets: secrets}
	return t
}

// asideOf are the integrations of a receiver that do not run as they are written,
// with the reasons.
func asideOf(on *config.Effective, receiver string) map[string]string {
	aside := map[string]string{}
	for _, entry := range on.SetAside {
		rest, ok := strings.CutPrefix(entry.Name, "receivers/"+receiver+"/")
		kind, index, isList := strings.Cut(rest, "_configs[")
		if ok && isList && entry.Document == config.AlertmanagerDocument && !strings.Contains(kind, "/") {
			aside[kind+"["+index] = entry.Reason
		}
	}
	return aside
}

// test sends through an integration once, and says what came of it.
func (e *engine) test(ctx context.Context, t integrationTest, f flushed) client.TestedIntegration {
	result := client.TestedIntegration{Integration: t.id}
	if err := e.tryTest(ctx, t, f, &result); err != nil {
		result.Error = errorText(err)
	} else {
		result.Sent = true
	}
	e.log.Info("Test notification", "receiver", f.receiver, "integration", t.id,
		"sent", result.Sent, "status", result.Status, "latency", result.LatencySeconds, "err", result.Error)
	return result
}

func (e *engine) tryTest(ctx context.Context, t integrationTest, f flushed, result *client.TestedIntegration) error {
	if t.err != nil {
		return t.err
	}
	select {
	case e.tests.slots <- struct{}{}:
		defer func() { <-e.tests.slots }()
	case <-ctx.Done():
		return fmt.Errorf("not tried: %w", ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, e.tests.timeout)
	defer cancel()
	ctx, answered := withStatus(f.context(ctx))
	begin := time.Now()
	_, err := t.notifier.Notify(ctx, f.alert)
	result.LatencySeconds, result.Status = seconds(time.Since(begin)), answered.status()
	switch {
	case err == nil && t.kind == mailKind:
		result.Status = mailOK
	case err != nil && result.Status == 0:
		result.Status = errorStatus(err)
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s: %w", e.tests.timeout, err)
	}
	return err
}

// mailOK is the code of an SMTP server that has taken a mail; net/smtp takes no
// other one for a success.
const mailOK = 250

// context is what a dispatcher and the stages of a pipeline tell an integration.
func (f flushed) context(ctx context.Context) context.Context {
	ctx = notify.WithReceiverName(ctx, f.receiver)
	ctx = notify.WithGroupKey(ctx, f.groupKey)
	ctx = notify.WithGroupLabels(ctx, f.groupLabels)
	ctx = notify.WithRouteLabels(ctx, f.routeLabels)
	ctx = notify.WithNow(ctx, f.alert.StartsAt)
	ctx = notify.WithFiringAlerts(ctx, []uint64{f.hash})
	ctx = notify.WithResolvedAlerts(ctx, nil)
	return notify.WithNotificationReason(ctx, notify.ReasonFirstNotification)
}
