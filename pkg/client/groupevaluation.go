package client

// GroupEvaluation is what /api/v1/rules tells of a rule group beyond what Prometheus
// tells.
type GroupEvaluation struct {
	// Evaluation is how the group is evaluated now: "after-scrape" or "clock".
	Evaluation string `json:"evaluation"`
	// Reason is why by the clock, where that was not asked for.
	Reason string `json:"evaluationReason,omitempty"`
	// Trigger of the last evaluation: "scrape", "push", "rules" or "clock"; empty
	// before the first.
	Trigger string `json:"lastEvaluationTrigger,omitempty"`
	// NewestSampleAge is how old the newest sample was when the last evaluation began, in
	// seconds; nil before there was one.
	NewestSampleAge *float64 `json:"newestSampleAge,omitempty"`
}
