package receivers

import (
	"encoding/json"
	"maps"
	"net/http"
	"testing"
)

// pagerDutyPath is where events go.
const pagerDutyPath = "/v2/enqueue"

// NewPagerDuty starts version 2 of the Events API of PagerDuty. The secret is the
// routing key, which also is said to be wrong by 400. See
// https://developer.pagerduty.com/docs/send-alert-event.
func NewPagerDuty(t testing.TB, routingKey string) *Service {
	return start(t, protocol{
		url: func(base, _ string) string { return base + pagerDutyPath },
		refuse: func(r *Request, secret string) *answer {
			if r.Path != pagerDutyPath {
				return &answer{status: http.StatusNotFound}
			}
			var event struct {
				Key string `json:"routing_key"`
			}
			if json.Unmarshal(r.Body, &event) == nil && event.Key != secret {
				return new(invalidEvent([]string{"Invalid routing key"}))
			}
			return nil
		},
		check:    checkPagerDuty,
		accepted: acceptedEvent,
		invalid:  invalidEvent,
		failures: map[Failure]answer{
			Rejected:    invalidEvent([]string{"Length of 'routing_key' is incorrect (should be 32 characters)"}),
			RateLimited: pagerDutyAnswer(http.StatusTooManyRequests, "throttle exceeded", "Requests for this service are arriving too quickly.  Please retry later.", nil),
			Unavailable: pagerDutyAnswer(http.StatusInternalServerError, "error", "An internal error occurred while processing the event.", nil),
		},
	}, routingKey)
}

func pagerDutyAnswer(status int, word, message string, more map[string]any) answer {
	body := map[string]any{"status": word, "message": message}
	maps.Copy(body, more)
	text, _ := json.Marshal(body) // of strings
	return answer{status: status, body: string(text), header: jsonText()}
}

func invalidEvent(faults []string) answer {
	return pagerDutyAnswer(http.StatusBadRequest, "invalid event", "Event object is invalid", map[string]any{"errors": faults})
}

func acceptedEvent(r *Request) answer {
	var event struct {
		Key string `json:"dedup_key"`
	}
	_ = json.Unmarshal(r.Body, &event) // it has been checked
	return pagerDutyAnswer(http.StatusAccepted, "success", "Event processed", map[string]any{"dedup_key": event.Key})
}

func checkPagerDuty(r *Request) []string {
	c := &checker{}
	body := c.object(r, http.MethodPost)
	c.known("event", body, "routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url")
	c.text(body, "routing_key", 0, true)
	action := c.oneOf(body, "event_action", "trigger", "acknowledge", "resolve")
	c.text(body, "dedup_key", 255, action != "trigger")
	c.text(body, "client", 0, false)
	c.link(body, "client_url")
	for _, link := range c.objects(body, "links") {
		c.link(link, "href")
		c.text(link, "text", 0, false)
	}
	for _, image := range c.objects(body, "images") {
		c.link(image, "src")
	}
	if payload, ok := body["payload"].(map[string]any); ok {
		c.pagerDutyPayload(payload)
	} else if action == "trigger" {
		c.failf("payload: want an object")
	}
	return c.faults
}

func (c *checker) pagerDutyPayload(payload map[string]any) {
	c.known("payload", payload, "summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details")
	c.text(payload, "summary", 1024, true)
	c.text(payload, "source", 0, true)
	c.oneOf(payload, "severity", "critical", "error", "warning", "info")
}
