package health

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/notifier"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// Options say how a Monitor works. Start from [DefaultOptions].
type Options struct {
	// Interval is how often the parts are looked at. Default 5s.
	Interval time.Duration
	// Pending is how long a problem must stand before its alert is raised, and must
	// be gone before that is resolved. Default 30s; zero means not at all.
	Pending time.Duration
	// Resend is how often an alert that goes on is sent again. It ends by itself
	// when it has not been sent for four times as long. Default 1m.
	Resend time.Duration
	// Owner is the label "owner" of all alerts, by which some routes choose their
	// receiver. Default "platform".
	Owner string
	// DeadMansSwitch is within what time somebody expects to hear of an alert that
	// always fires. It is sent four times as often, and ends by itself that long
	// after it was sent last. Default zero, which means that there is no such alert.
	DeadMansSwitch time.Duration
}

// DefaultOptions are the defaults that the fields name.
func DefaultOptions() Options {
	return Options{
		Interval: 5 * time.Second,
		Pending:  30 * time.Second,
		Resend:   time.Minute,
		Owner:    "platform",
	}
}

// Validate reports every problem at once.
func (o Options) Validate() error {
	var errs []error
	bad := func(field string, value any, bound string) {
		errs = append(errs, fmt.Errorf("%s is %v: it must %s", field, value, bound))
	}
	if o.Interval <= 0 {
		bad("Interval", o.Interval, "be positive")
	}
	if o.Resend <= 0 {
		bad("Resend", o.Resend, "be positive")
	}
	if o.Pending < 0 {
		bad("Pending", o.Pending, "not be negative")
	}
	if o.DeadMansSwitch < 0 {
		bad("DeadMansSwitch", o.DeadMansSwitch, "not be negative")
	}
	return errors.Join(errs...)
}

// Check looks at one part of the server.
type Check struct {
	// Part is its name in [client.PartHealth]. Several checks may look at one part.
	Part string
	// Look tells what is wrong with it now. It must be quick and never block. A
	// problem that has no Since is taken to exist since it was first seen.
	Look func() []client.HealthProblem
}

// Alert is an alert that a [Check] may raise, as people read about it.
type Alert struct {
	Name string
	// Level is "critical" or "warning"; "none" for the one that always fires.
	Level string
	// When it fires, and what to do then.
	When, Remedy string
}

// Deps are what a Monitor needs of others.
type Deps struct {
	// Checks look at the parts, in the order in which they are shown.
	Checks []Check
	// Send hands alerts over. It must not block. Required.
	Send func(alerts ...*notifier.Alert)
	// Link is where people read about the server's health; it goes along with
	// alerts. Empty means nowhere.
	Link string
	// Logger receives what the monitor says. Nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics. Nil registers none.
	Registerer prometheus.Registerer
}

func (d Deps) validate() error {
	var errs []error
	if d.Send == nil {
		errs = append(errs, errors.New("Deps.Send is nil: alerts have nowhere to go"))
	}
	for i, check := range d.Checks {
		if check.Part == "" || check.Look == nil {
			errs = append(errs, fmt.Errorf("Deps.Checks[%d] (part %q) needs both a Part and a Look", i, check.Part))
		}
	}
	return errors.Join(errs...)
}
