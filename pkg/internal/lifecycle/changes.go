package lifecycle

import (
	"fmt"
	"strings"
)

// Changes tells in words which named things of a kind differ, for [Step.Changes]:
// a line for those that were added, changed and removed, if there are any.
func Changes(part, kind string, added, changed, removed []string) []string {
	var changes []string
	for _, differ := range []struct {
		verb  string
		names []string
	}{{"added", added}, {"changed", changed}, {"removed", removed}} {
		if len(differ.names) > 0 {
			changes = append(changes, fmt.Sprintf("%s: %d %s %s: %s", part, len(differ.names), kind, differ.verb, quoted(differ.names)))
		}
	}
	return changes
}

// quoted names a few of many.
func quoted(names []string) string {
	const most = 5
	var b strings.Builder
	for i, name := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}
