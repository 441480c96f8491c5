package rules

import (
	"errors"
	"fmt"
	"time"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// Options are the settings that a configuration cannot change. Start from
// [DefaultOptions]; most follow the rules.* flags of upstream's
// cmd/prometheus/main.go.
type Options struct {
	// Evaluation is when the groups are evaluated that do not say it themselves:
	// [config.EvaluationAfterScrape], which is what empty means, or
	// [config.EvaluationClock], which is what Prometheus does.
	Evaluation string
	// ForOutageTolerance is how long ago an alert may have been pending last for
	// its "for" to be taken up again. Default 1h.
	ForOutageTolerance time.Duration
	// ForGracePeriod is the least time between taking up the "for" of an alert
	// and its firing. Alerts with a shorter "for" begin anew. Default 10m.
	ForGracePeriod time.Duration
	// ResendDelay is the least time between two sendings of an alert that goes on
	// firing. Default 1m.
	ResendDelay time.Duration
	// ConcurrentEvals lets rules of a group that do not depend on each other
	// run at once.
	ConcurrentEvals bool
	// MaxConcurrentEvals bounds how many such rules run at once, over all
	// groups. Default 4.
	MaxConcurrentEvals int64
	// StopTimeout is how long evaluations may go on when the manager stops; then
	// their queries are cancelled. Default 2s; zero means as long as they take.
	StopTimeout time.Duration
}

// DefaultOptions are the defaults of Prometheus's flags, a StopTimeout, and
// evaluation after scrapes.
func DefaultOptions() Options {
	return Options{
		Evaluation:         config.EvaluationAfterScrape,
		ForOutageTolerance: time.Hour,
		ForGracePeriod:     10 * time.Minute,
		ResendDelay:        time.Minute,
		MaxConcurrentEvals: 4,
		StopTimeout:        2 * time.Second,
	}
}

// Validate reports every problem at once.
func (o Options) Validate() error {
	var errs []error
	if err := checkEvaluation(o.Evaluation); err != nil {
		errs = append(errs, err)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"ForOutageTolerance", o.ForOutageTolerance},
		{"ForGracePeriod", o.ForGracePeriod},
		{"ResendDelay", o.ResendDelay},
		{"StopTimeout", o.StopTimeout},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %s: it must not be negative", d.field, d.value))
		}
	}
	if o.ConcurrentEvals && o.MaxConcurrentEvals < 1 {
		errs = append(errs, fmt.Errorf("MaxConcurrentEvals is %d: it must be positive", o.MaxConcurrentEvals))
	}
	return errors.Join(errs...)
}

// checkEvaluation takes what Options.Evaluation may be.
func checkEvaluation(evaluation string) error {
	switch evaluation {
	case "", config.EvaluationAfterScrape, config.EvaluationClock:
		return nil
	default:
		return fmt.Errorf("evaluation is %q: it must be %q or %q", evaluation, config.EvaluationAfterScrape, config.EvaluationClock)
	}
}
