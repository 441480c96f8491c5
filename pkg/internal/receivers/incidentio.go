package receivers

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// incidentIOPath is where events of one alert source go.
const incidentIOPath = "/v2/alert_events/alertmanager/01GW2G3V0S59R238FAHPDS1R66"

// NewIncidentIO starts an alert source of incident.io. The secret is its bearer token.
// See https://api-docs.incident.io/tag/Alert-Events-V2.
func NewIncidentIO(t testing.TB, token string) *Service {
	return start(t, protocol{
		url: func(base, _ string) string { return base + incidentIOPath },
		refuse: func(r *Request, secret string) *answer {
			switch {
			case r.Path != incidentIOPath:
				return new(incidentIOError(http.StatusNotFound, "not_found", "Resource not found"))
			case r.Header.Get("Authorization") != "Bearer "+secret:
				return new(incidentIOError(http.StatusUnauthorized, "authentication_error", "We could not authenticate you"))
			}
			return nil
		},
		check: func(r *Request) []string { return checkAlerts(r, "1") },
		accepted: func(*Request) answer {
			return answer{
				status: http.StatusAccepted, header: jsonText(),
				body: `{"deduplication_key":"unique-key","message":"Event accepted for processing","status":"success"}`,
			}
		},
		invalid: func(faults []string) answer {
			return incidentIOError(http.StatusUnprocessableEntity, "validation_error", strings.Join(faults, "; "))
		},
		failures: map[Failure]answer{
			Rejected:    incidentIOError(http.StatusNotFound, "not_found", "Alert source not found"),
			RateLimited: incidentIOError(http.StatusTooManyRequests, "too_many_requests", "You have exceeded the rate limit"),
			Unavailable: incidentIOError(http.StatusInternalServerError, "internal_error", "Something went wrong"),
		},
	}, token)
}

func incidentIOError(status int, kind, message string) answer {
	text, _ := json.Marshal(map[string]any{ // of strings and a number
		"type": kind, "status": status, "request_id": "c9b1dd4c-f4b6-4b86-a0a8-6b3d1d6ee1f5",
		"errors": []map[string]string{{"code": kind, "message": message}},
	})
	return answer{status: status, body: string(text), header: jsonText()}
}
