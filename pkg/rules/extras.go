package rules

import "time"

const (
	// extraShare is the part of the time of one CPU that extra evaluations may always
	// take, as one in so many: nobody notices it.
	extraShare = 4000
	// extraPerCommit is how long they may take in addition for each commit of samples,
	// less than a tenth of what that costs from scrape to storage: so they grow with
	// what the server does anyway. But commits are worth no more than one in
	// extraMostShare of the time of one CPU: pushes may be many and small.
	extraPerCommit = 75 * time.Microsecond
	extraMostShare = 100
	// extraMostSaved is how much of that may be saved up, and how much may be owed.
	extraMostSaved = 100 * time.Millisecond
)

// extras bounds what evaluations cost over all groups that come before the interval
// of their group is over: as long as targets are scraped one after another, each of
// them would bring one.
type extras struct {
	saved  time.Duration // negative when too much has been spent
	at     time.Time     // when it was reckoned last
	commit time.Time     // when the last commit was
}

// left tells whether there may be one more.
func (e *extras) left(now time.Time) bool {
	e.save(now, 0)
	return e.saved > 0
}

// committed counts a commit of samples.
func (e *extras) committed(now time.Time) {
	e.save(now, min(extraPerCommit, now.Sub(e.commit)/extraMostShare))
	e.commit = now
}

// spend counts one that takes so long, as far as is known. What takes very long
// waits for others most of the time.
func (e *extras) spend(now time.Time, takes time.Duration) {
	e.save(now, -min(takes, extraMostSaved))
}

func (e *extras) save(now time.Time, more time.Duration) {
	if !e.at.IsZero() {
		more += now.Sub(e.at) / extraShare
	}
	e.at = now
	e.saved = max(-extraMostSaved, min(e.saved+more, extraMostSaved))
}
