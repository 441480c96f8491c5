package client

import "time"

// ExplainQuery says which alerts are to be explained.
type ExplainQuery struct {
	// Matchers of the alerts' labels, such as `{alertname="Disk"}`; at least one. An
	// alert must satisfy all of one of them. They travel as match[]. Where no alert
	// satisfies one of them and it only demands equality, it is taken as the labels of
	// an alert, and what would happen if that fired is explained.
	Matchers []string
	// At is the time for which to explain: what would fire, be silenced, inhibited or
	// muted then, by what is known now. Zero means now. It travels as time, in
	// RFC 3339 or in seconds since 1970.
	At time.Time
}

// Explanations is the answer of GET /api/srcprom/v1/explain.
type Explanations struct {
	Alerts []Explanation `json:"alerts"`
}

// Explanation says why an alert was notified of, or was not, and what comes next.
type Explanation struct {
	// Sentence says it all in one sentence.
	Sentence    string            `json:"sentence"`
	Labels      map[string]string `json:"labels"`
	Fingerprint string            `json:"fingerprint"`
	// State is "firing", "resolved", "pending" or "inactive" (the rule exists and does
	// not return it), or "unknown": nothing has such labels, see Hypothetical.
	State string `json:"state"`
	// Hypothetical says that the alert does not fire now, and that Routes say what
	// would happen if it did.
	Hypothetical bool `json:"hypothetical"`
	// Rule is nil when no rule of this server makes the alert.
	Rule *ExplainedRule `json:"rule,omitempty"`
	// At is the time for which Routes say what would happen: that which was asked for,
	// or when a pending alert fires. Nil means now.
	At *time.Time `json:"at,omitempty"`
	// Source is "rule", "client" (posted through the API) or "health"; empty when
	// Hypothetical.
	Source string `json:"source,omitempty"`
	// StartsAt, UpdatedAt (when it was last handed over to alerting) and EndsAt of the
	// alert; nil when Hypothetical. One that fires ends at EndsAt unless it is handed
	// over again before.
	StartsAt  *time.Time `json:"starts_at,omitempty"`
	UpdatedAt *time.Time `json:"updated_at,omitempty"`
	EndsAt    *time.Time `json:"ends_at,omitempty"`
	// DroppedBy says that the alert never reaches a route, and why: relabelling, a
	// limit, invalid labels.
	DroppedBy string `json:"dropped_by,omitempty"`
	// Routes that the alert takes, in their order.
	Routes []ExplainedRoute `json:"routes"`
}

// ExplainedRule is the rule that an alert comes from.
type ExplainedRule struct {
	Group string `json:"group"`
	File  string `json:"file"`
	Name  string `json:"name"`
	Query string `json:"query"`
	For   string `json:"for"`   // a duration such as "5m"
	State string `json:"state"` // of this alert: "firing", "pending", "inactive"
	// Value of the expression when it last returned the alert, as Prometheus writes it
	// ("1e+00", "+Inf"); empty when inactive.
	Value  string `json:"value,omitempty"`
	Health string `json:"health"` // "ok", "err" or "unknown"
	// Error of the last evaluation; empty when there was none.
	Error          string     `json:"error,omitempty"`
	LastEvaluation *time.Time `json:"last_evaluation,omitempty"`
	// ActiveSince is when the expression first returned the alert.
	ActiveSince *time.Time `json:"active_since,omitempty"`
	// KeptSince is when the expression ceased to return the alert, which "keep_firing_for"
	// keeps firing; KeptUntil is when that is over. Both are nil when it does not.
	KeptSince *time.Time `json:"kept_since,omitempty"`
	KeptUntil *time.Time `json:"kept_until,omitempty"`
	// FiresAt is when "for" is over: the first evaluation from then on makes a pending
	// alert fire. Nil when it fires already.
	FiresAt *time.Time `json:"fires_at,omitempty"`
}

// ExplainedRoute is one route that an alert takes, and what happens to it there.
type ExplainedRoute struct {
	Route       string            `json:"route"` // its id
	Receiver    string            `json:"receiver"`
	GroupKey    string            `json:"group_key"`
	GroupLabels map[string]string `json:"group_labels"`
	// GroupWait, GroupInterval and RepeatInterval of the route, such as "5m".
	GroupWait      string `json:"group_wait"`
	GroupInterval  string `json:"group_interval"`
	RepeatInterval string `json:"repeat_interval"`

	SilencedBy  []ExplainedSilence    `json:"silenced_by,omitempty"`
	InhibitedBy []ExplainedInhibition `json:"inhibited_by,omitempty"`
	MutedBy     []string              `json:"muted_by,omitempty"` // names of mute time intervals
	// OutsideOf are the active time intervals of the route when it is in none of them.
	OutsideOf []string `json:"outside_of,omitempty"`
	// MutedUntil is when time intervals let notifications through again; nil when they
	// do, or when that is more than a month away.
	MutedUntil *time.Time `json:"muted_until,omitempty"`
	// Last is the last time that it was silenced, inhibited or muted here that the
	// history has; nil when none.
	Last *HistoryEntry `json:"last,omitempty"`
	// Integrations of the receiver, with what was last sent to each.
	Integrations []ExplainedIntegration `json:"integrations"`
	// LastFlush is when the group was last looked at; nil when it is not known, or when
	// there is no such group.
	LastFlush *time.Time `json:"last_flush,omitempty"`
	// Next is when the group is looked at next, nil when it is not known; NextReason
	// says what happens then.
	Next       *time.Time `json:"next,omitempty"`
	NextReason string     `json:"next_reason"`
	// Resumes is when the group is looked at first after the silences and the time
	// intervals that stop the alert; nil when it is not stopped, or not known.
	Resumes *time.Time `json:"resumes,omitempty"`
}

// ExplainedSilence is a silence that mutes an alert.
type ExplainedSilence struct {
	ID        string    `json:"id"`
	CreatedBy string    `json:"created_by"`
	Comment   string    `json:"comment"`
	EndsAt    time.Time `json:"ends_at"`
}

// ExplainedInhibition is an alert that inhibits another one.
type ExplainedInhibition struct {
	Fingerprint string            `json:"fingerprint"`
	Labels      map[string]string `json:"labels"`
	// Rule is the inhibition rule, as far as it can be told: its name, or its
	// matchers.
	Rule string `json:"rule,omitempty"`
}

// ExplainedIntegration is one integration of a receiver.
type ExplainedIntegration struct {
	Integration string `json:"integration"` // such as "webhook[0]"
	// SendResolved says that it also tells of resolved alerts.
	SendResolved bool `json:"send_resolved"`
	// LastNotified is when the notification log last recorded a notification of the
	// group; nil when never. Notified says whether this alert was in it, and
	// NotifiedAs in which state, "firing" or "resolved".
	LastNotified *time.Time `json:"last_notified,omitempty"`
	Notified     bool       `json:"notified"`
	NotifiedAs   string     `json:"notified_as,omitempty"`
	// Deduplicated says why there is nothing new to tell; empty when there is.
	Deduplicated string `json:"deduplicated,omitempty"`
	// RepeatsAt is when a notification of the alert is sent once more if nothing of its
	// group changes; nil when it will not be.
	RepeatsAt *time.Time `json:"repeats_at,omitempty"`
	// SetAside says why the integration does not run; empty when it does.
	SetAside string `json:"set_aside,omitempty"`
	// Last is the last attempt to send this alert that the history has; nil when none.
	Last *HistoryEntry `json:"last,omitempty"`
}
