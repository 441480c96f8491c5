package alerting

// Standing is what the rules say of an alert that one of them made before the
// start.
type Standing int

// The standings.
const (
	// StandingUnknown: it is too early to tell. Its rule fails, or has not been
	// evaluated twice yet on data that was scraped after the start.
	StandingUnknown Standing = iota
	// StandingActive: it is pending or firing.
	StandingActive
	// StandingInactive: its rule was evaluated and does not return it.
	StandingInactive
	// StandingGone: there is no such rule any more.
	StandingGone
)
