package client

import "time"

// What a part of the server can be like.
const (
	HealthOK       = "ok"
	HealthDegraded = "degraded" // it works, but not all that was asked for
	HealthFailing  = "failing"  // it does not work
)

// What [HealthProblem.Level] may be.
const (
	HealthCritical = "critical"
	HealthWarning  = "warning"
)

// Health says how the server is: the answer of GET /api/srcprom/v1/health. The
// status is always 200; readiness has its own endpoint.
type Health struct {
	// State is that of the worst part.
	State string       `json:"state"`
	Parts []PartHealth `json:"parts"`
}

// PartHealth is how one part of the server is.
type PartHealth struct {
	// Name of the part: "configuration", "state", "storage", "scraping", "rules",
	// "alerting", "receivers", "cluster", ….
	Name  string    `json:"name"`
	State string    `json:"state"`
	Since time.Time `json:"since"` // when it got into this state
	// Problems, the worst first; none when the part is ok.
	Problems []HealthProblem `json:"problems"`
}

// HealthProblem is one thing that is wrong.
type HealthProblem struct {
	// Name of the alert that is raised for it, such as "SrcpromReceiverFailing"; empty
	// when none is.
	Alert string `json:"alert,omitempty"`
	// Subject is what it is about, such as the name of a receiver; with Alert it
	// identifies the problem.
	Subject string `json:"subject,omitempty"`
	// Level is one of HealthCritical and HealthWarning.
	Level   string `json:"level"`
	Summary string `json:"summary"`
	// Remedy says what to do.
	Remedy string    `json:"remedy"`
	Since  time.Time `json:"since"`
}
