package alerting

import (
	"context"
	"strings"

	"github.com/prometheus/alertmanager/alert"
	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/notify"
)

// overTLS is a receiver of mail in which TLS is demanded, where the one that was
// written neither demands it nor verifies certificates. By itself the engine would not
// use TLS then, not even where the server offers it, and many servers take neither a
// login nor mail without.
func (p part) overTLS() (secured amconfig.Receiver, ok bool) {
	if len(p.alone.EmailConfigs) != 1 {
		return amconfig.Receiver{}, false
	}
	mail := *p.alone.EmailConfigs[0]
	implicit := mail.ForceImplicitTLS != nil && *mail.ForceImplicitTLS || mail.ForceImplicitTLS == nil && mail.Smarthost.Port == "465"
	if implicit || mail.RequireTLS == nil || *mail.RequireTLS || mail.TLSConfig == nil || !mail.TLSConfig.InsecureSkipVerify {
		return amconfig.Receiver{}, false
	}
	mail.RequireTLS = new(true)
	secured = amconfig.Receiver{Name: p.alone.Name, EmailConfigs: []*amconfig.EmailConfig{&mail}}
	return secured, true
}

// whereOffered makes one integration of two that differ in whether they demand TLS.
func whereOffered(secured, plain notify.Integration, p part) notify.Integration {
	return notify.NewIntegration(offeredTLS{&secured, &plain}, &plain, plain.Name(), plain.Index(), p.alone.Name)
}

type offeredTLS struct{ secured, plain notify.Notifier }

// What the engine says of a server without STARTTLS, or with one that does not work,
// before it has told that anything.
const (
	notOffered = "does not advertise the STARTTLS extension"
	notWorking = "send STARTTLS command"
)

// Notify implements notify.Notifier.
func (o offeredTLS) Notify(ctx context.Context, alerts ...*alert.Alert) (retry bool, err error) {
	retry, err = o.secured.Notify(ctx, alerts...)
	if err != nil && (strings.Contains(err.Error(), notOffered) || strings.Contains(err.Error(), notWorking)) {
		return o.plain.Notify(ctx, alerts...)
	}
	return retry, err
}
