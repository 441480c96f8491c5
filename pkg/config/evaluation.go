package config

// How rule groups are evaluated.
const (
	// EvaluationAfterScrape evaluates a group right after the scrapes that it reads.
	EvaluationAfterScrape = "after-scrape"
	// EvaluationClock evaluates it as Prometheus does.
	EvaluationClock = "clock"
)
