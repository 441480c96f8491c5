package alerting

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/alertmanager/nflog/nflogpb"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// intent is what is on the disk while a notification is being sent. One that is
// found at the start is in doubt: whether the receiver has got it nobody knows.
type intent struct {
	Receiver string  `json:"receiver"`
	Kind     string  `json:"kind"` // of the integration, such as "webhook"
	Index    uint32  `json:"index"`
	Record   *record `json:"record"` // as it would be if it had been delivered
}

// intentKey is of the same length whatever the labels are: the length of a key is
// limited.
func intentKey(at integrationID, group string) string {
	sum := sha256.Sum256([]byte(at.receiver + "\xff" + at.integration + "\xff" + group))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// intend puts on the disk what is about to be sent. Where that cannot be written
// the notification is sent all the same.
func (s *sender) intend(ctx context.Context, n *notification) {
	value, err := json.Marshal(intent{
		Receiver: s.entry.GroupName,
		Kind:     s.entry.Integration,
		Index:    s.entry.Idx,
		Record:   n.record,
	})
	if err == nil {
		s.state.Put(state.Intents, n.key, value)
		err = s.flush(ctx)
	}
	if err != nil {
		s.sent.unwritten.Inc()
		s.log.Error("Intent not written: should the server crash now, the notification may be sent twice without a word of it",
			"receiver", s.at.receiver, "integration", s.at.integration, "group_key", n.record.GroupKey, "err", err)
	}
}

func (s *sender) forget(n *notification) { s.state.Delete(state.Intents, n.key) }

const inDoubt = "the server was killed between sending and the answer; it is sent once more"

// recoverIntents takes up what a crash has left. Nothing has to be sent here: of
// what is in doubt the notification log knows nothing, so that it is sent once
// more by the next flush of its group, if its alerts are still what they were.
func (p *pipelines) recoverIntents(ctx context.Context) error {
	found := 0
	err := p.state.Each(state.Intents, func(key string, value []byte) error {
		found++
		p.state.Delete(state.Intents, key)
		var left intent
		if err := json.Unmarshal(value, &left); err != nil || left.Record == nil {
			p.log.Warn("Intent of a notification left out, as it cannot be read", "err", err)
			return nil
		}
		p.recoverIntent(ctx, &left)
		return nil
	})
	if err == nil && found > 0 {
		err = p.flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("take up notifications in doubt: %w", err)
	}
	return nil
}

func (p *pipelines) recoverIntent(ctx context.Context, left *intent) {
	r := left.Record
	entry := entryOf(p.notified, &nflogpb.Receiver{GroupName: left.Receiver, Integration: left.Kind, Idx: left.Index}, r.GroupKey)
	if entry != nil && entry.Timestamp.AsTime().UnixNano() >= r.Begun {
		// The entry came on the disk with one write, and what follows it missed that.
		if !p.hasRecorded(ctx, r) {
			p.history.add(r)
		}
		return
	}
	r.Outcome, r.InDoubt, r.Error = client.OutcomeFailed, true, inDoubt
	p.history.add(r)
	p.sent.inDoubt.Inc()
	p.log.Warn("Notification in doubt: the server was killed before the receiver answered, so it is sent once more",
		"receiver", r.Receiver, "integration", r.Integration, "group_key", r.GroupKey, "begun", time.Unix(0, r.Begun))
}

// hasRecorded tells whether the history has the outcome of a notification, which
// can only be among the last ones before the crash.
func (p *pipelines) hasRecorded(ctx context.Context, wanted *record) bool {
	const last = 1000
	entries, err := p.state.History(ctx, 0, last)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		r, err := unpack(entry.Value)
		if err == nil && r.Outcome == client.OutcomeDelivered && r.Begun == wanted.Begun &&
			r.GroupKey == wanted.GroupKey && r.Receiver == wanted.Receiver && r.Integration == wanted.Integration {
			return true
		}
	}
	return false
}
