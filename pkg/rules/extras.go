package rules

import "time"

const (
	// extraShare is the part of the time of one CPU that extra evaluations may take,
	// as one in so many, over all groups of a manager.
	extraShare = 100
	// extraBurst is over how long that may be averaged. It lets all groups take
	// up the rhythm of their scrapes at once after a start.
	extraBurst = 30 * time.Second
)

// extras bounds what evaluations cost that come before the interval of their group
// is over: as long as targets are scraped one after another, each of them would
// bring one.
type extras struct {
	spent time.Time // what they have taken is paid for by then
}

// left tells whether there may be one more.
func (e *extras) left(now time.Time) bool { return e.spent.Before(now.Add(extraBurst)) }

// spend counts one that has taken so long.
func (e *extras) spend(now time.Time, took time.Duration) {
	e.spent = later(e.spent, now).Add(extraShare * took)
}
