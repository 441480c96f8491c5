package siteconfig

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// kindSiteConfig is the kind of all problems.
const kindSiteConfig = "SiteConfig"

// problems are what GET /prom-wrapper/config-subscriber tells; nil when there are none,
// or nothing is known. Why a silence could not be made or ended is not among them: who
// writes the site configuration can do nothing about it. It is told with health.
func (s *Subscriber) problems() []client.ConfigProblem {
	v, now := s.status.view(), time.Now()
	texts := v.problems
	switch {
	case v.invalid != "":
		texts = append([]string{prefixed(sentence(misread(v)) + " What ran before goes on running.")}, texts...)
	case s.status.overdue(v, now):
		texts = append([]string{prefixed(s.complaint(v, now))}, texts...)
	}
	return wireProblems(texts)
}

// wireProblems is nil when there are none.
func wireProblems(texts []string) []client.ConfigProblem {
	var all []client.ConfigProblem
	for _, text := range texts {
		all = append(all, client.ConfigProblem{Description: text, Kind: kindSiteConfig})
	}
	return all
}

// misread says why the text that the source brought cannot be read.
func misread(v view) string { return "the site configuration cannot be read: " + v.invalid }

func prefixed(text string) string { return "`observability`: " + text }

// complaint says what is wrong with the source, and what runs meanwhile.
func (s *Subscriber) complaint(v view, now time.Time) string {
	why := cmp.Or(v.trouble, "nothing has answered yet")
	meanwhile := "No receiver of it is configured until then."
	if v.running {
		meanwhile = "What was accepted last goes on running."
	}
	what := ""
	switch s.status.state(v, now) {
	case stateNeverSynced:
		what = fmt.Sprintf("the site configuration was not read since the start at %s: %s", clock(v.started), why)
	case stateStale:
		what = fmt.Sprintf("the site configuration was read last at %s: %s", clock(v.success), why)
	default:
		what = fmt.Sprintf("the site configuration is not in use: %s", why)
	}
	return sentence(what) + " " + meanwhile
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func sentence(text string) string { return strings.TrimSuffix(text, ".") + "." }

// Detail tells how the site configuration is, for those who ask for readiness.
func (s *Subscriber) Detail() []string {
	v, now := s.status.view(), time.Now()
	return []string{"site configuration: " + s.detail(v, now)}
}

func (s *Subscriber) detail(v view, now time.Time) string {
	state := s.status.state(v, now)
	switch {
	case state == stateIdle && s.isWatched():
		return "not asked for before the server has started"
	case state == stateIdle && v.running:
		return "runs as it was pushed"
	case state == stateIdle:
		return "none was pushed yet"
	case state == stateFresh:
		return fmt.Sprintf("fresh, as of %s; applied with version %d", clock(v.success), v.version)
	default:
		return state + "; " + s.complaint(v, now)
	}
}
