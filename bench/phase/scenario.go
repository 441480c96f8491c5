package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// scenario is one configuration that all contenders run.
type scenario struct {
	name     string
	interval time.Duration // of scrapes and of evaluations
	between  time.Duration // trials, on average
	jobs     int
	targets  int // of each job
	groups   int // names, each of which reads each job
	chain    int // how many groups stand behind a name: all but the last record, the last alerts
}

// allScenarios vary what the phase and its removal depend on. The phase is a hash of
// the group's name and file and a hash of the target's address, so that one of each
// would measure luck.
func allScenarios() []scenario {
	var all []scenario
	for _, interval := range []time.Duration{time.Second, 15 * time.Second} {
		all = append(all,
			scenario{name: "one", interval: interval, between: interval, jobs: 3, targets: 1, groups: 8, chain: 1},
			scenario{name: "fifty", interval: interval, between: interval, jobs: 1, targets: 50, groups: 8, chain: 1},
			scenario{name: "chain", interval: interval, between: interval, jobs: 3, targets: 1, groups: 8, chain: 3},
			// Each trial is 500 notifications of each contender, which take a while.
			scenario{name: "many", interval: interval, between: max(interval, 10*time.Second), jobs: 1, targets: 1, groups: 500, chain: 1},
		)
	}
	return all
}

// key is what the flag -scenarios calls it.
func (s scenario) key() string { return s.name + "@" + s.interval.String() }

// title is what the table calls it.
func (s scenario) title() string {
	return s.interval.String() + ", " + map[string]string{
		"one":   "one target",
		"fifty": "50 targets",
		"chain": "chains of three",
		"many":  "500 groups",
	}[s.name]
}

// chosen are the scenarios that a comma-separated list names, by key or by the part
// before the @ alone; all where it is empty.
func chosen(list string) ([]scenario, error) {
	if list == "" {
		return allScenarios(), nil
	}
	var scenarios []scenario
	for name := range strings.SplitSeq(list, ",") {
		matching := slices.DeleteFunc(allScenarios(), func(s scenario) bool { return name != s.key() && name != s.name })
		if len(matching) == 0 {
			return nil, fmt.Errorf("no scenario %q", name)
		}
		scenarios = append(scenarios, matching...)
	}
	return scenarios, nil
}
