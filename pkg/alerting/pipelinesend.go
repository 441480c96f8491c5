package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// sender is the last part of the way to one integration. It sends, as often as it
// takes, and sees to it that a crash at any moment leaves on the disk what was
// being sent, or what came of it.
type sender struct {
	*pipelines
	at          integrationID
	integration *notify.Integration
	retry       notify.Stage
	remember    notify.Stage
}

// integrationID names an integration.
type integrationID struct{ receiver, integration string }

func (p *pipelines) sender(at integrationID, integration *notify.Integration, entry *nflogpb.Receiver) *sender {
	s := &sender{
		pipelines:   p,
		at:          at,
		integration: integration,
		remember:    notify.NewSetNotifiesStage(p.notified, entry),
	}
	watched := notify.NewIntegration(s, integration, integration.Name(), integration.Index(), at.receiver)
	s.retry = notify.NewRetryStage(watched, at.receiver, p.metrics, p.recorder)
	return s
}

// notification is one that is being sent by one integration.
type notification struct {
	decision  *decision // what is the same in all that is recorded of it
	id        sendID
	doubt     *decision // of what it repeats; nil where nothing was in doubt
	alerts    []*alert.Alert
	news      []news
	attempts  int
	accepted  time.Time     // by the receiver; zero until then
	latency   time.Duration // of the last attempt
	gaveUp    bool          // with the last attempt
	unwritten bool          // it is counted as such
}

type notificationKey struct{}

// Exec implements notify.Stage. All alerts that come here are to be sent, but for
// those that have resolved where the integration does not want to know. What was
// sent has not failed where that cannot be written: it would be sent again.
func (s *sender) Exec(ctx context.Context, l *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
	n := s.begin(ctx, alerts)
	if len(n.alerts) > 0 {
		s.intend(ctx, n)
	}
	ctx, alerts, err := s.retry.Exec(context.WithValue(ctx, notificationKey{}, n), l, alerts...)
	if err != nil {
		s.abandon(n, err)
		return ctx, nil, err
	}
	s.endToEnd.accepted(s.integration.Name(), n)
	ctx, alerts, err = s.remember.Exec(ctx, l, alerts...)
	s.settle(n)
	s.written(ctx, n, s.flush(ctx))
	if err != nil {
		return ctx, nil, fmt.Errorf("%s/%s: record that the notification was sent: %w", s.at.receiver, s.at.integration, err)
	}
	return ctx, alerts, nil
}

func (s *sender) begin(ctx context.Context, alerts []*alert.Alert) *notification {
	d := s.history.begin(ctx, client.OutcomeDelivered, s.at.integration)
	reason, _ := notify.NotificationReason(ctx)
	n := &notification{decision: d, id: sendID{s.at, d.GroupKey}, alerts: alerts}
	n.doubt = s.doubts.get(n.id)
	if !s.integration.SendResolved() {
		n.alerts = nil
		var resolved []*alert.Alert
		for _, a := range alerts {
			if a.Resolved() {
				resolved = append(resolved, a)
			} else {
				n.alerts = append(n.alerts, a)
			}
		}
		unwanted := *d
		unwanted.Outcome = client.OutcomeDeduplicated
		s.history.unsent(&unwanted, s.integration, resolved)
	}
	n.news = s.endToEnd.begin(ctx, s.at, entryOf(s.notified, s.at.inLog(), d.GroupKey), n.alerts)
	d.Reason, d.Begun = reason.String(), time.Now().UnixNano()
	for _, a := range n.alerts {
		d.Alerts = append(d.Alerts, s.history.decided(a))
	}
	return n
}

// Notify implements notify.Notifier: it is one attempt.
func (s *sender) Notify(ctx context.Context, alerts ...*alert.Alert) (retry bool, err error) {
	n := ctx.Value(notificationKey{}).(*notification)
	n.attempts++
	begin := time.Now()
	retry, err = s.integration.Notify(ctx, alerts...)
	n.latency = time.Since(begin)
	if err == nil {
		n.accepted = begin.Add(n.latency)
		s.failing.ended(s.at)
		return retry, nil
	}
	n.gaveUp = !retry || ctx.Err() != nil
	s.recordFailure(n, err)
	return retry, err
}

// abandon is the end of a notification that could not be sent. That is not waited
// for on the disk: a crash before it is there leaves the notification in doubt.
func (s *sender) abandon(n *notification, err error) {
	if len(n.alerts) == 0 {
		return
	}
	if !n.gaveUp { // since then, in the wait for the next attempt
		n.gaveUp, n.latency = true, 0
		s.recordFailure(n, err)
	}
	s.withdraw(n)
}

// settle is the end of a notification that was sent. It comes after the entry in
// the notification log: until that is on the disk the notification is in doubt.
func (s *sender) settle(n *notification) {
	if len(n.alerts) > 0 {
		s.history.add(n.delivered())
	}
	for _, a := range n.alerts {
		s.history.notified(n.decision.stationOf(a), a.Resolved())
	}
	s.decided(n.id)
}

func (n *notification) delivered() *decision {
	d := *n.decision
	d.Attempt, d.Latency = n.attempts, seconds(n.latency)
	return &d
}

func (s *sender) recordFailure(n *notification, err error) {
	d := *n.decision
	d.Outcome, d.Attempt, d.Latency, d.GaveUp = client.OutcomeFailed, n.attempts, seconds(n.latency), n.gaveUp
	d.Error, d.ErrorClass, d.Status = errorText(err), errorClass(err), errorStatus(err)
	s.history.add(&d)
	s.failing.failed(s.at, d.Error, n.gaveUp)
}

// maxErrorText bounds the text of an error that is kept: upstream puts whole
// answers into it.
const maxErrorText = 1 << 10

func errorText(err error) string {
	text := strings.ToValidUTF8(strings.TrimSpace(err.Error()), "\uFFFD")
	if len(text) <= maxErrorText {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorText], "") + "…"
}

// errorClass is what upstream counts a failed notification under.
func errorClass(err error) string {
	var classified *notify.ErrorWithReason
	switch {
	case errors.As(err, &classified):
		return classified.Reason.String()
	case errors.Is(err, context.DeadlineExceeded):
		return notify.ContextDeadlineExceededReason.String()
	case errors.Is(err, context.Canceled):
		return notify.ContextCanceledReason.String()
	}
	return notify.DefaultReason.String()
}

// statusInText finds an HTTP status where alone upstream's integrations tell it,
// see notify.Retrier.
var statusInText = regexp.MustCompile(`unexpected status code:? (\d{3})\b`)

// errorStatus is the code that an HTTP or SMTP server has answered; 0 is none.
func errorStatus(err error) int {
	if smtp, ok := errors.AsType[*textproto.Error](err); ok {
		return smtp.Code
	}
	found := statusInText.FindStringSubmatch(err.Error())
	if found == nil {
		return 0
	}
	code, _ := strconv.Atoi(found[1])
	return code
}
