package counters

import "time"

// Rises remembers since when counters grow, and when they last did. A counter
// that it has not seen before is taken to have been zero.
type Rises struct {
	counters map[string]*rise
}

type rise struct {
	value       float64
	since, last time.Time
}

// Since tells, of a counter that has this value now, since when it has been
// growing again and again, never pausing for longer than hold. It is zero when
// the counter has not grown for that long. It is not safe for concurrent use.
func (r *Rises) Since(counter string, value float64, now time.Time, hold time.Duration) time.Time {
	if r.counters == nil {
		r.counters = map[string]*rise{}
	}
	c := r.counters[counter]
	if c == nil {
		c = &rise{}
		r.counters[counter] = c
	}
	over := now.Sub(c.last) > hold
	if value > c.value {
		c.last = now
		if over {
			c.since = now
		}
		over = false
	}
	c.value = value
	if over {
		return time.Time{}
	}
	return c.since
}

// Last is when a counter has last been seen to have grown.
func (r *Rises) Last(counter string) time.Time {
	if c := r.counters[counter]; c != nil {
		return c.last
	}
	return time.Time{}
}
