package alerting

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/common/model"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// knownSilence is a silence that has not ended at the time that was asked for.
type knownSilence struct {
	client.ExplainedSilence
	startsAt time.Time
	matchers labels.MatcherSet
}

// lookAtSilences reads all silences at once: each query of the engine goes through
// all of them, under the lock that notifications need. The engine's Silencer is not
// asked either: it remembers each label set that it has seen, and forgets only those
// of alerts.
func (x *Explainer) lookAtSilences(ctx context.Context) error {
	all, _, err := x.engine.silences.Query(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.EndsAt.AsTime().Before(x.at) {
			continue
		}
		matchers, err := matchersOf(s)
		if err != nil {
			return fmt.Errorf("silence %s: %w", s.Id, err)
		}
		x.silences = append(x.silences, knownSilence{
			ExplainedSilence: client.ExplainedSilence{ID: s.Id, CreatedBy: s.CreatedBy, Comment: s.Comment, EndsAt: s.EndsAt.AsTime()},
			startsAt:         s.StartsAt.AsTime(),
			matchers:         matchers,
		})
	}
	slices.SortFunc(x.silences, func(a, b knownSilence) int { return b.EndsAt.Compare(a.EndsAt) })
	return nil
}

// matchersOf follows matcherIndex.add of Alertmanager's silence/silence.go.
func matchersOf(s *silencepb.Silence) (labels.MatcherSet, error) {
	var sets labels.MatcherSet
	for _, set := range s.MatcherSets {
		var matchers labels.Matchers
		for _, m := range set.Matchers {
			matcher, err := labels.NewMatcher(matchType(m.Type), m.Name, m.Pattern)
			if err != nil {
				return nil, err
			}
			matchers = append(matchers, matcher)
		}
		sets = append(sets, &matchers)
	}
	return sets, nil
}

// matchType says what upstream says where it reads silences: there is no other type.
func matchType(t silencepb.Matcher_Type) labels.MatchType {
	switch t {
	case silencepb.Matcher_NOT_EQUAL:
		return labels.MatchNotEqual
	case silencepb.Matcher_REGEXP:
		return labels.MatchRegexp
	case silencepb.Matcher_NOT_REGEXP:
		return labels.MatchNotRegexp
	default:
		return labels.MatchEqual
	}
}

// silencedBy are the silences that match and are active at the time that was asked
// for, those that are still pending now included; the one that ends last comes first.
func (x *Explainer) silencedBy(lset model.LabelSet) []client.ExplainedSilence {
	var by []client.ExplainedSilence
	for i := range x.silences {
		s := &x.silences[i]
		if !x.at.Before(s.startsAt) && !x.at.After(s.EndsAt) && s.matchers.Matches(lset) {
			by = append(by, s.ExplainedSilence)
		}
	}
	return by
}
