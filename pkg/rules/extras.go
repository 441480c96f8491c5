package rules

import "time"

const (
	// extraShare is the part of the time of one CPU that extra evaluations may always
	// take, as one in so many: nobody notices it.
	extraShare = 2000
	// extraPerCommit is how long they may take in addition for each commit of samples,
	// which costs about twenty times as much from scrape to storage: so they grow with
	// what the server does anyway, and not beyond a tenth of it.
	extraPerCommit = 50 * time.Microsecond
	// mostSaved is how much of that may be saved up.
	mostSaved = 100 * time.Millisecond
)

// extras bounds what evaluations cost over all groups that come before the interval
// of their group is over: as long as targets are scraped one after another, each of
// them would bring one.
type extras struct {
	saved time.Duration // negative when too much has been spent
	at    time.Time     // when it was reckoned last
}

// left tells whether there may be one more.
func (e *extras) left(now time.Time) bool {
	e.save(now, 0)
	return e.saved > 0
}

// committed counts a commit of samples.
func (e *extras) committed(now time.Time) { e.save(now, extraPerCommit) }

// spend counts one that has taken so long.
func (e *extras) spend(now time.Time, took time.Duration) { e.save(now, -took) }

func (e *extras) save(now time.Time, more time.Duration) {
	if !e.at.IsZero() {
		more += now.Sub(e.at) / extraShare
	}
	e.at = now
	e.saved = min(e.saved+more, mostSaved)
}
