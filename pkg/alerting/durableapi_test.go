package alerting

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sourcegraph/srcprom/pkg/state"
)

// silenceText is a silence of an alert, to be posted; id is that of the one to be
// edited.
func silenceText(id, alertname, comment string, end time.Time) string {
	return silenceFrom(time.Now().Add(-time.Hour), id, alertname, comment, end)
}

func silenceFrom(start time.Time, id, alertname, comment string, end time.Time) string {
	return fmt.Sprintf(`{"id":%q,"matchers":[{"name":"alertname","value":%q,"isRegex":false,"isEqual":true}],
		"startsAt":%q,"endsAt":%q,"createdBy":"test","comment":%q}`,
		id, alertname, start.Format(time.RFC3339Nano), end.Format(time.RFC3339Nano), comment)
}

func (h *harness) silence(body string) (id string) {
	h.t.Helper()
	status, answer := h.post("silences", body)
	require.Equal(h.t, http.StatusOK, status, answer)
	var made struct{ SilenceID string }
	require.NoError(h.t, json.Unmarshal([]byte(answer), &made))
	return made.SilenceID
}

// edited is a silence of the same start as the one that it takes the place of.
func (h *harness) edited(id, alertname, comment string, end time.Time) string {
	return silenceFrom(h.silenceByID(id).StartsAt.AsTime(), id, alertname, comment, end)
}

func (h *harness) expire(id string) (status int, answer string) {
	return request(h.t, http.MethodDelete, h.serve().URL+"/alertmanager/api/v2/silence/"+id, "")
}

func (h *harness) mutes(alertname string) bool {
	return h.engine.silencer.Mutes(h.t.Context(), model.LabelSet{"alertname": model.LabelValue(alertname)})
}

// silenceByID is a silence in memory.
func (h *harness) silenceByID(id string) *silencepb.Silence {
	h.t.Helper()
	all, _, err := h.engine.silences.Query(h.t.Context())
	require.NoError(h.t, err)
	for _, s := range all {
		if s.Id == id {
			return s
		}
	}
	return nil
}

// requireJSONString is what clients of Alertmanager expect as an error.
func requireJSONString(t testing.TB, answer string, parts ...string) {
	t.Helper()
	var text string
	require.NoError(t, json.Unmarshal([]byte(answer), &text), answer)
	for _, part := range parts {
		require.Contains(t, text, part)
	}
}

// writableAgain mends the disk and waits until that is known.
func (h *harness) writableAgain() {
	h.disk.mend()
	require.Eventually(h.t, func() bool { _, err := h.state.Unwritable(); return err == nil }, patience, tick, "the state stays unwritable")
}

func TestSilences_AcknowledgedChangesSurviveACrash(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	end := time.Now().Add(time.Hour)
	h.silence(silenceText("", "Made", "made", end))
	edited := h.silence(silenceText("", "Edited", "edited", end))
	h.silence(h.edited(edited, "Edited", "edited", end.Add(time.Hour)))
	gone := h.silence(silenceText("", "Gone", "gone", end))
	status, _ := h.expire(gone)
	require.Equal(t, http.StatusOK, status)
	other := h.silence(silenceText("", "Before", "before", end))
	h.silence(h.edited(other, "After", "after", end))

	second := h.again(nil)
	require.Equal(t, map[string]string{"made": "active", "edited": "active", "gone": "expired", "before": "expired", "after": "active"}, second.silencesNow())
	require.WithinDuration(t, end.Add(time.Hour), second.silenceByID(edited).EndsAt.AsTime(), time.Second)
	require.True(t, second.mutes("After"))
	require.False(t, second.mutes("Before"))
}

// whenFull makes a call that finds the disk full. Where something else in the
// engine has found that first, the call was refused, and is made again.
func (h *harness) whenFull(call func() (int, string)) (status int, answer string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		h.disk.fail(errDiskFull)
		status, answer = call()
		if status == http.StatusServiceUnavailable {
			h.writableAgain()
		}
		return status != http.StatusServiceUnavailable
	}, patience, tick, "the call is always refused")
	return status, answer
}

func TestSilences_CreationThatCannotBeWrittenIsTakenBack(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	status, answer := h.whenFull(func() (int, string) { return h.post("silences", silenceText("", "A", "a", time.Now().Add(time.Hour))) })
	require.Equal(t, http.StatusInternalServerError, status)
	requireJSONString(t, answer, "the silence was not changed", errDiskFull.Error())
	require.False(t, h.mutes("A"))
	require.Equal(t, map[string]string{"a": "expired"}, h.silencesNow())
	h.writableAgain()
	require.Empty(t, activeIn(t, h.again(nil)))
}

// The router behind the API takes any case of a method, and paths that it cleans.
func TestHandler_OddSpellingsOfCallsAreAsDurable(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	api := h.serve().URL + "/alertmanager/api/v2/"
	id := h.silence(silenceText("", "A", "before", time.Now().Add(time.Hour)))
	for _, call := range []struct{ method, path, body, answer string }{
		{"post", "silences", silenceText("", "A", "post", time.Now().Add(time.Hour)), "the silence was not changed"},
		{"POST", "silences/", silenceText("", "A", "slash", time.Now().Add(time.Hour)), "the silence was not changed"},
		{"delete", "silence/" + id, "", "the silence was not changed"},
		{"DELETE", "silence/" + id + "/", "", "the silence was not changed"},
		{"DELETE", fmt.Sprintf("silence/%%%x%s", id[0], id[1:]), "", "the silence was not changed"},
		{"post", "alerts", alertsJSON("X"), "the alerts are taken"},
		{"POST", "alerts/", alertsJSON("Y"), "the alerts are taken"},
	} {
		status, answer := h.whenFull(func() (int, string) { return request(t, call.method, api+call.path, call.body) })
		require.Equal(t, http.StatusInternalServerError, status, "%s %s", call.method, call.path)
		requireJSONString(t, answer, call.answer, errDiskFull.Error())
		require.Equal(t, []string{"before"}, activeIn(t, h), "%s %s", call.method, call.path)
		h.writableAgain()
	}
}

func TestSilences_ChangesAreNotGivenUpWhileTheyMayTakeEffect(t *testing.T) {
	h := newHarness(t, func(o *Options, _ *Deps) { o.HTTPTimeout = time.Nanosecond }).start()
	h.apply(effective(t, webhookYML(newWebhook(t, nil).URL)))
	h.silence(silenceText("", "A", "a", time.Now().Add(time.Hour)))
	status, answer := request(t, http.MethodGet, h.serve().URL+"/alertmanager/api/v2/silences", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "Exceeded configured timeout of 1ns.\n", answer)
}

func activeIn(t *testing.T, h *harness) (comments []string) {
	t.Helper()
	for comment, state := range h.silencesNow() {
		if state == "active" {
			comments = append(comments, comment)
		}
	}
	return comments
}

func TestSilences_EditThatCannotBeWrittenIsTakenBack(t *testing.T) {
	for name, change := range map[string]func(h *harness, id string) (int, string){
		"edited in place": func(h *harness, id string) (int, string) {
			return h.post("silences", h.edited(id, "A", "changed", time.Now().Add(2*time.Hour)))
		},
		"edited into another": func(h *harness, id string) (int, string) {
			return h.post("silences", h.edited(id, "B", "changed", time.Now().Add(time.Hour)))
		},
		"expired": func(h *harness, id string) (int, string) { return h.expire(id) },
		"edited, with a long comment": func(h *harness, id string) (int, string) {
			return h.post("silences", h.edited(id, "A", strings.Repeat("x", 1000), time.Now().Add(2*time.Hour)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := running(t, webhookYML(newWebhook(t, nil).URL))
			h.fire("A")
			require.Eventually(t, func() bool { return h.alertNamed("A") != nil }, patience, tick, "the alert has not come in")
			id := h.silence(silenceText("", "A", "before", time.Now().Add(time.Hour)))
			before := h.silenceByID(id)
			status, answer := h.whenFull(func() (int, string) { return change(h, id) })
			require.Equal(t, http.StatusInternalServerError, status)
			requireJSONString(t, answer, "the silence was not changed", errDiskFull.Error())
			check := func(h *harness) {
				require.Equal(t, []string{"before"}, activeIn(t, h))
				require.True(t, h.mutes("A"))
				require.False(t, h.mutes("B"))
				require.True(t, h.silenceByID(id).EndsAt.AsTime().Equal(before.EndsAt.AsTime()))
			}
			check(h)
			h.writableAgain()
			require.NoError(t, h.state.Flush(t.Context()))
			check(h.again(nil))
		})
	}
}

func TestSilences_AreRefusedWhileTheStateIsUnwritable(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	id := h.silence(silenceText("", "A", "before", time.Now().Add(time.Hour)))
	h.disk.fail(errDiskFull)
	status, _ := h.post("alerts", alertsJSON("X"))
	require.Equal(t, http.StatusInternalServerError, status)

	status, answer := h.post("silences", silenceText("", "New", "new", time.Now().Add(time.Hour)))
	require.Equal(t, http.StatusServiceUnavailable, status)
	requireJSONString(t, answer, "silences cannot be changed", errDiskFull.Error())
	status, _ = h.expire(id)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, map[string]string{"before": "active"}, h.silencesNow())
	status, _ = request(t, http.MethodGet, h.serve().URL+"/alertmanager/api/v2/silences", "")
	require.Equal(t, http.StatusOK, status)

	h.writableAgain()
	h.silence(silenceText("", "New", "new", time.Now().Add(time.Hour)))
}

func TestSilences_InvalidOnesAreAnsweredAsBefore(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	status, _ := h.post("silences", silenceText("", "A", "past", time.Now().Add(-time.Minute)))
	require.Equal(t, http.StatusBadRequest, status)
	status, _ = h.post("silences", silenceText("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "A", "unknown", time.Now().Add(time.Hour)))
	require.Equal(t, http.StatusNotFound, status)
	status, _ = h.expire("1b4e28ba-2fa1-11d2-883f-0016d3cca427")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = h.post("silences", "nonsense")
	require.Equal(t, http.StatusBadRequest, status)
	require.Empty(t, h.silencesNow())
}

func TestAlerts_AcknowledgedOnesSurviveACrash(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	status, _ := h.post("alerts", alertsJSON("A"))
	require.Equal(t, http.StatusOK, status)
	require.NotNil(t, h.again(nil).alertNamed("A"))
}

func TestAlerts_ThatCannotBeWrittenStayInMemory(t *testing.T) {
	hook := newWebhook(t, nil)
	h := running(t, webhookYML(hook.URL))
	h.disk.fail(errDiskFull)
	status, answer := h.post("alerts", alertsJSON("A"))
	require.Equal(t, http.StatusInternalServerError, status)
	requireJSONString(t, answer, "the alerts are taken", errDiskFull.Error())
	hook.requireMessages(t, 1)
	h.writableAgain()
	status, _ = h.post("alerts", alertsJSON("A"))
	require.Equal(t, http.StatusOK, status)
}

func TestSilences_ConcurrentCallsShareCommits(t *testing.T) {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	url := h.serve().URL + "/alertmanager/api/v2/silences"
	const delay, calls = 100 * time.Millisecond, 16
	h.disk.slow(delay)
	defer h.disk.slow(0)
	begin := time.Now()
	var posting sync.WaitGroup
	for i := range calls {
		posting.Go(func() {
			status, _ := request(t, http.MethodPost, url, silenceText("", "A", fmt.Sprint(i), time.Now().Add(time.Hour)))
			if status != http.StatusOK {
				t.Errorf("status %d", status)
			}
		})
	}
	posting.Wait()
	require.Less(t, time.Since(begin), calls*delay/2, "each waits for a commit of its own")
	require.Len(t, stored(t, h.state, state.Silences), calls)
}

// calls has the calls of a Manager that change silences, one step at a time.
type calls struct {
	*harness
	id string
}

func newCalls(t *testing.T) calls {
	h := running(t, webhookYML(newWebhook(t, nil).URL))
	return calls{h, h.silence(silenceText("", "A", "original", time.Now().Add(time.Hour)))}
}

func (c calls) edit(comment string) []*silenceCall {
	next := c.silenceByID(c.id)
	next.Comment = comment
	return c.engine.silenceCalls.during("", func() { require.NoError(c.t, c.engine.silences.Set(c.t.Context(), next)) })
}

func (c calls) expireIt() []*silenceCall {
	return c.engine.silenceCalls.during(c.id, func() { require.NoError(c.t, c.engine.silences.Expire(c.t.Context(), c.id)) })
}

func (c calls) comment() string { return c.silenceByID(c.id).Comment }

func TestSilenceCalls_FailedOnesLeaveWhatIsDurable(t *testing.T) {
	for name, c := range map[string]struct {
		first, second error
		want          string
	}{
		"both written":       {nil, nil, "second"},
		"the second is lost": {nil, errDiskFull, "first"},
		"the first is lost":  {errDiskFull, nil, "second"},
		"both are lost":      {errDiskFull, errDiskFull, "original"},
	} {
		calls := newCalls(t)
		first := calls.edit("first")
		second := calls.edit("second")
		var ending sync.WaitGroup
		ending.Go(func() {
			if ok := calls.engine.silenceCalls.end(second, c.second); ok != (c.second == nil) {
				t.Errorf("%s: the second call is answered with %v", name, ok)
			}
		})
		require.Never(t, func() bool {
			select {
			case <-second[0].done:
				return true
			default:
				return false
			}
		}, 20*time.Millisecond, tick, "%s: the second call decides before the first", name)
		require.Equal(t, c.first == nil, calls.engine.silenceCalls.end(first, c.first), name)
		ending.Wait()
		require.Equal(t, c.want, calls.comment(), name)
		require.Empty(t, calls.engine.silenceCalls.last, name)
	}
}

func TestSilenceCalls_CallThatReliedOnALostOneIsLostToo(t *testing.T) {
	c := newCalls(t)
	first, second, third := c.expireIt(), c.expireIt(), c.expireIt()
	require.Len(t, second, 1, "nothing was left to do, but its answer depends on the first")
	require.False(t, c.engine.silenceCalls.end(first, errDiskFull))
	require.False(t, c.engine.silenceCalls.end(second, nil), "its expiry was taken back")
	require.False(t, c.engine.silenceCalls.end(third, nil))
	require.Equal(t, []string{"original"}, activeIn(t, c.harness))

	first, second = c.expireIt(), c.expireIt()
	require.True(t, c.engine.silenceCalls.end(first, nil))
	require.True(t, c.engine.silenceCalls.end(second, nil))
	require.Empty(t, activeIn(t, c.harness))
}

func TestSilenceCalls_ChangeByAPeerIsNotTakenBack(t *testing.T) {
	c := newCalls(t)
	lost := c.edit("lost")
	peers := silenced(c.id, "A", func(s *silencepb.MeshSilence) {
		s.Silence.Comment = "peer's"
		s.Silence.UpdatedAt = timestamppb.New(time.Now().Add(time.Second))
	})
	require.NoError(t, gossiped{c.engine.silences, c.engine.silenceJournal, &c.engine.silenceCalls.gate}.Merge(framed(t, peers)))
	require.False(t, c.engine.silenceCalls.end(lost, errDiskFull))
	require.Equal(t, "peer's", c.comment())
}

// The silencer remembers which silences an alert has.
func TestSilenceCalls_SilencerSeesWhatWasTakenBack(t *testing.T) {
	c := newCalls(t)
	c.fire("A")
	require.Eventually(t, func() bool { return c.alertNamed("A") != nil }, patience, tick, "the alert has not come in")
	require.True(t, c.mutes("A"))
	expired := c.expireIt()
	require.False(t, c.mutes("A"))
	require.False(t, c.engine.silenceCalls.end(expired, errDiskFull))
	require.True(t, c.mutes("A"))
	require.Eventually(t, func() bool { return !c.engine.lookAgain.Load() }, patience, tick, "it is not made to look again")
	require.True(t, c.mutes("A"))
}
