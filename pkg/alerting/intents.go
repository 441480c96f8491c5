package alerting

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/nflog/nflogpb"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// An intent is on the disk while a notification is being sent: the decision that
// it has been delivered, before its time. One that is found at the start is in
// doubt, as nobody knows whether the receiver has got it. It stays until the repeat
// is decided.

// key is of the same length whatever the labels are: the length of a key is
// limited.
func (id sendID) key() string {
	sum := sha256.Sum256([]byte(id.receiver + "\xff" + id.integration + "\xff" + id.group))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// intend puts on the disk what is about to be sent. Where that cannot be written
// the notification is sent all the same.
func (s *sender) intend(ctx context.Context, n *notification) {
	intended := *n.decision
	for _, a := range n.alerts {
		if !a.Resolved() {
			intended.Firing = append(intended.Firing, hashAlert(a))
		}
	}
	if n.doubt != nil {
		intended.Firing = append(intended.Firing, n.doubt.Firing...)
	}
	value, err := s.history.packer.pack(&intended)
	n.decision.alertsText = intended.alertsText
	if err == nil {
		s.state.Put(state.Intents, n.id.key(), value)
		err = s.flush(ctx)
	}
	s.written(ctx, n, err)
}

// written notes whether what is sent, or what came of it, could be written. That it
// could not is counted once for each notification, and said once.
func (s *sender) written(ctx context.Context, n *notification, err error) {
	switch {
	case err == nil:
		s.sent.unwritable.Store(false)
	case ctx.Err() == nil && len(n.alerts) > 0:
		if !n.unwritten {
			n.unwritten = true
			s.sent.unwritten.Inc()
		}
		if s.sent.unwritable.CompareAndSwap(false, true) {
			s.log.Error("Notifications are sent although what is being sent, or has been, cannot be written: should the server be killed meanwhile, it does not know that they may be sent twice",
				"receiver", s.at.receiver, "integration", s.at.integration, "group_key", n.decision.GroupKey, "err", err)
		}
	}
}

// withdraw takes back the intent of a notification that could not be sent. What was
// in doubt before it is so still.
func (s *sender) withdraw(n *notification) {
	if n.doubt == nil {
		s.state.Delete(state.Intents, n.id.key())
		return
	}
	s.keepInDoubt(n.id, n.doubt)
}

func (p *pipelines) keepInDoubt(id sendID, d *decision) {
	value, err := p.history.packer.pack(d)
	if err != nil {
		p.log.Error("Notification in doubt not kept", "receiver", d.Receiver, "group_key", d.GroupKey, "err", err)
		return
	}
	p.state.Put(state.Intents, id.key(), value)
}

const inDoubt = "the server was killed between sending and the answer; it is sent once more"

// recoverIntents takes up what a crash has left. Nothing has to be sent here: what
// is in doubt is sent once more by the next flush of its group, if its alerts are
// still what they were.
func (p *pipelines) recoverIntents(ctx context.Context) {
	err := p.state.Each(state.Intents, func(key string, value []byte) error {
		left, err := unpack(value)
		if err != nil {
			p.log.Warn("Intent of a notification left out, as it cannot be read", "err", err)
			p.state.Delete(state.Intents, key)
			return nil
		}
		p.recoverIntent(ctx, left)
		return nil
	})
	if err := errors.Join(err, p.flush(ctx)); err != nil {
		p.log.Error("Notifications in doubt may be missing in the history, or be in it twice", "err", err)
	}
}

func (p *pipelines) recoverIntent(ctx context.Context, d *decision) {
	id := sendID{integrationID{d.Receiver, d.Integration}, d.GroupKey}
	switch {
	case d.settledBy(entryOf(p.notified, id.inLog(), d.GroupKey)):
		// The entry came on the disk with one write, and what follows it missed that.
		if !d.InDoubt && !p.hasRecorded(ctx, d) {
			p.history.add(d.forHistory())
		}
		p.decided(id)
	case d.tooOld(time.Now()):
		p.decided(id)
	case d.InDoubt: // since the crash before
		p.doubts.add(id, d)
	default:
		d.Outcome, d.InDoubt, d.Error = client.OutcomeFailed, true, inDoubt
		p.doubts.add(id, d)
		p.history.add(d.forHistory())
		p.keepInDoubt(id, d)
		p.sent.inDoubt.Inc()
		p.log.Warn("Notification in doubt: the server was killed before the receiver answered, so it is sent once more",
			"receiver", d.Receiver, "integration", d.Integration, "group_key", d.GroupKey, "begun", time.Unix(0, d.Begun))
	}
}

// forHistory is an intent without what only the next start needs.
func (d *decision) forHistory() *decision {
	told := *d
	told.Firing = nil
	return &told
}

// keepOnly forgets what is known of integrations that are gone.
func (p *pipelines) keepOnly(existing map[integrationID]bool) {
	p.failing.keep(existing)
	p.endToEnd.keep(existing)
	for _, id := range p.doubts.keep(existing) {
		p.state.Delete(state.Intents, id.key())
	}
}

// inLog is how the notification log calls an integration such as "webhook[0]".
func (id integrationID) inLog() *nflogpb.Receiver {
	kind, index, _ := strings.Cut(strings.TrimSuffix(id.integration, "]"), "[")
	i, _ := strconv.ParseUint(index, 10, 32)
	return &nflogpb.Receiver{GroupName: id.receiver, Integration: kind, Idx: uint32(i)}
}

// hasRecorded tells whether the history has the outcome of a notification, which
// can only be among the last ones before the crash.
func (p *pipelines) hasRecorded(ctx context.Context, wanted *decision) bool {
	const last = 1000
	entries, err := p.state.History(ctx, 0, last)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		d, err := unpack(entry.Value)
		if err == nil && d.Outcome == client.OutcomeDelivered && d.Begun == wanted.Begun &&
			d.GroupKey == wanted.GroupKey && d.Receiver == wanted.Receiver && d.Integration == wanted.Integration {
			return true
		}
	}
	return false
}
