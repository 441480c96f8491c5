package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// groupNames returns n names; a name's hash is half of the phase.
func groupNames(n int, random *rand.Rand) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("g%d%c%07x", i, 'a'+random.IntN(26), random.IntN(1<<28))
	}
	return names
}

// ruleFile has the groups of all names over one job. Each reads that job alone, and
// says so with a matcher. Besides the alert there is a rate of a few series of each
// target, so that an evaluation costs what a small group costs.
func ruleFile(job string, names []string, chain int) string {
	var b strings.Builder
	b.WriteString("groups:\n")
	for _, name := range names {
		writeChain(&b, job, name, chain)
	}
	return b.String()
}

func writeChain(b *strings.Builder, job, name string, chain int) {
	read := fmt.Sprintf("flip{job=%q}", job)
	for i := range chain {
		last := i == chain-1
		fmt.Fprintf(b, "  - name: %s\n    rules:\n", groupName(name, i, last))
		if i == 0 {
			fmt.Fprintf(b, "      - record: %s:%s:rate1m\n", job, name)
			fmt.Fprintf(b, "        expr: sum by (code) (rate(target_requests_total{job=%q, handler=\"/api/v1/1\"}[1m]))\n", job)
		}
		if last {
			fmt.Fprintf(b, "      - alert: Flip\n        expr: %s > 0\n        labels: { group: %s }\n", read, name)
			return
		}
		recorded := fmt.Sprintf("%s:%s:flip%d", job, name, i+1)
		fmt.Fprintf(b, "      - record: %s\n        expr: %s\n", recorded, read)
		read = recorded
	}
}

// groupName is the name itself for the group that alerts.
func groupName(name string, i int, last bool) string {
	if last {
		return name
	}
	return fmt.Sprintf("%s-%d", name, i+1)
}
