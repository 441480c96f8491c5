package alerting

import (
	"bytes"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/cluster"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var errTakenBack = errors.New("a call before this one, on which it relied, could not be written and was taken back")

// takenBackRetention is how long a silence that was taken back is kept, expired:
// long enough that all peers hear of it.
const takenBackRetention = time.Minute

// silenceCalls are the API calls that change silences. A change takes effect in
// memory before it is on the disk, for the engine knows no other way; one that
// cannot be written is taken back. Calls wait for the disk together; only what
// they do in memory comes one after the other.
type silenceCalls struct {
	log     *slog.Logger
	journal *journal
	// merge merges a record into the engine, tell tells journal and peers of it as
	// the engine does, and forget makes the silencer look at all silences again.
	merge  func([]byte) error
	tell   func([]byte)
	forget func()

	gate sync.Mutex              // held while silences change in memory; guards what follows
	last map[string]*silenceCall // of each silence that some call waits for
}

// silenceCall is what one call does to one silence.
type silenceCall struct {
	id      string
	base    record       // before; zero: there was none
	seen    record       // after; the same where the call has found nothing to do
	changed bool         // whether they differ
	prev    *silenceCall // of the same silence; nil: none waits
	done    chan struct{}

	// What follows is set when done is closed.
	durable   record // what is in force, as far as this call knows
	takenBack bool   // whether what was seen is not in force
}

// during makes the change of one call, and returns what it does to which silence.
// id is the one that it expires; empty when it creates or edits one.
func (s *silenceCalls) during(id string, serve func()) []*silenceCall {
	s.gate.Lock()
	defer s.gate.Unlock()
	changes := s.journal.during(serve)
	calls := make([]*silenceCall, 0, len(changes))
	for _, c := range changes {
		calls = append(calls, s.beginLocked(c[1].key, c[0], c[1], true))
	}
	if current, ok := s.journal.get(id); ok && len(calls) == 0 && s.last[id] != nil {
		calls = append(calls, s.beginLocked(id, current, current, false))
	}
	return calls
}

func (s *silenceCalls) beginLocked(id string, before, after record, changed bool) *silenceCall {
	call := &silenceCall{id: id, base: before, seen: after, changed: changed, prev: s.last[id], done: make(chan struct{})}
	s.last[id] = call
	return call
}

// end takes back what could not be written, and returns whether all of the call is
// in force. It decides after the calls before it have: what they leave behind is
// what this one goes back to.
func (s *silenceCalls) end(calls []*silenceCall, failure error) (ok bool) {
	ok = failure == nil
	for _, call := range calls {
		if call.prev != nil {
			<-call.prev.done
		}
		s.decide(call, failure)
		close(call.done)
		ok = ok && !call.takenBack
		s.forgetCall(call)
	}
	return ok
}

func (s *silenceCalls) decide(call *silenceCall, failure error) {
	call.durable = call.base
	relied := call.prev != nil && call.prev.takenBack && call.prev.seen.version.Equal(call.seen.version)
	if call.prev != nil {
		call.durable = call.prev.durable
	}
	switch {
	case !call.changed:
		call.takenBack = relied
	case failure == nil:
		call.durable = call.seen
	default:
		call.takenBack = true
		if back, ok := s.takeBack(call); ok {
			call.durable = back
		}
	}
}

func (s *silenceCalls) forgetCall(call *silenceCall) {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.last[call.id] == call {
		delete(s.last, call.id)
	}
	call.prev = nil
}

// takeBack puts the silence back to what is durable, unless somebody else has
// changed it since, and returns what it is then.
func (s *silenceCalls) takeBack(call *silenceCall) (back record, ok bool) {
	s.gate.Lock()
	defer s.gate.Unlock()
	current, _ := s.journal.get(call.id)
	if !current.version.Equal(call.seen.version) {
		return record{}, false
	}
	frame, err := undone(call.durable, current, time.Now())
	if err == nil {
		err = s.merge(frame)
	}
	if err != nil {
		s.log.Error("Silence not taken back", "id", call.id, "err", err)
		return record{}, false
	}
	if cluster.OversizedMessage(frame) {
		s.tell(frame) // the engine does not for those that it merges
	}
	s.forget()
	return s.journal.get(call.id)
}

// undone is the next version of a silence, which is again as it was before, or
// expired where there was nothing before.
func undone(before, current record, now time.Time) (frame []byte, err error) {
	var s silencepb.MeshSilence
	fresh := before.frame == nil
	source := before
	if fresh {
		source = current
	}
	if err := unmarshalFrame(source.frame, &s); err != nil {
		return nil, err
	}
	if !now.After(current.version) { // the newer version wins
		now = current.version.Add(time.Nanosecond)
	}
	s.Silence.UpdatedAt = timestamppb.New(now)
	if fresh {
		if s.Silence.StartsAt.AsTime().After(now) {
			s.Silence.StartsAt = timestamppb.New(now)
		}
		s.Silence.EndsAt = timestamppb.New(now)
		s.ExpiresAt = timestamppb.New(now.Add(takenBackRetention))
	}
	var b bytes.Buffer
	_, err = protodelim.MarshalTo(&b, &s)
	return b.Bytes(), err
}
