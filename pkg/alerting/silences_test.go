package alerting

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
)

func silenceOf(matchers ...client.Matcher) client.Silence {
	return client.Silence{
		Matchers: matchers, EndsAt: time.Now().Add(time.Hour).UTC(), CreatedBy: "test", Comment: "why",
		Annotations: map[string]string{"ticket": "1"},
	}
}

func matching(alertname string) client.Matcher {
	return client.Matcher{Name: "alertname", Value: alertname, IsEqual: true}
}

func TestManager_SilencesMadeInGoSurviveACrash(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	want := silenceOf(
		client.Matcher{Name: "alertname", Value: "A.*", IsRegex: true, IsEqual: true},
		client.Matcher{Name: "level", Value: "critical", IsEqual: true},
		client.Matcher{Name: "owner", Value: "search"},
		client.Matcher{Name: "service_name", Value: "fron.*", IsRegex: true},
	)
	id, err := h.CreateSilence(t.Context(), want)
	require.NoError(t, err)
	gone, err := h.CreateSilence(t.Context(), silenceOf(matching("B")))
	require.NoError(t, err)
	require.NoError(t, h.ExpireSilence(t.Context(), gone))
	require.NoError(t, h.ExpireSilence(t.Context(), gone), "it has ended already")
	later := silenceOf(matching("C"))
	later.StartsAt = time.Now().Add(time.Minute).UTC()
	pending, err := h.CreateSilence(t.Context(), later)
	require.NoError(t, err)

	second := h.again(nil)
	all, err := second.Silences(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2, "an expired one is none")
	byID := map[string]client.Silence{all[0].ID: all[0], all[1].ID: all[1]}
	require.Equal(t, later.StartsAt, byID[pending].StartsAt)
	have := byID[id]
	require.WithinDuration(t, time.Now(), have.StartsAt, patience)
	want.ID, want.StartsAt = id, have.StartsAt
	require.Equal(t, want, have)
}

func TestManager_CreateSilenceWithAnIDChangesThat(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	s := silenceOf(matching("A"))
	id, err := h.CreateSilence(t.Context(), s)
	require.NoError(t, err)
	all, err := h.Silences(t.Context())
	require.NoError(t, err)
	longer := all[0]
	longer.EndsAt = longer.EndsAt.Add(time.Hour)
	same, err := h.CreateSilence(t.Context(), longer)
	require.NoError(t, err)
	require.Equal(t, id, same)
	all, err = h.Silences(t.Context())
	require.NoError(t, err)
	require.Equal(t, []client.Silence{longer}, all)
}

func TestManager_SilenceOfSeveralSetsIsLeftOut(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	require.NoError(t, h.engine.silences.Merge(framed(t, silenced("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "A", func(s *silencepb.MeshSilence) {
		s.Silence.MatcherSets = append(s.Silence.MatcherSets, &silencepb.MatcherSet{Matchers: []*silencepb.Matcher{{Name: "b", Pattern: "c"}}})
	}))))
	all, err := h.Silences(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestManager_SilencesThatAreRefusedChangeNothing(t *testing.T) {
	h := newHarness(t, nil)
	_, err := h.CreateSilence(t.Context(), silenceOf(matching("A")))
	require.EqualError(t, err, "create silence: silences cannot be changed: alertmanager configuration not applied yet")
	h.start()
	h.apply(effective(t, webhookYML(newWebhook(t, nil).URL)))

	past := silenceOf(matching("A"))
	past.StartsAt, past.EndsAt = time.Now().Add(-time.Hour), time.Unix(0, 0)
	unknown := silenceOf(matching("A"))
	unknown.ID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	for want, s := range map[string]client.Silence{
		"it ends at 1970-01-01T00:00:00Z": past,
		"invalid regular expression":      silenceOf(client.Matcher{Name: "alertname", Value: "(", IsRegex: true, IsEqual: true}),
		"must not match the empty string": silenceOf(client.Matcher{Name: "alertname", Value: ".*", IsRegex: true, IsEqual: true}),
		silence.ErrNotFound.Error():       unknown,
	} {
		_, err := h.CreateSilence(t.Context(), s)
		require.ErrorContains(t, err, "create silence: ")
		require.ErrorContains(t, err, want)
	}
	err = h.ExpireSilence(t.Context(), unknown.ID)
	require.ErrorIs(t, err, silence.ErrNotFound)
	require.ErrorContains(t, err, `expire silence "`+unknown.ID)
	require.Empty(t, h.silencesNow())

	none := newHarness(t, func(o *Options, _ *Deps) { o.Disabled = true })
	_, err = none.Silences(t.Context())
	require.ErrorIs(t, err, errDisabled)
	require.ErrorIs(t, none.ExpireSilence(t.Context(), "id"), errDisabled)
}

// As when it comes through the API: what cannot be written is taken back, and while
// that is known nothing is begun.
func TestManager_SilencesThatCannotBeWrittenAreTakenBack(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	id, err := h.CreateSilence(t.Context(), silenceOf(matching("A")))
	require.NoError(t, err)
	h.whenFull(func() (int, string) {
		_, err = h.CreateSilence(t.Context(), silenceOf(matching("B")))
		return statusOf(err)
	})
	require.ErrorIs(t, err, errDiskFull)
	require.ErrorContains(t, err, "create silence: the silence was not changed: ")
	require.False(t, h.mutes("B"))
	h.writableAgain()
	h.whenFull(func() (int, string) {
		err = h.ExpireSilence(t.Context(), id)
		return statusOf(err)
	})
	require.ErrorIs(t, err, errDiskFull)
	require.True(t, h.mutes("A"))

	before := h.silencesNow()
	_, err = h.CreateSilence(t.Context(), silenceOf(matching("C")))
	require.ErrorContains(t, err, "create silence: silences cannot be changed, as the state has not been writable since ")
	require.ErrorIs(t, err, errDiskFull)
	require.Equal(t, before, h.silencesNow())
	h.writableAgain()
	_, err = h.CreateSilence(t.Context(), silenceOf(matching("C")))
	require.NoError(t, err)
}

// statusOf is what the API would have answered.
func statusOf(err error) (int, string) {
	if strings.Contains(err.Error(), "silences cannot be changed, as") {
		return http.StatusServiceUnavailable, err.Error()
	}
	return http.StatusInternalServerError, err.Error()
}

func TestManager_ConcurrentSilencesShareCommits(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	const delay, calls = 100 * time.Millisecond, 16
	h.disk.slow(delay)
	defer h.disk.slow(0)
	begin := time.Now()
	var making sync.WaitGroup
	for range calls {
		making.Go(func() {
			if _, err := h.CreateSilence(t.Context(), silenceOf(matching("A"))); err != nil {
				t.Error(err)
			}
		})
	}
	making.Wait()
	require.Less(t, time.Since(begin), calls*delay/2, "each waits for a commit of its own")
}
