package receivers

import (
	"net/http"
	"path"
	"strings"
	"testing"
)

// NewSlack starts an incoming webhook of Slack. The secret is the end of its path.
// See https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
func NewSlack(t testing.TB, secret string) *Service {
	const workspace = "/services/T00000000/B00000000/"
	say := func(status int, text string) answer {
		return answer{status: status, body: text, header: map[string]string{"Content-Type": "text/html"}}
	}
	limited := say(http.StatusTooManyRequests, "rate_limited")
	limited.header["Retry-After"] = "1"
	return start(t, protocol{
		url: func(base, secret string) string { return base + workspace + secret },
		refuse: func(r *Request, secret string) *answer {
			switch {
			case !strings.HasPrefix(r.Path, workspace):
				return new(say(http.StatusNotFound, "no_team"))
			case path.Base(r.Path) != secret:
				return new(say(http.StatusForbidden, "invalid_token"))
			}
			return nil
		},
		check:    checkSlack,
		accepted: func(*Request) answer { return say(http.StatusOK, "ok") },
		invalid:  func([]string) answer { return say(http.StatusBadRequest, "invalid_payload") },
		failures: map[Failure]answer{
			Rejected:    say(http.StatusNotFound, "no_service"),
			RateLimited: limited,
			Unavailable: say(http.StatusInternalServerError, "rollup_error"),
		},
	}, secret)
}

func checkSlack(r *Request) []string {
	c := &checker{}
	body := c.object(r, http.MethodPost)
	c.known("message", body, "channel", "username", "icon_emoji", "icon_url", "link_names", "text", "attachments")
	for _, name := range []string{"channel", "username", "icon_emoji", "icon_url"} {
		c.text(body, name, 0, false)
	}
	text, attachments := c.text(body, "text", 40000, false), c.objects(body, "attachments")
	if text == "" && len(attachments) == 0 {
		c.failf("no_text: want text or attachments")
	}
	if len(attachments) > 100 {
		c.failf("too_many_attachments")
	}
	for _, attachment := range attachments {
		c.slackAttachment(attachment)
	}
	return c.faults
}

func (c *checker) slackAttachment(a map[string]any) {
	c.known("attachment", a, "title", "title_link", "pretext", "text", "fallback", "callback_id", "fields", "actions",
		"image_url", "thumb_url", "footer", "color", "mrkdwn_in")
	for _, name := range []string{"title", "pretext", "text", "fallback", "callback_id", "footer"} {
		c.text(a, name, 0, false)
	}
	for _, name := range []string{"title_link", "image_url", "thumb_url"} {
		c.link(a, name)
	}
	if color := c.text(a, "color", 0, false); color != "" && !isColor(color) {
		c.failf("color is %q: want good, warning, danger or #RRGGBB", color)
	}
	for _, field := range c.objects(a, "fields") {
		c.text(field, "title", 0, false)
		c.text(field, "value", 0, false)
	}
	actions := c.objects(a, "actions")
	if len(actions) > 5 {
		c.failf("actions: %d, want at most 5", len(actions))
	}
	for _, action := range actions {
		c.oneOf(action, "type", "button", "select")
		c.text(action, "text", 0, true)
		c.link(action, "url")
	}
}

func isColor(text string) bool {
	switch text {
	case "good", "warning", "danger":
		return true
	}
	return len(text) == 7 && text[0] == '#' && strings.Trim(strings.ToLower(text[1:]), "0123456789abcdef") == ""
}
