package alerting

import (
	"log/slog"
	"net/url"
	"slices"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	commonconfig "github.com/prometheus/common/config"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// builtReceiver is a receiver with the clients that reach it. It serves every
// configuration in which its text is the same.
//
// The text is zero, which no receiver has, where something does not run as
// written, so that the next configuration tries again.
type builtReceiver struct {
	text         fingerprint
	integrations []notify.Integration
	parts        []builtPart
}

// receiverBuilder builds the receivers of one configuration.
type receiverBuilder struct {
	log      *slog.Logger
	http     []commonconfig.HTTPClientOption
	template *template.Template
	lost     []config.Integration
	before   map[string]builtReceiver // may be used again; empty where the templates are others
	running  map[string]builtReceiver // stand in, integration by integration, for what cannot be built
}

// build builds the receivers that a route uses, as upstream does.
func (b *receiverBuilder) build(receivers []amconfig.Receiver, used map[string]bool) (map[string]builtReceiver, error) {
	built := make(map[string]builtReceiver, len(used))
	for _, rcv := range receivers {
		if !used[rcv.Name] {
			b.log.Debug("Receiver not built, as no route uses it", "receiver", rcv.Name)
			continue
		}
		lost := b.lostOf(rcv.Name)
		text := fingerprintOf(rcv, lost)
		if old, ok := b.before[rcv.Name]; ok && old.text == text {
			built[rcv.Name] = old
			continue
		}
		fresh, err := b.buildOne(rcv, text, lost)
		if err != nil {
			return nil, err
		}
		built[rcv.Name] = fresh
	}
	return built, nil
}

func (b *receiverBuilder) lostOf(name string) []config.Integration {
	var lost []config.Integration
	for _, integration := range b.lost {
		if integration.Receiver == name {
			lost = append(lost, integration)
		}
	}
	return lost
}

// wrapped bounds each integration, keeps its secrets, and gives it its index in
// the text, which is part of its keys in the notification log. In the place of
// each that is set aside it puts one that always fails.
func wrapped(rcv amconfig.Receiver, built []notify.Integration, lost []config.Integration) []notify.Integration {
	all := make([]notify.Integration, 0, len(built)+len(lost))
	taken := map[string]map[int]bool{}
	for _, l := range lost {
		if taken[l.Type] == nil {
			taken[l.Type] = map[int]bool{}
		}
		taken[l.Type][l.Index] = true
	}
	next, secrets := map[string]int{}, secretsIn(rcv)
	for i := range built {
		survivor := &built[i]
		kind := survivor.Name()
		for taken[kind][next[kind]] {
			next[kind]++
		}
		notifier := concealed{inner: bounded(survivor), secrets: secrets}
		all = append(all, notify.NewIntegration(notifier, survivor, kind, next[kind], rcv.Name))
		next[kind]++
	}
	for _, l := range lost {
		stub := lostIntegration{lostError(l)}
		all = append(all, notify.NewIntegration(stub, stub, l.Type, l.Index, rcv.Name))
	}
	return all
}

// CheckIntegration builds the integrations of a receiver and throws them away. Its
// error says what would make an apply fail: for example a file that is missing.
// Templates are not looked at: an integration reads them when it sends, and
// whether they parse is found out for all integrations at once.
func CheckIntegration(rcv amconfig.Receiver, _ []config.Template) error {
	_, err := receiver.BuildReceiverIntegrations(rcv, unread(), slog.New(slog.DiscardHandler))
	return err
}

// unread is a template for integrations that will not send anything.
func unread() *template.Template {
	return &template.Template{ExternalURL: &url.URL{Scheme: "http", Host: "localhost"}}
}

// countIntegrations is what alertmanager_integrations shows.
func countIntegrations(receivers map[string]builtReceiver) int {
	n := 0
	for _, rcv := range receivers {
		n += len(rcv.integrations)
	}
	return n
}

// lostUsed are the lost integrations of receivers that exist.
func lostUsed(lost []config.Integration, receivers map[string]builtReceiver) []config.Integration {
	return slices.DeleteFunc(slices.Clone(lost), func(l config.Integration) bool {
		_, used := receivers[l.Receiver]
		return !used
	})
}
