package web

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

const testPath = client.BasePath + "/test-notification"

func (s *testServer) test(t *testing.T, body string) answer {
	t.Helper()
	return s.do(t, http.MethodPost, testPath, body, map[string]string{"Content-Type": "application/json"})
}

func TestServer_TestNotificationAsksAndAnswers(t *testing.T) {
	s := startServer(t)
	s.answers.tested = client.TestNotificationResult{Receivers: []client.TestedReceiver{{
		Receiver: "a", Route: "{}/0", Integrations: []client.TestedIntegration{{Integration: "webhook[0]", Status: 503, LatencySeconds: 0.5, Error: "no"}},
	}, {Receiver: "b", Note: "nothing is sent"}}}
	a := s.test(t, `{"labels":{"team":"a"}}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.JSONEq(t, `{"receivers":[
		{"receiver":"a","route":"{}/0","integrations":[{"integration":"webhook[0]","sent":false,"status":503,"latency_seconds":0.5,"error":"no"}]},
		{"receiver":"b","integrations":[],"note":"nothing is sent"}]}`, a.body)
	s.answers.tested = client.TestNotificationResult{}
	require.JSONEq(t, `{"receivers":[]}`, s.test(t, `{"receiver":"a"}`).body)
	require.Equal(t, []client.TestNotificationRequest{{Labels: map[string]string{"team": "a"}}, {Receiver: "a"}}, s.answers.tests)
}

func TestServer_TestNotificationOfACandidateNeedsTheConfigAPI(t *testing.T) {
	text := "// comment\n{}"
	candidate := `{"receiver":"a","documents":{"alertmanager":"x","rules/old":null},"site_config":"// comment\n{}"}`
	s := startServer(t)
	for _, body := range []string{candidate, `{"receiver":"a","documents":{}}`, `{"receiver":"a","site_config":""}`} {
		a := s.test(t, body)
		require.Equal(t, http.StatusForbidden, a.status, body)
		require.Contains(t, a.body, "--web.enable-config-api")
	}
	require.Empty(t, s.answers.tests)

	s = startServer(t, func(o *Options, _ *Deps) { o.EnableConfigAPI = true })
	require.Equal(t, http.StatusOK, s.test(t, candidate).status)
	require.Equal(t, []client.TestNotificationRequest{{
		Receiver: "a", Documents: map[string]*string{"alertmanager": new("x"), "rules/old": nil}, SiteConfig: &text,
	}}, s.answers.tests)
}

func TestServer_TestNotificationRefusesWhatMakesNoSense(t *testing.T) {
	s := startServer(t)
	for body, want := range map[string]string{
		``:                                     "decode request body",
		`{}`:                                   "either",
		`{"receiver":"a","labels":{"b":"c"}}`:  "either",
		`{"receivers":"a"}`:                    "unknown field",
		`{"receiver":"a"}{}`:                   "nothing after the object",
		`{"labels":{"a":1}}`:                   "decode request body",
		"{\"receiver\":\"\xff\"}":              "UTF-8",
		`{"receiver":"","labels":{}}`:          "either",
		`{"receiver":"a","documents":{"a":1}}`: "decode request body",
	} {
		a := s.test(t, body)
		require.Equal(t, http.StatusBadRequest, a.status, body)
		require.Contains(t, a.body, want, body)
	}
	require.Equal(t, http.StatusUnsupportedMediaType, s.do(t, http.MethodPost, testPath, `{"receiver":"a"}`, nil).status)
	require.Equal(t, http.StatusBadRequest, s.do(t, http.MethodPost, testPath+"?dry_run=1", `{"receiver":"a"}`, map[string]string{"Content-Type": "application/json"}).status)
	require.Equal(t, http.StatusMethodNotAllowed, s.get(t, testPath).status)
	require.Empty(t, s.answers.tests)
}

type missing struct{ error }

func (missing) NotFound() {}

func TestServer_TestNotificationTellsErrorsApart(t *testing.T) {
	s := startServer(t)
	for want, err := range map[int]error{
		http.StatusBadRequest:          wrongQuestion{errors.New("labels")},
		http.StatusNotFound:            missing{errors.New("no such receiver")},
		http.StatusUnprocessableEntity: config.Faults{{Document: "alertmanager", Reason: "bad"}},
		http.StatusInternalServerError: errors.New("broken"),
	} {
		s.answers.err = err
		a := s.test(t, `{"receiver":"a"}`)
		require.Equal(t, want, a.status)
		require.Contains(t, a.body, strings.TrimPrefix(err.Error(), "alertmanager: "))
	}
	s.answers.err = nil
	s.state.set(false, "storage: opening")
	require.Equal(t, http.StatusServiceUnavailable, s.test(t, `{"receiver":"a"}`).status)
	s.state.set(true)
	a := s.test(t, `{"receiver":"a"}`)
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "true", a.header.Get("X-Prometheus-Stopping"))

	s = startServer(t, func(_ *Options, d *Deps) { d.TestNotification = nil })
	require.Equal(t, http.StatusNotFound, s.test(t, `{"receiver":"a"}`).status)
}
