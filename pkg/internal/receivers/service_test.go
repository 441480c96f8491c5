package receivers

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	secret = "5ecret-0123456789abcdef"

	slackMessage     = `{"channel":"#ops","username":"u","attachments":[{"title":"t","title_link":"http://a/b","color":"#FFFF00","actions":[{"type":"button","text":"x","url":"http://a/"}]}]}`
	pagerDutyEvent   = `{"routing_key":"` + secret + `","event_action":"trigger","dedup_key":"d","payload":{"summary":"s","source":"x","severity":"error"}}`
	opsgenieAlert    = `{"alias":"a","message":"m","details":{"k":"v"},"source":"","tags":["k=v"],"priority":"P1","responders":[{"type":"team","name":"n"}]}`
	alertsOf         = `"groupKey":"g","receiver":"r","status":"firing","externalURL":"http://a","groupLabels":{},"commonLabels":{"alertname":"A"},"commonAnnotations":{},"alerts":[{"status":"firing","labels":{"alertname":"A"},"annotations":{},"startsAt":"2026-11-22T16:00:00Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"0123456789abcdef"}]}`
	alertsMessage    = `{"version":"4",` + alertsOf
	incidentIOAlerts = `{"version":"1",` + alertsOf
	teamsMessage     = `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","contentUrl":null,"content":{"type":"AdaptiveCard","version":"1.2","body":[{"type":"TextBlock","text":"t"}]}}]}`
)

// kind is a service with what it takes, and what it says then.
type kind struct {
	start         func(testing.TB, string) *Service
	path          string // after the URL
	authorization string
	right, wrong  string
	accepted      int
	answer        string
	invalid       int
	stranger      int // answered to who does not know the secret
	withoutSecret func(*Service) (url, body, authorization string)
	rejected      int
}

func kinds() map[string]kind {
	otherPath := func(body string) func(*Service) (string, string, string) {
		return func(s *Service) (string, string, string) {
			return strings.Replace(s.URL, secret, "guess-0123456789abcdef", 1), body, ""
		}
	}
	return map[string]kind{
		"slack": {
			start: NewSlack, right: slackMessage, wrong: `{"chanel":"#ops","text":"t"}`, accepted: 200, answer: "ok", invalid: 400,
			stranger: 403, withoutSecret: otherPath(slackMessage), rejected: 404,
		},
		"pagerduty": {
			start: NewPagerDuty, right: pagerDutyEvent, wrong: strings.Replace(pagerDutyEvent, `"error"`, `"page"`, 1),
			accepted: 202, answer: `{"dedup_key":"d","message":"Event processed","status":"success"}`, invalid: 400,
			stranger: 400, withoutSecret: func(s *Service) (string, string, string) {
				return s.URL, strings.Replace(pagerDutyEvent, secret, "guess", 1), ""
			}, rejected: 400,
		},
		"opsgenie": {
			start: NewOpsgenie, path: "v2/alerts", authorization: "GenieKey " + secret, right: opsgenieAlert,
			wrong: strings.Replace(opsgenieAlert, `"m"`, `"`+strings.Repeat("m", 131)+`"`, 1), accepted: 202,
			answer: `{"requestId":"43a29c5c-3dbf-4fa4-9c26-f4f71023e120","result":"Request will be processed","took":0.107}`, invalid: 422,
			stranger: 401, withoutSecret: func(s *Service) (string, string, string) { return s.URL + "v2/alerts", opsgenieAlert, "GenieKey guess" }, rejected: 422,
		},
		"incidentio": {
			start: NewIncidentIO, authorization: "Bearer " + secret, right: incidentIOAlerts, wrong: alertsMessage, accepted: 202,
			answer: `{"deduplication_key":"unique-key","message":"Event accepted for processing","status":"success"}`, invalid: 422,
			stranger: 401, withoutSecret: func(s *Service) (string, string, string) { return s.URL, incidentIOAlerts, "Bearer guess" }, rejected: 404,
		},
		"teams": {
			start: NewTeams, right: teamsMessage, wrong: `{"type":"message","text":"t"}`, accepted: 202, invalid: 400,
			stranger: 401, withoutSecret: otherPath(teamsMessage), rejected: 400,
		},
		"webhook": {
			start: NewWebhook, right: alertsMessage, wrong: incidentIOAlerts, accepted: 200, invalid: 400,
			stranger: 404, withoutSecret: otherPath(alertsMessage), rejected: 403,
		},
	}
}

func post(t *testing.T, url, body, authorization string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text), resp.Header
}

func TestService_AnswersAsTheRealOneDoes(t *testing.T) {
	for name, k := range kinds() {
		t.Run(name, func(t *testing.T) {
			s := k.start(t, secret)
			status, answer, _ := post(t, s.URL+k.path, k.right, k.authorization)
			require.Equal(t, k.accepted, status, s.Requests()[0].Faults)
			require.Equal(t, k.answer, answer)

			status, _, _ = post(t, s.URL+k.path, k.wrong, k.authorization)
			require.Equal(t, k.invalid, status)

			url, body, authorization := k.withoutSecret(s)
			status, answer, _ = post(t, url, body, authorization)
			require.Equal(t, k.stranger, status)
			require.NotContains(t, answer, secret)

			got := s.Await(3)
			require.Empty(t, got[0].Faults)
			require.NotEmpty(t, got[1].Faults)
			require.Equal(t, []int{k.accepted, k.invalid, k.stranger}, []int{got[0].Status, got[1].Status, got[2].Status})
		})
	}
}

func TestService_FailsInItsOwnWays(t *testing.T) {
	for name, k := range kinds() {
		t.Run(name, func(t *testing.T) {
			s := k.start(t, secret)
			for failure, want := range map[Failure]int{Rejected: k.rejected, RateLimited: 429, Echoing: 400} {
				s.Fail(failure)
				status, answer, _ := post(t, s.URL+k.path, k.right, k.authorization)
				require.Equal(t, want, status)
				require.NotEmpty(t, answer)
				require.Equal(t, failure == Echoing, strings.Contains(answer, secret))
			}
			s.Fail(Unavailable)
			status, _, _ := post(t, s.URL+k.path, k.right, k.authorization)
			require.GreaterOrEqual(t, status, 500)
			s.Fail(Works)
			status, _, _ = post(t, s.URL+k.path, k.right, k.authorization)
			require.Equal(t, k.accepted, status)
		})
	}
}

func TestService_SlackSaysWhyInItsWords(t *testing.T) {
	s := NewSlack(t, secret)
	s.Fail(Rejected)
	_, answer, _ := post(t, s.URL, slackMessage, "")
	require.Equal(t, "no_service", answer)
	s.Fail(RateLimited)
	_, _, header := post(t, s.URL, slackMessage, "")
	require.Equal(t, "1", header.Get("Retry-After"))
}

func TestService_HangsUntilTheSenderGivesUp(t *testing.T) {
	s := NewWebhook(t, secret)
	s.Fail(Hanging)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader(alertsMessage))
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Zero(t, s.Await(1)[0].Status)
}

func TestRequest_GoldenHasNothingThatChanges(t *testing.T) {
	s := NewTeams(t, "s/g+=")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(
		`{"b":"at 2026-11-22T16:00:00.123+01:00 or &time=1795363200000&x=1795363200","a":{"fingerprint":"0123456789abcdef","url":"`+s.server.URL+`/x<y","n":12345678901234567890}}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth("user", "hush")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, `POST /workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=<secret>
Authorization: Basic user:<secret>
Content-Type: application/json

{
  "a": {
    "fingerprint": "<fingerprint>",
    "n": 12345678901234567890,
    "url": "http://<address>/x<y"
  },
  "b": "at <time> or &time=<milliseconds>&x=<seconds>"
}
`, s.Await(1)[0].Golden("hush"))
}
