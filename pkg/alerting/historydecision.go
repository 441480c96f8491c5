package alerting

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// decision is one as it is stored: that about one notification by one
// integration, or about those alerts of a flush that did not get so far. When it
// is read it becomes one [client.HistoryEntry] for each of its alerts.
//
// Its names are short, as there is one for each attempt at a notification.
type decision struct {
	Outcome     client.Outcome `json:"o"`
	Receiver    string         `json:"r"`
	Integration string         `json:"i,omitempty"`
	GroupKey    string         `json:"g"`
	Route       string         `json:"p"`
	Reason      string         `json:"w,omitempty"`
	MutedBy     []string       `json:"m,omitempty"`
	Status      int            `json:"s,omitempty"`
	Error       string         `json:"e,omitempty"`
	ErrorClass  string         `json:"c,omitempty"`
	Latency     float64        `json:"l,omitempty"` // seconds
	Attempt     int            `json:"n,omitempty"`
	GaveUp      bool           `json:"q,omitempty"`
	InDoubt     bool           `json:"d,omitempty"`
	Begun       int64          `json:"t,omitempty"` // when the notification was begun: tells those of a group apart
	Firing      []uint64       `json:"f,omitempty"` // of an intent: what the receiver may believe to be firing, as the notification log calls alerts
	Alerts      []decidedAlert `json:"-"`           // they follow as a JSON text of their own

	alertsText []byte // that text, where it has been made already
}

// decidedAlert is what a decision knows of each of its alerts.
type decidedAlert struct {
	Labels      model.LabelSet `json:"l"`
	Resolved    bool           `json:"r,omitempty"`
	By          []string       `json:"b,omitempty"` // silences, or alerts that inhibit it
	Source      string         `json:"s,omitempty"`
	Value       string         `json:"v,omitempty"`
	HandedOffAt int64          `json:"u,omitempty"` // milliseconds since 1970
}

func newDecidedAlert(a *alert.Alert, source string, value *float64) decidedAlert {
	decided := decidedAlert{Labels: a.Labels, Resolved: a.Resolved(), Source: source}
	if value != nil {
		decided.Value = strconv.FormatFloat(*value, 'e', -1, 64)
	}
	if !a.UpdatedAt.IsZero() {
		decided.HandedOffAt = a.UpdatedAt.UnixMilli()
	}
	return decided
}

// entry is what the decision says of one of its alerts.
func (d *decision) entry(a *decidedAlert, at time.Time) client.HistoryEntry {
	e := client.HistoryEntry{
		Time:           at,
		Labels:         plainLabels(a.Labels),
		Fingerprint:    a.Labels.Fingerprint().String(),
		AlertStatus:    a.status(),
		Source:         a.Source,
		Value:          a.Value,
		Receiver:       d.Receiver,
		Integration:    d.Integration,
		GroupKey:       d.GroupKey,
		Route:          d.Route,
		Outcome:        d.Outcome,
		MutedBy:        d.MutedBy,
		Reason:         d.Reason,
		Status:         d.Status,
		Error:          d.Error,
		ErrorClass:     d.ErrorClass,
		GaveUp:         d.GaveUp,
		LatencySeconds: d.Latency,
		Attempt:        d.Attempt,
		InDoubt:        d.InDoubt,
	}
	if a.HandedOffAt != 0 {
		handed := time.UnixMilli(a.HandedOffAt).UTC()
		e.HandedOffAt = &handed
	}
	switch d.Outcome {
	case client.OutcomeSilenced:
		e.SilencedBy = a.By
	case client.OutcomeInhibited:
		e.InhibitedBy = a.By
	}
	return e
}

func (a *decidedAlert) status() string {
	if a.Resolved {
		return string(model.AlertResolved)
	}
	return string(model.AlertFiring)
}

// seconds rounds to microseconds, which takes less space.
func seconds(d time.Duration) float64 {
	return math.Round(d.Seconds()*1e6) / 1e6
}

// The first byte of a stored decision says how the rest is written.
const (
	plainDecision    byte = 'j' // as JSON
	deflatedDecision byte = 'z' // as JSON, deflated
)

// deflateFrom is the length from which on it pays to deflate: the labels of a
// large group are much alike.
const deflateFrom = 2 << 10

// writeAlerts makes the text of the alerts, once for all that is recorded of one
// notification.
func (d *decision) writeAlerts() (err error) {
	if d.alertsText != nil {
		return nil
	}
	if d.alertsText, err = json.Marshal(d.Alerts); err != nil {
		return fmt.Errorf("write the alerts of a decision: %w", err)
	}
	return nil
}

// packer writes decisions. It keeps what deflating needs, which is half a megabyte.
type packer struct{ writers sync.Pool }

func (p *packer) pack(d *decision) ([]byte, error) {
	head, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write a decision: %w", err)
	}
	if err := d.writeAlerts(); err != nil {
		return nil, err
	}
	size := len(head) + len(d.alertsText)
	if size < deflateFrom {
		return slices.Concat([]byte{plainDecision}, head, d.alertsText), nil
	}
	packed := bytes.NewBuffer(append(make([]byte, 0, size/4), deflatedDecision))
	w, ok := p.writers.Get().(*flate.Writer)
	if ok {
		w.Reset(packed)
	} else {
		w, _ = flate.NewWriter(packed, flate.BestSpeed) // fails for an unknown level alone
	}
	defer p.writers.Put(w)
	for _, text := range [][]byte{head, d.alertsText} {
		if _, err := w.Write(text); err != nil {
			return nil, fmt.Errorf("deflate a decision: %w", err)
		}
	}
	err = w.Close()
	return packed.Bytes(), err
}

var errUnknownDecision = errors.New("written in a way that is not known here")

func unpack(stored []byte) (*decision, error) {
	if len(stored) == 0 {
		return nil, errUnknownDecision
	}
	text := stored[1:]
	switch stored[0] {
	case plainDecision:
	case deflatedDecision:
		inflated, err := io.ReadAll(flate.NewReader(bytes.NewReader(text)))
		if err != nil {
			return nil, err
		}
		text = inflated
	default:
		return nil, errUnknownDecision
	}
	d, decoder := &decision{}, json.NewDecoder(bytes.NewReader(text))
	return d, errors.Join(decoder.Decode(d), decoder.Decode(&d.Alerts))
}
