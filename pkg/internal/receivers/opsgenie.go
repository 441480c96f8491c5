package receivers

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// opsgeniePath is where alerts are made.
const opsgeniePath = "/v2/alerts"

// NewOpsgenie starts the alert API of Opsgenie. Its URL is the base of the API, and
// the secret is the API key. See https://docs.opsgenie.com/docs/alert-api.
func NewOpsgenie(t testing.TB, apiKey string) *Service {
	return start(t, protocol{
		url: func(base, _ string) string { return base + "/" },
		refuse: func(r *Request, secret string) *answer {
			switch {
			case !strings.HasPrefix(r.Path, opsgeniePath):
				return new(opsgenieAnswer(http.StatusNotFound, map[string]any{"message": "Not found"}))
			case r.Header.Get("Authorization") != "GenieKey "+secret:
				return new(opsgenieAnswer(http.StatusUnauthorized, map[string]any{"message": "Could not authenticate"}))
			}
			return nil
		},
		check: checkOpsgenie,
		accepted: func(*Request) answer {
			return opsgenieAnswer(http.StatusAccepted, map[string]any{"result": "Request will be processed"})
		},
		invalid: func(faults []string) answer { return unprocessable(strings.Join(faults, "; ")) },
		failures: map[Failure]answer{
			Rejected:    unprocessable("Message can not be empty."),
			RateLimited: opsgenieAnswer(http.StatusTooManyRequests, map[string]any{"message": "You are making too many requests!"}),
			Unavailable: opsgenieAnswer(http.StatusServiceUnavailable, map[string]any{"message": "Service unavailable"}),
		},
	}, apiKey)
}

func opsgenieAnswer(status int, body map[string]any) answer {
	body["took"], body["requestId"] = 0.107, "43a29c5c-3dbf-4fa4-9c26-f4f71023e120"
	text, _ := json.Marshal(body) // of strings and a number
	return answer{status: status, body: string(text), header: jsonText()}
}

func unprocessable(reason string) answer {
	return opsgenieAnswer(http.StatusUnprocessableEntity, map[string]any{
		"message": "Request body is not processable. Please check the errors.",
		"errors":  map[string]string{"message": reason},
	})
}

func checkOpsgenie(r *Request) []string {
	c := &checker{}
	rest := strings.TrimPrefix(r.Path, opsgeniePath)
	if rest == "" {
		c.opsgenieAlert(c.object(r, http.MethodPost))
		return c.faults
	}
	parts := strings.Split(rest, "/") // "", alias, what to do
	if len(parts) != 3 || parts[1] == "" || r.Query != "identifierType=alias" {
		c.failf("path %q?%s: want an alias, what to do with its alert, and identifierType=alias", rest, r.Query)
		return c.faults
	}
	switch parts[2] {
	case "close":
		c.known("close", c.object(r, http.MethodPost), "source", "user", "note")
	case "message":
		c.text(c.object(r, http.MethodPut), "message", 130, true)
	case "description":
		c.text(c.object(r, http.MethodPut), "description", 15000, true)
	default:
		c.failf("path %q: want close, message or description", rest)
	}
	return c.faults
}

func (c *checker) opsgenieAlert(body map[string]any) {
	c.known("alert", body, "message", "alias", "description", "responders", "visibleTo", "actions", "tags", "details", "entity", "source", "priority", "user", "note")
	c.text(body, "message", 130, true)
	c.text(body, "alias", 512, false)
	c.text(body, "description", 15000, false)
	c.text(body, "source", 0, false)
	c.text(body, "entity", 512, false)
	c.text(body, "note", 25000, false)
	c.texts(body, "details")
	if _, ok := body["priority"]; ok {
		c.oneOf(body, "priority", "P1", "P2", "P3", "P4", "P5")
	}
	tags, _ := body["tags"].([]any)
	for i, tag := range tags {
		if text, isText := tag.(string); !isText || text == "" {
			c.failf("tags[%d]: want some text", i)
		}
	}
	for _, responder := range c.objects(body, "responders") {
		c.oneOf(responder, "type", "team", "user", "escalation", "schedule")
		if responder["id"] == nil && responder["name"] == nil && responder["username"] == nil {
			c.failf("responders: want an id, a name or a username")
		}
	}
}
