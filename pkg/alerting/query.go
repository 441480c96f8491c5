package alerting

import (
	"fmt"
	"strings"

	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
)

// QueryError says what is wrong with a question about alerts: who asked it has to
// ask it differently.
type QueryError struct{ Reason string }

// Error implements error.
func (e QueryError) Error() string { return e.Reason }

// BadQuery tells it apart from errors of the server.
func (QueryError) BadQuery() {}

// parseMatchers reads the matchers of a question, each element one set of them,
// as `{alertname="Disk"}` or `team=~"a|b"`. Its error is a [QueryError].
func parseMatchers(sets []string) ([]labels.Matchers, error) {
	parsed := make([]labels.Matchers, 0, len(sets))
	for _, set := range sets {
		if strings.TrimSpace(set) == "" {
			return nil, QueryError{Reason: `matchers are empty: want some, such as {alertname="Disk"}, or {} for all alerts`}
		}
		matchers, err := compat.Matchers(set, "query")
		if err != nil {
			return nil, QueryError{Reason: fmt.Sprintf("matchers %q: %s", set, err)}
		}
		parsed = append(parsed, matchers)
	}
	return parsed, nil
}

// matchesAny says whether a label set satisfies all matchers of one of the sets.
// Without any set, all label sets do.
func matchesAny(sets []labels.Matchers, lset model.LabelSet) bool {
	for _, set := range sets {
		if set.Matches(lset) {
			return true
		}
	}
	return len(sets) == 0
}
