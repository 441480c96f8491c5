package siteconfig

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/health"
)

// healthPart is what the site configuration is called among the parts of a server.
const healthPart = "site configuration"

const (
	alertStale    = "SrcpromSiteConfigurationStale"
	alertProblems = "SrcpromSiteConfigurationProblems"
)

// HealthAlerts are all that a subscriber may raise about itself.
func HealthAlerts() []health.Alert {
	return []health.Alert{
		{
			Name: alertStale, Level: "warning",
			When:   "The site configuration of Sourcegraph was not fetched for half a minute, or what was fetched does not run.",
			Remedy: "Look whether the frontend runs and `SRC_FRONTEND_INTERNAL` leads to it, or correct what the summary names; what was accepted last goes on running.",
		},
		{
			Name: alertProblems, Level: "warning",
			When:   "Entries of the site configuration cannot be used; the rest of it runs.",
			Remedy: "Correct the entries that are named, in the site configuration.",
		},
	}
}

// Checks look at the site configuration. They are quick.
func (s *Subscriber) Checks() []health.Check {
	return []health.Check{
		{Part: healthPart, Look: s.checkSource},
		{Part: healthPart, Look: s.checkProblems},
		{Part: healthPart, Look: s.silences.check},
	}
}

func (s *Subscriber) checkSource() []client.HealthProblem {
	v, now := s.status.view(), time.Now()
	if !s.status.overdue(v, now) {
		return nil
	}
	problem := raise(alertStale, s.complaint(v, now))
	problem.Since = v.since()
	return []client.HealthProblem{problem}
}

func (s *Subscriber) checkProblems() []client.HealthProblem {
	v := s.status.view()
	texts := slices.Concat(v.problems, s.silences.problems())
	if v.invalid != "" {
		texts = append([]string{misread(v)}, texts...)
	}
	if len(texts) == 0 {
		return nil
	}
	summary := texts[0]
	if more := len(texts) - 1; more > 0 {
		summary = fmt.Sprintf("%s (and %d more)", strings.TrimSuffix(brief(summary), "."), more)
	}
	return []client.HealthProblem{raise(alertProblems, summary)}
}

// raise makes a problem of one of HealthAlerts.
func raise(alert, summary string) client.HealthProblem {
	problem := client.HealthProblem{Alert: alert, Summary: capital(brief(summary))}
	for _, a := range HealthAlerts() {
		if a.Name == alert {
			problem.Level, problem.Remedy = a.Level, a.Remedy
		}
	}
	return problem
}

// brief makes a text fit for a notification.
func brief(text string) string {
	const most = 600
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) > most {
		return string([]rune(text)[:most]) + " …"
	}
	return strings.TrimSuffix(text, ".") + "."
}

// capital begins a sentence.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
