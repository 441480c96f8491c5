package receivers

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

// teamsPath is that of one workflow.
const teamsPath = "/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"

// maxTeamsMessage is what Teams takes, in bytes.
const maxTeamsMessage = 28 << 10

// NewTeams starts a workflow of Microsoft Teams that is triggered by a webhook. The
// secret is its signature, in the query string. See
// https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook.
func NewTeams(t testing.TB, signature string) *Service {
	return start(t, protocol{
		url: func(base, secret string) string {
			return base + teamsPath + "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + url.QueryEscape(secret)
		},
		refuse: func(r *Request, secret string) *answer {
			query, err := url.ParseQuery(r.Query)
			switch {
			case r.Path != teamsPath:
				return new(teamsError(http.StatusNotFound, "WorkflowNotFound", "The workflow could not be found."))
			case err != nil || query.Get("sig") != secret:
				return new(teamsError(http.StatusUnauthorized, "DirectApiAuthorizationRequired", "The request must be authenticated only by Shared Access scheme."))
			case len(r.Body) > maxTeamsMessage:
				return new(teamsError(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Request Entity too large"))
			}
			return nil
		},
		check:    checkTeams,
		accepted: func(*Request) answer { return answer{status: http.StatusAccepted} },
		invalid: func([]string) answer {
			return teamsError(http.StatusBadRequest, "TriggerInputSchemaMismatch", "The input body for trigger 'manual' of type 'Request' did not match its schema definition.")
		},
		failures: map[Failure]answer{
			Rejected:    teamsError(http.StatusBadRequest, "WorkflowTriggerIsNotEnabled", "Could not execute workflow trigger 'manual' with state 'Disabled': trigger is not enabled."),
			RateLimited: teamsError(http.StatusTooManyRequests, "WorkflowRunActionRateLimited", "Rate limit is exceeded."),
			Unavailable: teamsError(http.StatusBadGateway, "BadGateway", "The server did not receive a response from an upstream server."),
		},
	}, signature)
}

func teamsError(status int, code, message string) answer {
	text, _ := json.Marshal(map[string]any{"error": map[string]string{"code": code, "message": message}}) // of strings
	return answer{status: status, body: string(text), header: jsonText()}
}

func checkTeams(r *Request) []string {
	c := &checker{}
	body := c.object(r, http.MethodPost)
	c.oneOf(body, "type", "message")
	attachments := c.objects(body, "attachments")
	if len(attachments) != 1 {
		c.failf("attachments: %d, want one", len(attachments))
	}
	for _, attachment := range attachments {
		c.oneOf(attachment, "contentType", "application/vnd.microsoft.card.adaptive")
		card, ok := attachment["content"].(map[string]any)
		if !ok {
			c.failf("content: want an object")
			continue
		}
		c.adaptiveCard(card)
	}
	return c.faults
}

func (c *checker) adaptiveCard(card map[string]any) {
	c.oneOf(card, "type", "AdaptiveCard")
	c.oneOf(card, "version", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
	elements := c.objects(card, "body")
	if len(elements) == 0 {
		c.failf("body of the card: want elements")
	}
	for _, element := range elements {
		if c.text(element, "type", 0, true) == "TextBlock" {
			c.text(element, "text", 0, false)
		}
	}
}
