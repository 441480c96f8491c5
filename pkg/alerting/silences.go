package alerting

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// Silences are the silences that are active or will be, in the order of their ids. One
// of several sets of matchers, for which Alertmanager's API has no form, is left out.
func (m *Manager) Silences(ctx context.Context) ([]client.Silence, error) {
	if m.engine == nil {
		return nil, errDisabled
	}
	all, _, err := m.engine.silences.Query(ctx, silence.QState(silence.SilenceStateActive, silence.SilenceStatePending))
	if err != nil {
		return nil, fmt.Errorf("list silences: %w", err)
	}
	silences := make([]client.Silence, 0, len(all))
	for _, s := range all {
		if len(s.MatcherSets) <= 1 {
			silences = append(silences, wireSilence(s))
		}
	}
	slices.SortFunc(silences, func(a, b client.Silence) int { return strings.Compare(a.ID, b.ID) })
	return silences, nil
}

// CreateSilence makes a silence, or changes the one whose ID it has, and returns its
// id, which is another one where the engine cannot change what has been. It is on the
// disk then. Whatever the error, nothing has changed.
func (m *Manager) CreateSilence(ctx context.Context, s client.Silence) (id string, err error) {
	err = m.changeSilence(ctx, "", func(e *engine) error {
		made := engineSilence(s)
		if !s.EndsAt.After(time.Now()) { // as the API; the engine would take it
			return fmt.Errorf("it ends at %s, which is not in the future", s.EndsAt.UTC().Format(time.RFC3339))
		}
		err := e.silences.Set(eventrecorder.WithEventRecording(ctx), made)
		id = made.Id
		return err
	})
	if err != nil {
		return "", fmt.Errorf("create silence: %w", err)
	}
	return id, nil
}

// ExpireSilence ends a silence. That is on the disk then. Whatever the error, nothing
// has changed.
func (m *Manager) ExpireSilence(ctx context.Context, id string) error {
	err := m.changeSilence(ctx, id, func(e *engine) error { return e.silences.Expire(ctx, id) })
	if err != nil {
		return fmt.Errorf("expire silence %q: %w", id, err)
	}
	return nil
}

func (m *Manager) changeSilence(ctx context.Context, id string, change func(*engine) error) error {
	if m.engine == nil {
		return errDisabled
	}
	if reason := m.NotReady(); reason != "" {
		return fmt.Errorf("silences cannot be changed: %s", reason)
	}
	if err := m.engine.silencesWritable(); err != nil {
		return err
	}
	var refused error
	err := m.engine.changeSilences(ctx, id, func() (ok bool) {
		refused = change(m.engine)
		return refused == nil
	})
	if refused != nil {
		return refused
	}
	return err
}

// silencesWritable says why silences cannot be changed, before that takes effect.
func (e *engine) silencesWritable() error {
	since, err := e.state.Unwritable()
	if err == nil {
		return nil
	}
	return fmt.Errorf("silences cannot be changed, as the state has not been writable since %s: %w", since.UTC().Format(time.RFC3339), err)
}

// changeSilences makes a change, and waits until it is on the disk; where that fails, it
// is taken back. id is the silence that it expires; empty when it creates or edits one.
// change says whether the engine took it.
func (e *engine) changeSilences(ctx context.Context, id string, change func() (ok bool)) error {
	var ok bool
	calls := e.silenceCalls.during(id, func() { ok = change() })
	if len(calls) == 0 && !ok {
		return nil
	}
	err := awaitDisk(ctx, e.state)
	if e.silenceCalls.end(calls, err) {
		return nil
	}
	if err == nil {
		err = errTakenBack
	}
	e.log.Error("Silence not changed, as that could not be written", "err", err)
	return fmt.Errorf("the silence was not changed: %w", err)
}

// engineSilence is a silence as the engine has it, with one set of matchers.
func engineSilence(s client.Silence) *silencepb.Silence {
	matchers := make([]*silencepb.Matcher, 0, len(s.Matchers))
	for _, m := range s.Matchers {
		matchers = append(matchers, &silencepb.Matcher{Type: matcherType(m), Name: m.Name, Pattern: m.Value})
	}
	made := &silencepb.Silence{
		Id:          s.ID,
		MatcherSets: []*silencepb.MatcherSet{{Matchers: matchers}},
		EndsAt:      timestamppb.New(s.EndsAt),
		CreatedBy:   s.CreatedBy,
		Comment:     s.Comment,
		Annotations: s.Annotations,
	}
	if !s.StartsAt.IsZero() {
		made.StartsAt = timestamppb.New(s.StartsAt)
	}
	return made
}

func matcherType(m client.Matcher) silencepb.Matcher_Type {
	switch {
	case m.IsRegex && m.IsEqual:
		return silencepb.Matcher_REGEXP
	case m.IsRegex:
		return silencepb.Matcher_NOT_REGEXP
	case m.IsEqual:
		return silencepb.Matcher_EQUAL
	default:
		return silencepb.Matcher_NOT_EQUAL
	}
}

// wireSilence is a silence as it is told.
func wireSilence(s *silencepb.Silence) client.Silence {
	told := client.Silence{
		ID:          s.Id,
		StartsAt:    s.StartsAt.AsTime(),
		EndsAt:      s.EndsAt.AsTime(),
		CreatedBy:   s.CreatedBy,
		Comment:     s.Comment,
		Annotations: s.Annotations,
	}
	for _, set := range s.MatcherSets {
		for _, m := range set.Matchers {
			told.Matchers = append(told.Matchers, client.Matcher{
				Name: m.Name, Value: m.Pattern,
				IsRegex: m.Type == silencepb.Matcher_REGEXP || m.Type == silencepb.Matcher_NOT_REGEXP,
				IsEqual: m.Type == silencepb.Matcher_EQUAL || m.Type == silencepb.Matcher_REGEXP,
			})
		}
	}
	return told
}
