package client

import "time"

// Outcome is what became of one alert at one receiver.
type Outcome string

// The outcomes.
const (
	OutcomeDelivered    Outcome = "delivered"    // the receiver took the notification
	OutcomeFailed       Outcome = "failed"       // an attempt failed
	OutcomeSilenced     Outcome = "silenced"     // by the silences in SilencedBy
	OutcomeInhibited    Outcome = "inhibited"    // by the alerts in InhibitedBy
	OutcomeMuted        Outcome = "muted"        // by the time intervals in MutedBy
	OutcomeDeduplicated Outcome = "deduplicated" // nothing new to say, for the reason in Reason
)

// HistoryEntry is one decision about one alert: one attempt to send it, or why it
// was not sent. Only changes are recorded: an alert that goes on being silenced is
// one entry.
type HistoryEntry struct {
	Time        time.Time         `json:"time"`
	Labels      map[string]string `json:"labels"`
	Fingerprint string            `json:"fingerprint"`
	// Status of the alert in this notification: "firing" or "resolved".
	AlertStatus string `json:"alert_status"`
	// Source is "rule", "client" (posted through the API) or "health"; Value is what
	// its rule had last evaluated to, as Prometheus writes it ("1e+00"); HandedOffAt
	// is when the alert was last handed over to alerting. Each is empty where it is
	// not known.
	Source      string     `json:"source,omitempty"`
	Value       string     `json:"value,omitempty"`
	HandedOffAt *time.Time `json:"handed_off_at,omitempty"`
	// Receiver exactly as configured.
	Receiver string `json:"receiver"`
	// Integration of the receiver, such as "webhook[0]"; empty where the decision
	// was made before the integrations part.
	Integration string  `json:"integration,omitempty"`
	GroupKey    string  `json:"group_key"`
	Route       string  `json:"route"` // its id, such as `{}/{team="a"}/0`
	Outcome     Outcome `json:"outcome"`

	SilencedBy  []string `json:"silenced_by,omitempty"`  // ids of silences
	InhibitedBy []string `json:"inhibited_by,omitempty"` // fingerprints of alerts
	MutedBy     []string `json:"muted_by,omitempty"`     // names of time intervals

	// Reason why it was sent, in Alertmanager's words: "first notification", "new
	// alerts added", "some alerts resolved", "all alerts resolved", "repeat interval
	// elapsed". Of a deduplicated one why it was not: "repeat interval not elapsed",
	// "resolved before it was notified", "already notified as resolved", "resolved
	// notifications are not wanted".
	Reason string `json:"reason,omitempty"`
	// Status is the HTTP status or SMTP code of a failed attempt; 0 when there was none.
	Status int `json:"status,omitempty"`
	// Error of a failed attempt, in words, without secrets.
	Error string `json:"error,omitempty"`
	// ErrorClass is the reason of alertmanager_notifications_failed_total:
	// "clientError", "serverError", "authError", "rateLimited", "contextCanceled",
	// "contextDeadlineExceeded" or "other".
	ErrorClass string `json:"error_class,omitempty"`
	// GaveUp says that no further attempt was made: the next one is up to the next
	// flush of the group, a group_interval later.
	GaveUp bool `json:"gave_up,omitempty"`
	// LatencySeconds of the attempt.
	LatencySeconds float64 `json:"latency_seconds,omitempty"`
	// Attempt counts the attempts of one notification, from 1.
	Attempt int `json:"attempt,omitempty"`
	// InDoubt says that a crash came between the attempt and its outcome, so that
	// the receiver may have got the notification: it is sent once more.
	InDoubt bool `json:"in_doubt,omitempty"`
}

// History is one page of the history, the newest entry first: the answer of GET
// /api/srcprom/v1/history.
type History struct {
	Entries []HistoryEntry `json:"entries"`
	// Next is what HistoryQuery.Page asks the next page by; empty at the end.
	Next string `json:"next"`
}

// HistoryQuery says which entries are wanted.
type HistoryQuery struct {
	// Matchers, such as `{alertname="Disk"}` or `team=~"a|b"`, of the labels; an entry
	// must satisfy all of one of them. Empty means all entries. They travel as match[].
	Matchers []string
	// Start and End bound the time, both included; zero means no bound.
	Start, End time.Time
	// Receiver and Outcome select further; empty means all.
	Receiver string
	Outcome  Outcome
	// Limit is how many entries a page has. Zero means 100; more than 1000 is an error.
	Limit int
	// Page is History.Next of the page before.
	Page string
}
