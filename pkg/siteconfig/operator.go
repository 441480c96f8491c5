package siteconfig

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// operator is the operator's own alertmanager document, under the site
// configuration.
type operator struct {
	root *yaml.Node // nil when there is none
	// adopted says that its root route was the old image's. It may have none left.
	adopted bool
}

// newOperator reads the document. rewritten says that the old image may have
// written into the file that it came from.
func newOperator(u config.Underlay, rewritten bool) *operator {
	rewritten = rewritten && u.Provenance.Source == config.SourceFile
	empty := u.Root.Kind == yaml.MappingNode && len(u.Root.Content) == 0
	if empty && (rewritten || u.Provenance.Source == "") {
		return &operator{}
	}
	o := &operator{root: clone(u.Root)}
	if rewritten && o.root.Kind == yaml.MappingNode {
		o.dropRewritten()
	}
	return o
}

// alone is the document as it runs while there is no site configuration; nil when
// there is none.
func (o *operator) alone() *yaml.Node {
	if !o.adopted {
		return o.root
	}
	root := clone(o.root)
	if lookup(root, "route") == nil {
		replace(root, "route", newMapping().text("receiver", noopReceiver).node)
	}
	replace(root, "receivers", listNode(append([]*yaml.Node{noopNode()}, elements(lookup(root, "receivers"))...)...))
	return root
}

// bakedDocument is what runs without an operator's document and without a site
// configuration.
func bakedDocument() *yaml.Node {
	return newMapping().
		set("route", newMapping().text("receiver", noopReceiver).node).
		set("receivers", listNode(noopNode())).node
}

// dropRewritten removes what the old image has written into the file: its receivers,
// their routes, and, where its root route stands, its settings of mail.
func (o *operator) dropRewritten() {
	o.root = flat(o.root)
	if receivers := lookup(o.root, "receivers"); receivers != nil && receivers.Kind == yaml.SequenceNode {
		receivers.Content = slices.DeleteFunc(receivers.Content, func(r *yaml.Node) bool { return isOldImages(flat(r), "name") })
	}
	route := flat(lookup(o.root, "route"))
	if route == nil || route.Kind != yaml.MappingNode {
		return
	}
	o.adopted = isOldImages(route, "receiver")
	route = withoutOldRoutes(route)
	replace(o.root, "route", route)
	if !o.adopted {
		return
	}
	replace(route, "receiver", textNode(noopReceiver))
	if len(elements(lookup(route, "routes"))) == 0 {
		o.root = without(o.root, func(key string) bool { return key == "route" })
	}
	if global := flat(lookup(o.root, "global")); global != nil && global.Kind == yaml.MappingNode && !o.sendsMail() {
		replace(o.root, "global", without(global, func(key string) bool { return strings.HasPrefix(key, smtpPrefix) }))
	}
}

// isOldImages tells of something whose receiver the old image has made.
func isOldImages(m *yaml.Node, key string) bool {
	return strings.HasPrefix(scalar(m, key), namePrefix)
}

// withoutOldRoutes is a copy of a route that lacks those below it that lead to the
// old image's receivers.
func withoutOldRoutes(route *yaml.Node) *yaml.Node {
	route = flat(route)
	routes := lookup(route, "routes")
	if routes == nil || routes.Kind != yaml.SequenceNode {
		return route
	}
	kept := listNode()
	kept.Line, kept.Style = routes.Line, routes.Style
	for _, child := range routes.Content {
		if !isOldImages(flat(child), "receiver") {
			kept.Content = append(kept.Content, withoutOldRoutes(child))
		}
	}
	replace(route, "routes", kept)
	return route
}

// beneath lays what has been translated over the document. Names that both have
// are problems.
func (o *operator) beneath(t *translation) (root *yaml.Node, problems []string) {
	global, receivers := o.parts()
	if t.sendsMail() {
		global, receivers = withOwnLogin(global, receivers)
	}
	out := newMapping()
	if root := flat(o.root); root != nil && root.Kind == yaml.MappingNode {
		out.node.Content = without(root, func(key string) bool { return slices.Contains([]string{"global", "route", "receivers"}, key) }).Content
	}
	if global != nil {
		out.set("global", global)
	}
	ours := t.receiverNodes()
	theirs, problems := withoutCollisions(receivers, ours)
	out.set("route", t.routeNode(o.lastRoute()))
	out.set("receivers", listNode(append(ours, theirs...)...))
	return out.node, problems
}

// parts are the global section and the receivers.
func (o *operator) parts() (global *yaml.Node, receivers []*yaml.Node) {
	root := flat(o.root)
	return flat(lookup(root, "global")), elements(lookup(root, "receivers"))
}

// withoutCollisions drops receivers that have the name of one of ours. Where one
// has nothing but the name, nobody misses it.
func withoutCollisions(theirs, ours []*yaml.Node) (kept []*yaml.Node, problems []string) {
	names := map[string]bool{}
	for _, r := range ours {
		names[scalar(r, "name")] = true
	}
	for _, r := range theirs {
		name := scalar(flat(r), "name")
		if !names[name] {
			kept = append(kept, r)
			continue
		}
		if len(flat(r).Content) > len(noopNode().Content) {
			problems = append(problems, problem("observability",
				"alertmanager.yml has a receiver %q too, which the site configuration's replaces: rename the former", name))
		}
	}
	return kept, problems
}

// lastRoute is the operator's root route as a child of ours: it matches everything,
// and says what it would inherit otherwise.
func (o *operator) lastRoute() *yaml.Node {
	route := flat(lookup(flat(o.root), "route"))
	if route == nil || route.Kind != yaml.MappingNode {
		return nil
	}
	for _, inherited := range []struct {
		key     string
		instead *yaml.Node // the engine's default
	}{
		{"group_by", &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}},
		{"group_wait", textNode("30s")},
		{"group_interval", textNode("5m")},
		{"repeat_interval", textNode("4h")},
	} {
		if lookup(route, inherited.key) == nil {
			replace(route, inherited.key, inherited.instead)
		}
	}
	return route
}

// smtpPrefix begins the names of the global settings of mail.
const smtpPrefix = "smtp_"

func (o *operator) sendsMail() bool {
	_, receivers := o.parts()
	return slices.ContainsFunc(receivers, func(r *yaml.Node) bool {
		return len(elements(lookup(flat(r), "email"+listSuffix))) > 0
	})
}

// withOwnLogin moves the global settings by which the operator's receivers of mail
// log in into these. A receiver of ours that does not log in could not say so: it
// would send the operator's password to another server.
func withOwnLogin(global *yaml.Node, receivers []*yaml.Node) (*yaml.Node, []*yaml.Node) {
	const login = smtpPrefix + "auth_"
	if global == nil || global.Kind != yaml.MappingNode {
		return global, receivers
	}
	moved := without(global, func(key string) bool { return !strings.HasPrefix(key, login) })
	if len(moved.Content) == 0 {
		return global, receivers
	}
	var out []*yaml.Node
	for _, r := range receivers {
		r = flat(r)
		if list := lookup(r, "email"+listSuffix); list != nil && list.Kind == yaml.SequenceNode {
			own := listNode()
			own.Line, own.Style = list.Line, list.Style
			for _, mail := range list.Content {
				own.Content = append(own.Content, withLogin(mail, moved))
			}
			replace(r, "email"+listSuffix, own)
		}
		out = append(out, r)
	}
	return without(global, func(key string) bool { return strings.HasPrefix(key, login) }), out
}

// withLogin adds to a receiver of mail what it would take from the global section,
// by the engine's rules.
func withLogin(mail, login *yaml.Node) *yaml.Node {
	mail = flat(mail)
	if mail.Kind != yaml.MappingNode {
		return mail
	}
	hasPassword := scalar(mail, "auth_password") != "" || scalar(mail, "auth_password_file") != ""
	for i := 0; i+1 < len(login.Content); i += 2 {
		key := strings.TrimPrefix(login.Content[i].Value, smtpPrefix)
		if strings.HasPrefix(key, "auth_password") && hasPassword || scalar(mail, key) != "" {
			continue
		}
		replace(mail, key, login.Content[i+1])
	}
	return mail
}

// httpBase is the global http_config as receivers of ours may have it.
func (o *operator) httpBase() httpBase {
	global, _ := o.parts()
	http := flat(lookup(global, "http_config"))
	if http == nil || http.Kind != yaml.MappingNode {
		return httpBase{}
	}
	base := httpBase{node: without(http, isCredential)}
	base.hadCredentials = len(base.node.Content) < len(http.Content)
	return base
}

func isCredential(key string) bool {
	return slices.Contains([]string{
		"basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file", "http_headers",
	}, key)
}

func (o *operator) hasOpsgenieKey() bool {
	global, _ := o.parts()
	return scalar(global, "opsgenie_api_key") != "" || scalar(global, "opsgenie_api_key_file") != ""
}
