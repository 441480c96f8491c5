package alerting

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// alertRecord is an alert in the state.
type alertRecord struct {
	Labels       model.LabelSet `json:"labels"`
	Annotations  model.LabelSet `json:"annotations,omitempty"`
	StartsAt     time.Time      `json:"starts_at"`
	EndsAt       time.Time      `json:"ends_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
	GeneratorURL string         `json:"generator_url,omitempty"`
	// Timeout says that the end is not known, but is when the alert is given up
	// unless somebody says that it still fires.
	Timeout bool `json:"timeout,omitempty"`
	// Ended says that EndsAt had passed while the server ran. Without it, EndsAt may
	// have moved on since the record was written.
	Ended bool `json:"ended,omitempty"`

	Source source `json:"source"`
	// Value is a text, since JSON knows no NaN.
	Value      string         `json:"value,omitempty"`
	RuleLabels *labels.Labels `json:"rule_labels,omitempty"`
}

func encodeAlert(a *alert.Alert, o origin, ended bool) ([]byte, error) {
	r := alertRecord{
		Labels:       a.Labels,
		Annotations:  a.Annotations,
		StartsAt:     a.StartsAt,
		EndsAt:       a.EndsAt,
		UpdatedAt:    a.UpdatedAt,
		GeneratorURL: a.GeneratorURL,
		Timeout:      a.Timeout,
		Ended:        ended,
		Source:       o.Source,
	}
	if o.Source == sourceRule {
		r.Value, r.RuleLabels = strconv.FormatFloat(o.Value, 'g', -1, 64), &o.RuleLabels
	}
	return json.Marshal(r)
}

// decodeAlert reads the record of the alert with the given fingerprint.
func decodeAlert(key string, value []byte) (r alertRecord, err error) {
	if err := json.Unmarshal(value, &r); err != nil {
		return r, fmt.Errorf("read alert %q: %w", key, err)
	}
	if fp := r.Labels.Fingerprint().String(); fp != key {
		return r, fmt.Errorf("read alert %q: its labels are those of %q", key, fp)
	}
	if err := r.alert().Validate(); err != nil {
		return r, fmt.Errorf("read alert %q: %w", key, err)
	}
	return r, nil
}

func (r alertRecord) alert() *alert.Alert {
	return &alert.Alert{
		Alert: model.Alert{
			Labels:       r.Labels,
			Annotations:  r.Annotations,
			StartsAt:     r.StartsAt,
			EndsAt:       r.EndsAt,
			GeneratorURL: r.GeneratorURL,
		},
		UpdatedAt: r.UpdatedAt,
		Timeout:   r.Timeout,
	}
}

func (r alertRecord) origin() origin {
	o := origin{Source: r.Source, ReceivedAt: r.UpdatedAt}
	o.Value, _ = strconv.ParseFloat(r.Value, 64) // 0 where there is none
	if r.RuleLabels != nil {
		o.RuleLabels = *r.RuleLabels
	}
	return o
}

// validity is for how long the alert was to be believed when it was last handed
// over.
func (r alertRecord) validity() time.Duration { return r.EndsAt.Sub(r.UpdatedAt) }
