package siteconfig

import (
	"cmp"
	"errors"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// The levels of alerts that receivers are made for.
const (
	levelWarning  = "warning"
	levelCritical = "critical"
)

// translation is the making of one alertmanager document of one document of site
// configuration. Nothing of another translation goes into it.
type translation struct {
	opts     Options
	document map[string]any
	links    links

	// http and opsgenieKey are what the operator's global section has that concerns us.
	http        httpBase
	opsgenieKey bool

	mail         *mailServer
	mailRead     bool
	mailLacks    string
	mailProblems []string

	receivers []*receiver                // of owners, in the order of their first appearance
	levels    map[string]*receiver       // the others
	origins   map[config.Integration]int // the index of the alert that an integration comes from
	problems  []string
}

// receiver is one that is being made.
type receiver struct {
	name   string
	level  string
	owners string // what matches them; empty for all
	types  []string
	lists  map[string][]mapping
}

func newTranslation(opts Options, document map[string]any, under *operator) *translation {
	t := &translation{
		opts:        opts,
		document:    document,
		http:        under.httpBase(),
		opsgenieKey: under.hasOpsgenieKey(),
		origins:     map[config.Integration]int{},
		levels: map[string]*receiver{
			levelWarning:  {name: namePrefix + "warning-receiver", level: levelWarning},
			levelCritical: {name: namePrefix + "critical-receiver", level: levelCritical},
		},
	}
	externalURL, urlProblem := readExternalURL(document[urlKey])
	t.links = newLinks(opts, externalURL)
	t.translateAlerts()
	_, silenceProblems := readSilences(document[silencesKey])
	t.problems = append(t.problems, silenceProblems...)
	t.problems = append(t.problems, t.mailProblems...)
	if urlProblem != "" && len(t.origins) > 0 {
		t.problems = append(t.problems, urlProblem)
	}
	return t
}

// readExternalURL returns it without what a root URL does not have.
func readExternalURL(value any) (externalURL, fault string) {
	if value == nil || value == "" {
		return "", ""
	}
	text, _ := exposed(value).(string)
	u, err := url.Parse(text)
	if err != nil || whyNoAddress(text) != "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", problem(urlKey, "this is no URL like https://sourcegraph.example.com, without a path: "+
			"correct it, since notifications have no links to dashboards until then")
	}
	return u.Scheme + "://" + u.Host, ""
}

func (t *translation) translateAlerts() {
	value := t.document[alertsKey]
	if value == nil {
		return
	}
	alerts, ok := value.([]any)
	if !ok {
		t.problems = append(t.problems, problem(alertsKey, "must be a list"))
		return
	}
	for i, alert := range alerts {
		t.translateAlert(i, alert)
	}
}

// translateAlert adds one notifier to its receiver. Whatever is wrong with the alert
// is one problem.
func (t *translation) translateAlert(index int, value any) {
	var ofAlert, ofNotifier faults
	if s, ok := settingsOf(value, &ofAlert); ok {
		a := readAlert(s)
		if kind, node := t.translateNotifier(s.values["notifier"], a, &ofNotifier); !ofAlert.refused && !ofNotifier.refused {
			t.add(index, a, kind, node)
		}
	} else {
		ofAlert.refuse("it must be an object with a `level` and a `notifier`")
	}
	what := "alert"
	if len(ofNotifier.texts) > 0 {
		what = "notifier"
	}
	all := slices.Concat(ofAlert.texts, ofNotifier.texts)
	if ofAlert.refused || ofNotifier.refused {
		all = append(all, "nothing is sent to it until then")
	}
	if len(all) > 0 {
		t.problems = append(t.problems, problem(alertsKey, "%s %d: %s", what, index, strings.Join(all, "; ")))
	}
}

// alert is one element of the setting, without its notifier.
type alert struct {
	level         string
	owners        []string
	sendsResolved bool
}

func readAlert(s settings) alert {
	a := alert{level: levelWarning}
	switch level := s.value("level"); level {
	case levelWarning, levelCritical:
		a.level = level.(string)
	default:
		word, _ := level.(string)
		s.faults.note("`level`%s must be warning or critical; it is taken as warning", named(word))
	}
	a.sendsResolved = !s.flag("disableSendResolved", "resolved alerts are sent")
	a.owners = readOwners(s)
	return a
}

func readOwners(s settings) []string {
	list, ok := s.list("owners")
	var owners []string
	for _, value := range list {
		owner, isText := exposed(value).(string)
		ok = ok && isText
		owners = append(owners, owner)
	}
	if !ok {
		s.faults.refuse("`owners` must be a list of strings")
		return nil
	}
	if why := whyNoRegexp(ownersRegexp(owners)); why != "" {
		s.faults.refuse("`owners` make no regular expression (%s): correct them", why)
	}
	return owners
}

// ownersRegexp matches owners, which are not escaped.
func ownersRegexp(owners []string) string {
	return "^(" + strings.Join(owners, "|") + ")$"
}

// whyNoRegexp says why the engine could not use a regular expression, without
// quoting it. The engine anchors it twice, and refuses what is too deep.
func whyNoRegexp(text string) string {
	_, err := regexp.Compile("^(?:^(?:" + text + ")$)$")
	if err == nil {
		return ""
	}
	if why, ok := errors.AsType[*syntax.Error](err); ok {
		return why.Code.String()
	}
	return "it does not parse"
}

// translateNotifier makes the integration of a notifier.
func (t *translation) translateNotifier(value any, a alert, f *faults) (list string, integration mapping) {
	if value == nil {
		f.refuse("`notifier` is missing: give one with a `type`, which is %s", knownTypes())
		return "", mapping{}
	}
	s, ok := settingsOf(value, f)
	if !ok {
		f.refuse("`notifier` must be an object with a `type`, which is %s", knownTypes())
		return "", mapping{}
	}
	name := s.need("type", "give "+knownTypes())
	if name == "" {
		return "", mapping{}
	}
	nt, known := notifierTypeOf(name)
	if !known {
		f.refuse("`type`%s is not known: give %s", named(name), knownTypes())
		return "", mapping{}
	}
	built := nt.build(notifier{settings: s, translation: t, level: a.level})
	m := newMapping().flag("send_resolved", a.sendsResolved)
	m.node.Content = append(m.node.Content, built.node.Content...)
	if t.http.hadCredentials && nt.list != "email" && !has(m.node, "http_config") {
		m.set("http_config", t.http.with(newMapping()))
	}
	return nt.list, m
}

// add puts an integration into the receiver of its alert's level and owners.
func (t *translation) add(index int, a alert, list string, integration mapping) {
	r := t.receiverOf(a)
	if r.lists == nil {
		r.lists = map[string][]mapping{}
	}
	if len(r.lists[list]) == 0 {
		r.types = append(r.types, list)
	}
	t.origins[config.Integration{Receiver: r.name, Type: list, Index: len(r.lists[list])}] = index
	r.lists[list] = append(r.lists[list], integration)
}

func (t *translation) receiverOf(a alert) *receiver {
	if len(a.owners) == 0 {
		return t.levels[a.level]
	}
	name := namePrefix + a.level + "-on-" + strings.Join(a.owners, "|")
	for _, r := range t.receivers {
		if r.name == name {
			return r
		}
	}
	r := &receiver{name: name, level: a.level, owners: ownersRegexp(a.owners)}
	t.receivers = append(t.receivers, r)
	return r
}

// sendsMail tells whether there is a receiver of mail.
func (t *translation) sendsMail() bool {
	for integration := range t.origins {
		if integration.Type == "email" {
			return true
		}
	}
	return false
}

// lost says in the words of the site configuration that the engine has refused an
// integration.
func (t *translation) lost(integration config.Integration) string {
	reason := integration.Reason
	integration.Reason = ""
	index, ours := t.origins[integration]
	if !ours {
		return ""
	}
	return problem(alertsKey, "notifier %d: the engine cannot use it: %s; nothing is sent to it until then",
		index, cmp.Or(reason, "no reason is known"))
}

// httpBase is the operator's global http_config, which receivers that have one of
// their own do not see any more: it may name a proxy. What it authenticates by is
// for the operator's own receivers, and for nobody else.
type httpBase struct {
	node           *yaml.Node // without credentials; nil when there is none
	hadCredentials bool
}

func (h httpBase) with(credentials mapping) *yaml.Node {
	if h.node == nil {
		return credentials.node
	}
	out := clone(h.node)
	out.Content = append(out.Content, credentials.node.Content...)
	return out
}
