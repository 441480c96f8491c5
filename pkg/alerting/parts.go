package alerting

import (
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	commonconfig "github.com/prometheus/common/config"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// part is a receiver with only one of its integrations. A file that is gone then
// harms that one alone, not its neighbours.
type part struct {
	alone amconfig.Receiver
	kind  string // as the engine calls it: "webhook", "email"
	index int    // among those of its kind
	text  fingerprint
}

// builtPart is an integration that was built, before anything is wrapped around it.
type builtPart struct {
	part
	integration notify.Integration
}

// partsOf takes a receiver apart. The engine's name of a kind is that of its field,
// which TestPartsOf_KindsAreUpstreams guards.
func partsOf(rcv amconfig.Receiver) []part {
	var parts []part
	whole := reflect.ValueOf(rcv)
	for i := range whole.NumField() {
		kind, isKind := strings.CutSuffix(whole.Type().Field(i).Name, "Configs")
		if !isKind {
			continue
		}
		all := whole.Field(i)
		for j := range all.Len() {
			p := part{alone: amconfig.Receiver{Name: rcv.Name}, kind: strings.ToLower(kind), index: j}
			reflect.ValueOf(&p.alone).Elem().Field(i).Set(all.Slice3(j, j+1, j+1))
			p.text = fingerprintOf(p.alone)
			parts = append(parts, p)
		}
	}
	return parts
}

// build builds the one integration. Upstream completes the configuration of some
// when it makes them or at their first notification, which would be a race with all
// who use the same: it has a copy, which is complete as far as that can be.
func (p part) build(tmpl *template.Template, log *slog.Logger, opts ...commonconfig.HTTPClientOption) ([]notify.Integration, error) {
	p.alone.PagerdutyConfigs = copies(p.alone.PagerdutyConfigs)
	p.alone.EmailConfigs = copies(p.alone.EmailConfigs)
	for _, conf := range p.alone.PagerdutyConfigs {
		if conf.Severity == "" {
			conf.Severity = "error"
		}
	}
	for _, conf := range p.alone.EmailConfigs {
		conf.Headers = maps.Clone(conf.Headers)
	}
	built, err := receiver.BuildReceiverIntegrations(p.alone, tmpl, log, opts...)
	secured, offered := p.overTLS()
	if err != nil || !offered {
		return built, err
	}
	over, err := receiver.BuildReceiverIntegrations(secured, tmpl, log, opts...)
	if err != nil {
		return nil, err
	}
	return []notify.Integration{whereOffered(over[0], built[0], p)}, nil
}

// copies are shallow.
func copies[T any](all []*T) []*T {
	copied := make([]*T, len(all))
	for i, one := range all {
		next := *one
		copied[i] = &next
	}
	return copied
}

// buildOne builds a receiver integration by integration. One that cannot be built
// and whose text is that of a running one, which goes on, must not refuse what is
// changed elsewhere; one that never ran is set aside. Only a changed one is an
// error: to go on with its old text would pass for success.
func (b *receiverBuilder) buildOne(rcv amconfig.Receiver, text fingerprint, lost []config.Integration) (builtReceiver, error) {
	fresh := builtReceiver{text: text}
	var raw []notify.Integration
	aside := lost
	for _, p := range partsOf(rcv) {
		built, err := p.build(b.template, b.log, b.http...)
		if err == nil {
			raw = append(raw, built...)
			fresh.parts = append(fresh.parts, builtPart{p, built[0]})
			continue
		}
		fresh.text = fingerprint{}
		reason := conceal(err.Error(), secretsIn(rcv))
		old, place := b.ranBefore(p)
		switch {
		case old != nil:
			b.log.Warn("Integration cannot be built again and goes on as it was: restore what it needs, then apply again",
				"receiver", rcv.Name, "integration", p.kind, "index", textIndex(p, lost), "err", reason)
			raw = append(raw, old.integration)
			fresh.parts = append(fresh.parts, builtPart{p, old.integration})
		case place:
			return builtReceiver{}, alertmanagerFault(fmt.Sprintf("build receiver %q: %s[%d]: %s", rcv.Name, p.kind, textIndex(p, lost), reason))
		default:
			l := config.Integration{Receiver: rcv.Name, Type: p.kind, Index: textIndex(p, lost), Reason: reason}
			b.log.Error("Integration set aside, as it cannot be built", "receiver", rcv.Name, "integration", l.Type, "index", l.Index, "err", reason)
			aside = append(slices.Clip(aside), l)
			b.lost = append(slices.Clip(b.lost), l)
		}
	}
	fresh.integrations = wrapped(rcv, raw, aside)
	return fresh, nil
}

// ranBefore finds the running integration of the same text; nil where there is
// none. place tells whether one of any text runs in the same place.
func (b *receiverBuilder) ranBefore(p part) (old *builtPart, place bool) {
	running := b.running[p.alone.Name].parts
	for i := range running {
		if running[i].text == p.text {
			return &running[i], true
		}
		place = place || running[i].kind == p.kind && running[i].index == p.index
	}
	return nil, place
}

// textIndex is the index of a part in the text, where those that the loader has
// set aside count too.
func textIndex(p part, lost []config.Integration) int {
	taken := map[int]bool{}
	for _, l := range lost {
		if l.Type == p.kind {
			taken[l.Index] = true
		}
	}
	index := 0
	for left := p.index; left > 0 || taken[index]; index++ {
		if !taken[index] {
			left--
		}
	}
	return index
}

// alertmanagerFault refuses the document of the built-in Alertmanager.
func alertmanagerFault(reason string) error {
	return config.Faults{{Document: config.AlertmanagerDocument, Reason: reason}}
}
