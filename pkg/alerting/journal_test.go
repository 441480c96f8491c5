package alerting

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// framed is a record as the engine writes it.
func framed(t testing.TB, m proto.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := protodelim.MarshalTo(&b, m)
	require.NoError(t, err)
	return b.Bytes()
}

// silenced is a silence of an alert for the next hour.
func silenced(id, alertname string, edit ...func(*silencepb.MeshSilence)) *silencepb.MeshSilence {
	now := time.Now()
	s := &silencepb.MeshSilence{
		Silence: &silencepb.Silence{
			Id: id,
			MatcherSets: []*silencepb.MatcherSet{{Matchers: []*silencepb.Matcher{
				{Type: silencepb.Matcher_EQUAL, Name: "alertname", Pattern: alertname},
			}}},
			StartsAt:  timestamppb.New(now.Add(-time.Minute)),
			EndsAt:    timestamppb.New(now.Add(time.Hour)),
			UpdatedAt: timestamppb.New(now.Add(-time.Minute)),
			CreatedBy: "test",
			Comment:   "test",
		},
		ExpiresAt: timestamppb.New(now.Add(2 * time.Hour)),
	}
	for _, f := range edit {
		f(s)
	}
	return s
}

// stored are the records of a bucket that are on the disk.
func stored(t testing.TB, s *state.State, bucket state.Bucket) map[string][]byte {
	t.Helper()
	require.NoError(t, s.Flush(t.Context()))
	all := map[string][]byte{}
	require.NoError(t, s.Each(bucket, func(key string, value []byte) error {
		all[key] = value
		return nil
	}))
	return all
}

func testJournal(t *testing.T) *journal {
	return newJournal(slog.New(slog.DiscardHandler), openState(t, t.TempDir()), state.Silences, readSilence)
}

func TestFrames_SplitsWhatFollowsEachOther(t *testing.T) {
	a, b := framed(t, silenced("a", "A")), framed(t, silenced("b", "B"))
	whole, rest := frames(append(bytes.Clone(a), b...))
	require.Equal(t, [][]byte{a, b}, whole)
	require.Empty(t, rest)
	whole, rest = frames(append(bytes.Clone(a), b[:len(b)-1]...))
	require.Equal(t, [][]byte{a}, whole)
	require.Equal(t, b[:len(b)-1], rest, "a torn tail")
	_, rest = frames(bytes.Repeat([]byte{0xff}, 20))
	require.Len(t, rest, 20, "a length that is none")
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{2, 1, 2, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, rest := frames(b)
		require.Equal(t, len(b), len(bytes.Join(whole, nil))+len(rest))
		for _, frame := range whole {
			_, _ = checkSilence(frame)
			_, _ = readNotification(frame)
		}
	})
}

func TestJournal_OlderVersionIsNotTaken(t *testing.T) {
	j := testJournal(t)
	old, fresh := silenced("a", "A"), silenced("a", "A")
	fresh.Silence.UpdatedAt = timestamppb.Now()
	fresh.Silence.Comment = "fresh"
	j.add(framed(t, fresh))
	j.add(framed(t, old))
	require.Equal(t, map[string][]byte{"a": framed(t, fresh)}, stored(t, j.state, state.Silences))
}

func TestJournal_TakesEachRecordOfAMessage(t *testing.T) {
	j := testJournal(t)
	a, b := framed(t, silenced("a", "A")), framed(t, silenced("b", "B"))
	j.add(append(bytes.Clone(a), b...))
	require.Equal(t, map[string][]byte{"a": a, "b": b}, stored(t, j.state, state.Silences))
}

func TestJournal_SweepRemovesWhatIsForgotten(t *testing.T) {
	j := testJournal(t)
	a := framed(t, silenced("a", "A"))
	j.add(a)
	j.add(framed(t, silenced("b", "B", func(s *silencepb.MeshSilence) { s.ExpiresAt = timestamppb.New(time.Now().Add(time.Minute)) })))
	require.Len(t, stored(t, j.state, state.Silences), 2)
	size, err := j.maintenance(func() (int, error) { return 0, nil })()
	require.NoError(t, err)
	require.Greater(t, size, int64(len(a)))
	require.EqualValues(t, len(a), j.sweep(time.Now().Add(time.Minute)))
	require.Equal(t, map[string][]byte{"a": a}, stored(t, j.state, state.Silences))
}

func TestCheckSilence_WhatTheEngineCannotUseIsRefused(t *testing.T) {
	for want, edit := range map[string]func(*silencepb.MeshSilence){
		"it has no id":       func(s *silencepb.MeshSilence) { s.Silence.Id = "" },
		"it has no matchers": func(s *silencepb.MeshSilence) { s.Silence.MatcherSets = nil },
		"error parsing regexp": func(s *silencepb.MeshSilence) {
			m := s.Silence.MatcherSets[0].Matchers[0]
			m.Type, m.Pattern = silencepb.Matcher_REGEXP, "("
		},
		`type "7" is unknown`: func(s *silencepb.MeshSilence) { s.Silence.MatcherSets[0].Matchers[0].Type = 7 },
	} {
		_, err := checkSilence(framed(t, silenced("a", "A", edit)))
		require.ErrorContains(t, err, want)
	}
	_, err := checkSilence([]byte{1, 0xff})
	require.ErrorContains(t, err, "read record")
}
