package siteconfig

import (
	"slices"
	"strings"
)

// notifierType is one of the types of notifiers.
type notifierType struct {
	name   string // in the site configuration
	list   string // of a receiver's integrations, without its suffix
	fields []field
	// build makes the integration, and tells its faults to the notifier's settings.
	build func(notifier) mapping
}

// listSuffix ends the names of the lists of integrations.
const listSuffix = "_configs"

func notifierTypes() []notifierType {
	return []notifierType{
		{"slack", "slack", []field{
			secretField("url"), textField("username"), textField("recipient"), textField("icon_emoji"), textField("icon_url"),
		}, slack},
		{"pagerduty", "pagerduty", []field{
			secretField("integrationKey"), textField("severity"), textField("apiUrl"),
		}, pagerduty},
		{"webhook", "webhook", []field{
			secretField("url"), textField("username"), secretField("password"), secretField("bearerToken"),
		}, webhook},
		{"email", "email", []field{textField("address")}, email},
		{"opsgenie", "opsgenie", []field{
			secretField("apiKey"), textField("apiUrl"), textField("tags"), textField("priority"),
			listOf("responders", objectOf("", always(
				textField("type"), textField("id"), textField("name"), textField("username"),
			))),
		}, opsgenie},
		{"incidentio", "incidentio", []field{secretField("url"), secretField("alertSourceToken")}, incidentIO},
		{"msteams", "msteamsv2", []field{secretField("url")}, msteams},
	}
}

func notifierTypeOf(name string) (notifierType, bool) {
	types := notifierTypes()
	i := slices.IndexFunc(types, func(t notifierType) bool { return t.name == name })
	if i < 0 {
		return notifierType{}, false
	}
	return types[i], true
}

func knownTypes() string {
	var names []string
	for _, t := range notifierTypes() {
		names = append(names, t.name)
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// notifier is the notifier of an alert, as it is translated.
type notifier struct {
	settings
	*translation
	level string
}

// slack makes a message with two buttons. Mattermost takes it too.
func slack(n notifier) mapping {
	api := n.needAddress("url", "give the URL of an incoming webhook")
	username := n.template("username")
	if username == "" {
		username = "Sourcegraph Alerts"
	}
	color := "#FFFF00"
	if n.level == levelCritical {
		color = "#FF0000"
	}
	buttons := []mapping{button(docsLabel, n.links.docs)}
	if n.links.dashboard != "" {
		buttons = append(buttons, button(dashboardLabel, n.links.dashboard))
	}
	return newMapping().
		text("api_url", api).
		text("username", username).
		given("channel", n.template("recipient")).
		given("icon_emoji", n.template("icon_emoji")).
		given("icon_url", n.template("icon_url")).
		text("title", title).
		text("title_link", n.links.docs).
		text("text", body).
		text("color", firing+color+resolved+"#00FF00"+end).
		list("actions", buttons...)
}

func button(label, url string) mapping {
	return newMapping().text("type", "button").text("text", label).text("url", url)
}

func pagerduty(n notifier) mapping {
	key := n.need("integrationKey", "give the integration key of a PagerDuty service")
	shown := []mapping{newMapping().text("text", docsLabel).text("href", n.links.docs)}
	if n.links.dashboard != "" {
		shown = append(shown, newMapping().text("text", dashboardLabel).text("href", n.links.dashboard))
	}
	return newMapping().
		text("routing_key", literal(key)).
		given("severity", n.template("severity")).
		given("url", n.address("apiUrl")).
		text("description", title).
		list("links", shown...)
}

// webhook sends the engine's own JSON.
func webhook(n notifier) mapping {
	m := newMapping().text("url", n.needAddress("url", "give the URL to post to"))
	username, password, token := n.credential("username"), n.credential("password"), n.credential("bearerToken")
	switch basic := username != "" || password != ""; {
	case basic && token != "":
		n.faults.refuse("both `bearerToken` and `username` or `password` are given: leave one kind out")
	case basic:
		m.set("http_config", n.http.with(newMapping().
			set("basic_auth", newMapping().given("username", username).given("password", password).node)))
	case token != "":
		m.set("http_config", n.http.with(newMapping().
			set("authorization", newMapping().text("type", "Bearer").text("credentials", token).node)))
	}
	return m
}

func opsgenie(n notifier) mapping {
	key := opsgenieKey(n)
	tags := n.template("tags")
	if tags == "" {
		tags = `{{ range $name, $value := .CommonLabels }}{{ $name }}={{ $value }},{{ end }}`
	}
	m := newMapping().
		given("api_key", literal(key)).
		given("api_url", n.address("apiUrl")).
		text("message", title).
		text("description", body).
		text("priority", opsgeniePriority(n)).
		text("tags", tags).
		given("source", n.links.dashboard).
		set("details", newMapping().text(docsLabel, n.links.docs).node)
	if responders := opsgenieResponders(n); len(responders) > 0 {
		m.list("responders", responders...)
	}
	return m
}

// opsgenieKey may be empty where the operator has one for all, which the engine
// knows to find.
func opsgenieKey(n notifier) string {
	if n.opsgenieKey && n.opts.OpsgenieAPIKey == "" {
		return n.credential("apiKey")
	}
	return n.key("apiKey", n.opts.OpsgenieAPIKey, "give one, or set OPSGENIE_API_KEY in the environment")
}

func opsgeniePriority(n notifier) string {
	const byLevel = `{{ if eq .CommonLabels.level "critical" }}P1` +
		`{{ else if eq .CommonLabels.level "warning" }}P2` +
		`{{ else if eq .CommonLabels.level "info" }}P3{{ else }}P4{{ end }}`
	priority := n.template("priority")
	switch {
	case priority == "":
		return byLevel
	case strings.Contains(priority, "{{"), slices.Contains([]string{"P1", "P2", "P3", "P4", "P5"}, priority):
		return priority
	default:
		n.faults.note("`priority` must be P1, P2, P3, P4, P5 or a template; the level decides")
		return byLevel
	}
}

func opsgenieResponders(n notifier) []mapping {
	list, ok := n.list("responders")
	if !ok {
		n.faults.note("`responders` must be a list, and is left out")
	}
	var responders []mapping
	for i, value := range list {
		var f faults
		responder, ok := opsgenieResponder(value, &f)
		if len(f.texts) > 0 {
			n.faults.note("responder %d is left out: %s", i, &f)
		}
		if ok {
			responders = append(responders, responder)
		}
	}
	return responders
}

func opsgenieResponder(value any, f *faults) (responder mapping, ok bool) {
	s, ok := settingsOf(value, f)
	if !ok {
		f.refuse("it must be an object")
		return mapping{}, false
	}
	kind := strings.ToLower(s.text("type"))
	if !slices.Contains([]string{"team", "teams", "user", "escalation", "schedule"}, kind) {
		f.refuse("`type` must be team, user, escalation or schedule")
	}
	m, given := newMapping(), 0
	for _, name := range []string{"id", "name", "username"} {
		if value := s.template(name); value != "" {
			m.text(name, value)
			given++
		}
	}
	if given != 1 {
		f.refuse("give exactly one of `id`, `name` and `username`")
	}
	return m.text("type", kind), len(f.texts) == 0
}

func incidentIO(n notifier) mapping {
	url := n.needShownAddress("url", "give the URL of an alert source of incident.io, and its token as `alertSourceToken`")
	token := n.key("alertSourceToken", n.opts.IncidentIOToken,
		"give one, or set INCIDENT_IO_ALERT_SOURCE_TOKEN in the environment")
	return newMapping().text("url", url).text("alert_source_token", token)
}

// msteams makes an Adaptive Card for the webhook of a workflow.
func msteams(n notifier) mapping {
	return newMapping().
		text("webhook_url", n.needAddress("url", "give the URL of a workflow's webhook")).
		text("title", title).
		text("text", n.links.markdown())
}

// email needs what is not in the notifier.
func email(n notifier) mapping {
	to := n.need("address", "give the address to send to")
	if to != "" && !isAddressList(to) {
		n.faults.refuse("`address` is no e-mail address, and no list of them with commas between: correct it")
	}
	server, lacking := n.mailServer()
	if server == nil {
		n.faults.refuse("%s", lacking)
		return newMapping()
	}
	headers := newMapping().text("subject", title)
	for _, h := range server.headers {
		headers.text(h.name, literal(h.value))
	}
	return server.settings(newMapping().text("to", to)).
		set("headers", headers.node).
		text("text", n.links.bodyWithLinks()).
		text("html", n.links.html())
}
