package siteconfig

import (
	"cmp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// namePrefix begins the names of receivers that are made of the site configuration.
const namePrefix = "src-"

// noopReceiver is where alerts end that nobody has asked for.
const noopReceiver = namePrefix + "noop-receiver"

// receiverNodes are all receivers, in an order that depends on their names alone,
// and those of the levels last.
func (t *translation) receiverNodes() []*yaml.Node {
	nodes := []*yaml.Node{noopNode()}
	byName := slices.SortedFunc(slices.Values(t.receivers), func(a, b *receiver) int { return cmp.Compare(a.name, b.name) })
	for _, r := range append(byName, t.levels[levelWarning], t.levels[levelCritical]) {
		nodes = append(nodes, r.node())
	}
	return nodes
}

func noopNode() *yaml.Node {
	return newMapping().text("name", noopReceiver).node
}

func (r *receiver) node() *yaml.Node {
	m := newMapping().text("name", r.name)
	for _, list := range r.types {
		m.list(list+listSuffix, r.lists[list]...)
	}
	return m.node
}

// routeNode is the route tree. last, if there is one, gets the alerts that no level
// has taken.
//
// The keys of groups, by which the log of notifications knows what has been sent,
// depend on how the matchers are written: these are the old image's.
func (t *translation) routeNode(last *yaml.Node) *yaml.Node {
	var routes []*yaml.Node
	for _, r := range t.receivers {
		routes = append(routes, newMapping().
			text("receiver", r.name).
			set("match", newMapping().text("level", r.level).node).
			set("match_re", newMapping().text("owner", r.owners).node).
			flag("continue", true).node)
	}
	for _, level := range []string{levelWarning, levelCritical} {
		routes = append(routes, newMapping().
			text("receiver", t.levels[level].name).
			set("match", newMapping().text("level", level).node).node)
	}
	if last != nil {
		routes = append(routes, last)
	}
	return newMapping().
		text("receiver", noopReceiver).
		texts("group_by", "alertname", "level", "service_name", "name", "owner", "description").
		text("group_wait", "1s").
		text("group_interval", "1m").
		text("repeat_interval", "7d").
		set("routes", listNode(routes...)).node
}
