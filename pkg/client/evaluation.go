package client

// How a rule group is evaluated, see [GroupEvaluation.Evaluation].
const (
	EvaluationAfterScrape = "after-scrape" // when the samples have come that it depends on
	EvaluationClock       = "clock"        // at fixed times, as Prometheus does
)

// What triggers an evaluation, see [GroupEvaluation.Trigger].
const (
	TriggerScrape = "scrape" // a scrape
	TriggerPush   = "push"   // remote write or OTLP
	TriggerRules  = "rules"  // a group that it reads has recorded
	TriggerClock  = "clock"  // its interval
)

// GroupEvaluation is what each group of GET /api/v1/rules has beyond what Prometheus
// tells.
type GroupEvaluation struct {
	// Evaluation is how the group is evaluated now.
	Evaluation string `json:"evaluation"`
	// Reason says why it is evaluated by the clock; empty where that was asked for, and
	// where it is not.
	Reason string `json:"evaluationReason,omitempty"`
	// Trigger of the last evaluation; empty before the first.
	Trigger string `json:"lastEvaluationTrigger,omitempty"`
	// NewestSampleAge is how old the newest sample that the group depends on was when the
	// last evaluation began, in seconds; nil as long as there was none.
	NewestSampleAge *float64 `json:"newestSampleAge,omitempty"`
}
