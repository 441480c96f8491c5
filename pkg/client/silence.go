package client

import "time"

// Silence keeps alerts from being notified of while it is active. Its fields are those
// of Alertmanager's API.
type Silence struct {
	// ID is given by the server; empty in one that is to be made. One that has the ID of
	// another changes that.
	ID string `json:"id,omitempty"`
	// Matchers must all match.
	Matchers []Matcher `json:"matchers"`
	// StartsAt is when it becomes active; zero means at once.
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
	// Annotations are for people.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Matcher compares one label of an alert.
type Matcher struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// IsRegex says that Value is a regular expression, which is anchored.
	IsRegex bool `json:"isRegex"`
	// IsEqual is false for a matcher that wants other values.
	IsEqual bool `json:"isEqual"`
}
