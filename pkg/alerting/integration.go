package alerting

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// lostIntegration stands in the place of an integration that is set aside and has
// no earlier version. Each notification it should have sent fails, so that it is
// counted and logged.
type lostIntegration struct{ err error }

func lostError(l config.Integration) error {
	return fmt.Errorf("integration %s[%d] of receiver %q is set aside: %s", l.Type, l.Index, l.Receiver, l.Reason)
}

// Notify implements notify.Notifier.
func (l lostIntegration) Notify(context.Context, ...*alert.Alert) (retry bool, err error) {
	return false, l.err
}

// SendResolved implements notify.ResolvedSender.
func (l lostIntegration) SendResolved() bool { return true }

// mailKind is the engine's name of the integration that sends mails.
const mailKind = "email"

// maxHanging is how many mails of one integration may hang at the same time.
const maxHanging = 8

var errHanging = errors.New("mails sent before still wait for an answer of the server: close their connections there, or restart the server")

// bounded makes an integration return when its context is done. All of upstream's
// do so but email, which waits for the mail server as long as that keeps the
// connection, and with it its group and receiver.
func bounded(integration *notify.Integration) notify.Notifier {
	if integration.Name() != mailKind {
		return integration
	}
	return &boundedNotifier{inner: integration, hanging: make(chan struct{}, maxHanging)}
}

type boundedNotifier struct {
	inner   notify.Notifier
	hanging chan struct{} // one element for each call of inner that has not returned
}

type outcome struct {
	retry bool
	err   error
}

// Notify implements notify.Notifier.
func (b *boundedNotifier) Notify(ctx context.Context, alerts ...*alert.Alert) (retry bool, err error) {
	select {
	case b.hanging <- struct{}{}:
	default:
		return true, errHanging
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() { <-b.hanging }()
		retry, err := b.inner.Notify(ctx, alerts...)
		done <- outcome{retry, err}
	}()
	select {
	case o := <-done:
		return o.retry, o.err
	case <-ctx.Done():
		return true, fmt.Errorf("no answer of the mail server: %w", ctx.Err())
	}
}
