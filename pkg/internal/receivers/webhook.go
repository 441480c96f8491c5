package receivers

import (
	"net/http"
	"testing"
)

// webhookPath is before the secret.
const webhookPath = "/hooks/"

// NewWebhook starts a webhook that takes Alertmanager's own format. The secret is the
// end of its path; how else a sender authenticates is in the headers of a request.
func NewWebhook(t testing.TB, secret string) *Service {
	say := func(status int) answer {
		return answer{status: status, body: http.StatusText(status) + "\n", header: plainText()}
	}
	return start(t, protocol{
		url: func(base, secret string) string { return base + webhookPath + secret },
		refuse: func(r *Request, secret string) *answer {
			if r.Path != webhookPath+secret {
				return new(say(http.StatusNotFound))
			}
			return nil
		},
		check:    func(r *Request) []string { return checkAlerts(r, "4") },
		accepted: func(*Request) answer { return answer{status: http.StatusOK} },
		invalid:  func([]string) answer { return say(http.StatusBadRequest) },
		failures: map[Failure]answer{
			Rejected:    say(http.StatusForbidden),
			RateLimited: say(http.StatusTooManyRequests),
			Unavailable: say(http.StatusServiceUnavailable),
		},
	}, secret)
}

// checkAlerts checks Alertmanager's own format.
func checkAlerts(r *Request, version string) []string {
	c := &checker{}
	body := c.object(r, http.MethodPost)
	c.oneOf(body, "version", version)
	c.text(body, "groupKey", 0, true)
	c.text(body, "receiver", 0, true)
	c.link(body, "externalURL")
	c.oneOf(body, "status", "firing", "resolved")
	for _, name := range []string{"groupLabels", "commonLabels", "commonAnnotations"} {
		c.texts(body, name)
	}
	alerts := c.objects(body, "alerts")
	if len(alerts) == 0 {
		c.failf("alerts: want one at least")
	}
	for _, a := range alerts {
		c.oneOf(a, "status", "firing", "resolved")
		if labels := c.texts(a, "labels"); labels["alertname"] == nil {
			c.failf("labels: want an alertname")
		}
		c.texts(a, "annotations")
		for _, name := range []string{"startsAt", "endsAt", "fingerprint"} {
			c.text(a, name, 0, true)
		}
	}
	return c.faults
}
