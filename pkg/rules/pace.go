package rules

import "time"

const (
	// settle is how long samples are waited for that come together with others, so
	// that a burst of them is one evaluation.
	settle = 5 * time.Millisecond
	// mostPerInterval is how often samples may trigger an evaluation within one
	// interval.
	mostPerInterval = 4
	// slackShare and mostSlack say how long a group waits for samples that are late
	// before the clock evaluates it: that part of its interval, but not longer.
	slackShare = 10
	mostSlack  = time.Second
	// jitterShare and mostJitter say by how much scrapes are thought to be off their
	// time.
	jitterShare = 10
	mostJitter  = 50 * time.Millisecond
)

// pace says when a group is due that is evaluated after scrapes. The moments that
// it reckons with are of the process's clock, timestamps are of the wall clock, as
// those of samples.
type pace struct {
	interval time.Duration
	offset   time.Duration // the query offset; groups that have one go by the clock

	driven   time.Time // when samples triggered an evaluation last
	locked   bool      // they triggered the last one
	regular  time.Time // when the last evaluation began that was no extra one
	paid     time.Time // until when there have been enough evaluations for one in each interval
	deadline time.Time // when the clock evaluates the group
	refused  bool      // there may be no extra evaluation for what is new
	retry    time.Time // when that is looked at again
	at       time.Time // timestamp of the last evaluation
	turn     time.Time // timestamp from which on an alert fires, or fires no longer, if all stays as it is; zero for none

	dirty  bool      // there are samples that no evaluation has seen
	by     Trigger   // what brought the first of them
	since  time.Time // moment when it came
	first  time.Time // its timestamp, or the moment when it came late
	newest time.Time // timestamp of the newest sample ever; zero before there was one
}

// due is an evaluation that has become due.
type due struct {
	at      time.Time // its timestamp
	trigger Trigger
	extra   bool
	newest  time.Time     // timestamp of the newest sample that it can see, at most; zero before there was one
	age     time.Duration // of that sample
	waited  time.Duration // how long the first sample has that is new to it; negative for none
}

func (p *pace) slack() time.Duration  { return min(p.interval/slackShare, mostSlack) }
func (p *pace) jitter() time.Duration { return min(p.interval/jitterShare, mostJitter) }
func (p *pace) gap() time.Duration    { return p.interval / mostPerInterval }

// free is from when on an evaluation is no extra one. The first samples after one by
// the clock bring none: with them the group takes up their rhythm.
func (p *pace) free() time.Time {
	if !p.locked {
		return p.regular
	}
	return p.regular.Add(p.interval - p.jitter())
}

// sampled takes note of samples, and tells whether that may make the group due
// earlier.
func (p *pace) sampled(by Trigger, newest, now time.Time) bool {
	newest = earlier(newest, milli(now)) // the clock of who has sent it may be ahead
	p.newest = later(p.newest, newest)
	if p.dirty {
		return p.resumed(by, now)
	}
	p.dirty, p.by, p.since, p.first = true, by, now, newest
	if !newest.After(p.at) {
		p.first = now // how late it was is not for the group to answer for
	}
	return true
}

// resumed makes samples that need no extra evaluation count for those that were
// refused one.
func (p *pace) resumed(by Trigger, now time.Time) bool {
	if !p.refused || now.Before(p.free()) {
		return false
	}
	p.refused, p.by, p.since = false, by, now
	return true
}

// soonest is when the group is due, as far as is known now.
func (p *pace) soonest(now time.Time) time.Time {
	switch {
	case !p.dirty:
		return p.deadline
	case p.refused:
		return earlier(p.retry, p.deadline)
	default:
		return earlier(p.ready(now), p.deadline)
	}
}

// isDue tells whether the group is due now. If it is not, later samples that need no
// extra evaluation make it due, or its soonest moment.
func (p *pace) isDue(now time.Time, extras *extras) bool {
	switch soonest := p.soonest(now); {
	case soonest.After(now):
		return false
	case !p.dirty, !p.deadline.After(now), !p.refused && !now.Before(p.free()):
		return true
	case p.refused && now.Add(p.gap()).After(p.free()):
		p.retry = p.deadline // the samples after these will need no extra one, and should not wait for its gap
		return false
	case extras.left(now):
		return true
	default:
		p.refused, p.retry = true, now.Add(p.gap())
		return false
	}
}

// ready is when the new samples may be evaluated, were it not for other groups.
func (p *pace) ready(now time.Time) time.Time {
	ready := later(p.since, p.driven.Add(p.gap()))
	if p.by != TriggerRules { // those have been waited for, see timed.othersFirst
		ready = later(ready, p.since.Add(settle))
	}
	if milli(p.at).Equal(milli(now)) {
		ready = later(ready, now.Add(time.Millisecond)) // storages take one sample for each
	}
	if stamp := p.stamp(now); p.turnsAfter(stamp) {
		ready = later(ready, now.Add(p.turn.Sub(now)))
	}
	return ready
}

// turnsAfter tells whether an alert would miss its time by a hair, and have to wait
// for a whole interval, if the group were evaluated for that timestamp.
func (p *pace) turnsAfter(at time.Time) bool {
	return p.turn.After(at) && !p.turn.After(at.Add(p.jitter()))
}

// stamp is the timestamp of an evaluation now: that of the newest sample, so that
// all groups agree about the moment that they describe, and what they record is as
// regular as the scrapes are. It is never in the future, and grows unless the
// clock is set back.
func (p *pace) stamp(now time.Time) time.Time {
	at := p.newest
	if !p.dirty {
		at = milli(p.scheduled(now))
	}
	if at.After(p.at) && !at.After(now) {
		return at
	}
	return milli(now)
}

// scheduled is when an evaluation by the clock should have begun, so that the clock
// does not drift. One that comes very late begins a new rhythm.
func (p *pace) scheduled(now time.Time) time.Time {
	late := now.Sub(p.deadline)
	if late >= p.interval {
		return now
	}
	return now.Add(-late) // not the deadline itself: the wall clock may have been set since
}

// begin is an evaluation that begins now.
func (p *pace) begin(now time.Time) due {
	d := p.due(p.stamp(now), now)
	if p.turnsAfter(d.at) && !p.turn.After(now) {
		d.at = p.turn
	}
	if p.dirty {
		d.trigger, d.extra = p.by, now.Before(p.free())
	}
	p.count(d, now)
	return d
}

// tick is an evaluation at a tick of the engine, for the timestamp that it gives.
func (p *pace) tick(at, now time.Time) due {
	d := p.due(at, now)
	p.deadline, p.paid = now, now
	unseen := p.dirty && p.newest.After(at)
	p.count(d, now)
	if p.dirty = unseen; unseen {
		p.since, p.first = now, now
	}
	return d
}

func (p *pace) due(at, now time.Time) due {
	d := due{at: at, trigger: TriggerClock, newest: earlier(p.newest, at.Add(-p.offset)), waited: -1}
	if !p.newest.IsZero() {
		d.age = max(0, now.Sub(d.newest))
	}
	if p.dirty && p.offset == 0 && !p.first.After(at) {
		d.waited = now.Sub(p.first)
	}
	return d
}

// count reckons when the clock would evaluate the group next. Late samples are
// waited for, but not always: over time there is one evaluation in each interval.
func (p *pace) count(d due, now time.Time) {
	slack, wait, expected := p.slack(), p.slack(), !p.since.Before(p.free())
	if p.locked = d.trigger != TriggerClock; !p.locked {
		wait, now = 0, p.scheduled(now)
	} else {
		if expected { // the rhythm is that of the samples, however long the group has waited for its turn
			now = p.since
		}
		p.driven = now
	}
	if !d.extra {
		p.regular = now
	}
	next := now.Add(p.interval)
	p.paid = earlier(later(p.paid.Add(p.interval), next.Add(-slack)), next.Add(p.interval))
	p.deadline = earlier(next.Add(wait), p.paid.Add(slack))
	p.at, p.dirty, p.refused = d.at, false, false
}

// milli is the wall clock's time as storages keep it.
func milli(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
