package siteconfig

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
)

// match finds the entries that match no alert of any rule: they hide nothing, or what
// they were to hide has another name now.
func (s *silences) match(running *config.Effective) {
	var strangers []string
	entries, _ := wantedBy(running)
	names := slices.Concat(s.others, alertNames(running))
	for _, entry := range entries {
		if !slices.ContainsFunc(names, regexp.MustCompile(silenceRegexp(entry)).MatchString) {
			strangers = append(strangers, entry)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strangers = strangers
	s.tell(len(strangers))
}

// alertsWithoutRules are the names of alerts that may fire without a rule.
func (o Options) alertsWithoutRules() []string {
	names := slices.Clone(o.OtherAlerts)
	for _, alert := range HealthAlerts() {
		names = append(names, alert.Name)
	}
	return names
}

// alertNames are those of the alerts of all rules.
func alertNames(running *config.Effective) []string {
	if running == nil {
		return nil
	}
	var names []string
	for _, file := range running.RuleFiles {
		for _, group := range file.Groups {
			for _, rule := range group.Rules {
				if rule.Alert != "" {
					names = append(names, rule.Alert)
				}
			}
		}
	}
	return names
}

// unmatched are the entries that match no alert.
func (s *silences) unmatched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.strangers
}

// check shows the entries that match no alert. Nothing is lost by them, so no alert is
// raised.
func (s *silences) check() []client.HealthProblem {
	var problems []client.HealthProblem
	for _, entry := range s.unmatched() {
		problems = append(problems, client.HealthProblem{
			Subject: entry,
			Level:   "warning",
			Summary: fmt.Sprintf("The entry %q of `%s` matches no alert of any rule that is loaded.", entry, silencesKey),
			Remedy:  "Correct the name, or remove the entry; or load the rules that have such an alert.",
		})
	}
	return problems
}
