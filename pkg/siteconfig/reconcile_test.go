package siteconfig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/internal/virtual"
)

// fakeSilences are the silences of a server, which refuses what it is told to.
type fakeSilences struct {
	mu      sync.Mutex // guards what follows
	made    map[string]client.Silence
	calls   []string // that changed something, or should have
	refused map[string]error
	lists   error
}

func newFakeSilences(have ...client.Silence) *fakeSilences {
	f := &fakeSilences{made: map[string]client.Silence{}, refused: map[string]error{}}
	for _, s := range have {
		f.made[s.ID] = s
	}
	return f
}

func (f *fakeSilences) Silences(context.Context) ([]client.Silence, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.SortedFunc(maps.Values(f.made), func(a, b client.Silence) int { return strings.Compare(a.ID, b.ID) })
	return slices.DeleteFunc(all, func(s client.Silence) bool { return !s.EndsAt.After(time.Now()) }), f.lists
}

func (f *fakeSilences) CreateSilence(_ context.Context, s client.Silence) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	entry, _ := entryOf(s)
	f.calls = append(f.calls, "set "+entry)
	if err := f.refused[entry]; err != nil {
		return "", err
	}
	if s.ID == "" {
		s.ID, s.StartsAt = fmt.Sprintf("id%d", len(f.made)), time.Now()
	}
	f.made[s.ID] = s
	return s.ID, nil
}

func (f *fakeSilences) ExpireSilence(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "expire "+id)
	if err := f.refused[id]; err != nil {
		return err
	}
	s := f.made[id]
	s.EndsAt = time.Now()
	f.made[id] = s
	return nil
}

// refuse makes the calls about an entry, or an id, fail; nil lets them through again.
func (f *fakeSilences) refuse(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused[what] = err
}

func (f *fakeSilences) refuseLists(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists = err
}

// taken are the calls since it was called last, in the order of their texts.
func (f *fakeSilences) taken() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	slices.Sort(calls)
	return calls
}

// keeping runs a subscriber in a bubble that only keeps silences.
type keeping struct {
	*harness
	stop func()
}

func keepSilences(t *testing.T, have *fakeSilences, edit func(*Options)) *keeping {
	server := newFakeServer()
	server.fakeSilences = have
	k := &keeping{harness: newHarness(t, server, edit)}
	k.stop = k.run()
	synctest.Wait()
	return k
}

// silencing is a configuration with these entries, and rules with these alerts.
func silencing(entries string, alerts ...string) *config.Effective {
	e := &config.Effective{Documents: config.Documents{config.SiteConfigDocument: {
		Name: config.SiteConfigDocument, Content: `{"observability.silenceAlerts": ` + entries + `}`,
	}}}
	for _, alert := range alerts {
		e.RuleFiles = append(e.RuleFiles, config.RuleFile{Groups: []rulefmt.RuleGroup{
			{Rules: []rulefmt.Rule{{Record: "some:record"}}}, {Rules: []rulefmt.Rule{{Alert: alert}}},
		}})
	}
	return e
}

// applied makes a configuration run and waits until all has come to rest.
func (k *keeping) applied(e *config.Effective) {
	k.Applied(e)
	synctest.Wait()
}

func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestSilences_FollowTheSiteConfiguration(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		others := ownedSilence("other", "by hand", time.Now(), time.Now().Add(time.Hour))
		others.CreatedBy = "admin"
		have := newFakeSilences(others)
		k := keepSilences(t, have, nil)
		later(time.Minute)
		require.Empty(t, have.taken(), "nothing runs yet")

		k.applied(silencing(`["critical_a", "warning_.*", "critical_a"]`))
		require.Equal(t, []string{"set critical_a", "set warning_.*"}, have.taken())
		k.applied(silencing(`["critical_a", "warning_.*"]`))
		later(24 * time.Hour)
		require.Empty(t, have.taken(), "what is as it is wanted is left alone")
		require.Nil(t, k.problems())

		k.applied(silencing(`["warning_b"]`))
		require.Equal(t, []string{"expire id1", "expire id2", "set warning_b"}, have.taken())
		k.applied(silencing(`[]`))
		require.Equal(t, []string{"expire id3"}, have.taken())
		k.applied(silencing(`null`))
		later(24 * time.Hour)
		require.Empty(t, have.taken())
		k.stop()
		require.Contains(t, k.log.String(), `msg="Alerts are silenced" component=siteconfig entry=critical_a id=id`)
	})
}

func TestSilences_OneThatWasEndedByHandIsMadeAgain(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		have := newFakeSilences()
		k := keepSilences(t, have, nil)
		k.applied(silencing(`["a"]`))
		require.NoError(t, have.ExpireSilence(t.Context(), "id0"))
		have.taken()
		later(silencesInterval)
		require.Equal(t, []string{"set a"}, have.taken())
		k.stop()
	})
}

// The next start finds the silences of the one before, and those of the old image.
func TestSilences_ARestartChangesNothing(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		have := newFakeSilences(ownedSilence("old", "b", time.Now().Add(-time.Hour), time.Now().Add(3000*24*time.Hour)))
		k := keepSilences(t, have, nil)
		k.applied(silencing(`["a", "b"]`))
		require.Equal(t, []string{"set a"}, have.taken())
		k.stop()
		k = keepSilences(t, have, nil)
		k.applied(silencing(`["a", "b"]`))
		later(time.Hour)
		require.Empty(t, have.taken())
		k.stop()
	})
}

func TestSilences_OneIsRenewedBeforeItEnds(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		end := time.Now().Add(silenceRenewal + time.Hour)
		have := newFakeSilences(ownedSilence("old", "a", time.Now(), end))
		k := keepSilences(t, have, nil)
		k.applied(silencing(`["a"]`))
		later(time.Hour)
		require.Empty(t, have.taken())
		later(2 * silencesInterval)
		require.Equal(t, []string{"set a"}, have.taken(), "once")
		require.WithinDuration(t, end.Add(silenceTerm-silenceRenewal), have.made["old"].EndsAt, time.Minute)
		k.stop()
	})
}

func TestSilences_AnErrorStopsNoOtherAndIsAProblemUntilItIsGone(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		have := newFakeSilences(ownedSilence("old", "gone", time.Now(), time.Now().Add(3000*24*time.Hour)))
		k := keepSilences(t, have, nil)
		errFull := errors.New("create silence: no space left on device")
		have.refuse("b", errFull)
		have.refuse("old", errFull)
		k.applied(silencing(`["a", "b", "c"]`))
		require.Equal(t, []string{"expire old", "set a", "set b", "set c"}, have.taken())
		want := []string{
			"`observability.silenceAlerts`: \"b\" is not silenced: create silence: no space left on device",
			"`observability.silenceAlerts`: \"gone\" is still silenced: create silence: no space left on device",
		}
		require.Equal(t, want, k.silences.problems())
		require.Equal(t, []string{alertProblems}, k.alerts()[:1])
		require.Nil(t, k.problems(), "who writes the site configuration cannot mend it")
		require.Zero(t, k.gauge("srcprom_siteconfig_problems"))
		later(time.Minute)
		require.Equal(t, want, k.silences.problems())
		require.Equal(t, 1, strings.Count(k.log.String(), "level=WARN"), "it is said once: %s", k.log)
		have.taken()

		have.refuse("b", nil)
		later(silencesInterval)
		require.Equal(t, []string{"expire old", "set b"}, have.taken(), "the others are not made twice")
		require.Equal(t, want[1:], k.silences.problems())
		have.refuse("old", nil)
		later(silencesInterval)
		require.Empty(t, k.silences.problems())
		k.stop()
	})
}

func TestSilences_ThatCannotBeListedShowInHealth(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		have := newFakeSilences()
		k := keepSilences(t, have, nil)
		have.refuseLists(errors.New("list silences: no"))
		k.applied(silencing(`["a"]`))
		require.Equal(t, []string{"`observability.silenceAlerts`: it is not known what is silenced: list silences: no"}, k.silences.problems())
		require.Empty(t, have.taken())
		have.refuseLists(nil)
		later(silencesInterval)
		require.Empty(t, k.silences.problems())
		require.Equal(t, []string{"set a"}, have.taken())
		k.stop()
	})
}

// To end them would be to notify of everything at once, because of a typing error or
// of a state file that was lost.
func TestSilences_StayWhereNothingIsKnownOfWhatIsWanted(t *testing.T) {
	for name, e := range map[string]*config.Effective{
		"no site configuration": {},
		"a damaged one":         {Documents: config.Documents{config.SiteConfigDocument: {Content: `{"observability.sil`}}},
		"not a list":            silencing(`"critical_a"`),
	} {
		t.Run(name, func(t *testing.T) {
			virtual.Test(t, func(t *testing.T) {
				have := newFakeSilences()
				k := keepSilences(t, have, nil)
				k.applied(silencing(`["a"]`))
				require.Equal(t, []string{"set a"}, have.taken())
				k.applied(e)
				later(time.Hour)
				require.Empty(t, have.taken())
				require.Zero(t, k.gauge("srcprom_siteconfig_unmatched_silences"))
				k.stop()
			})
		})
	}
}

func TestSilences_ThatMatchNoAlertShowInHealthOnly(t *testing.T) {
	virtual.Test(t, func(t *testing.T) {
		k := keepSilences(t, newFakeSilences(), func(o *Options) { o.OtherAlerts = []string{"SrcpromReceiverFailing"} })
		k.applied(silencing(`["critical_.*", "disk", "warning_gone", "Srcprom.*Failing", "SrcpromSiteConfigurationStale", "other|DiskFull", ".*ritical_a"]`, "critical_a", "DiskFull"))
		require.InDelta(t, 2, k.gauge("srcprom_siteconfig_unmatched_silences"), 0)
		require.Equal(t, []string{"disk", "warning_gone"}, k.silences.unmatched())
		checks := k.Checks()
		require.Equal(t, "site configuration", checks[len(checks)-1].Part)
		problems := checks[len(checks)-1].Look()
		require.Len(t, problems, 2)
		require.Equal(t, "warning", problems[0].Level)
		require.Empty(t, problems[0].Alert)
		require.Equal(t, "disk", problems[0].Subject)
		require.Contains(t, problems[0].Summary, `"disk"`)
		require.Nil(t, k.problems())

		k.applied(silencing(`["disk", "warning_gone"]`, "disk", "warning_gone"))
		require.Zero(t, k.gauge("srcprom_siteconfig_unmatched_silences"))
		require.Empty(t, k.silences.unmatched())
		k.stop()
	})
}
