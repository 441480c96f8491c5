package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// AlertCheckBroken is raised for a check that panics: nobody knows how its part is.
const AlertCheckBroken = "SrcpromHealthCheckBroken"

// partMemory is what is remembered of a part from one look to the next.
type partMemory struct {
	state string
	since time.Time
	seen  map[identity]time.Time // since when, by problem
}

// identity tells problems apart.
type identity struct{ alert, subject, level, summary string }

// identify leaves the summary out where there is something that changes less.
func identify(p client.HealthProblem) identity {
	id := identity{alert: p.Alert, subject: p.Subject, level: p.Level}
	if p.Alert == "" && p.Subject == "" {
		id.summary = p.Summary
	}
	return id
}

// look asks all checks. The caller holds mu.
func (m *Monitor) lookLocked(now time.Time) client.Health {
	found := map[string][]client.HealthProblem{}
	var names []string
	for _, check := range m.deps.Checks {
		if _, ok := found[check.Part]; !ok {
			names = append(names, check.Part)
		}
		found[check.Part] = append(found[check.Part], m.ask(check)...)
	}
	health := client.Health{State: client.HealthOK, Parts: make([]client.PartHealth, 0, len(names))}
	for _, name := range names {
		part := m.rememberLocked(name, found[name], now)
		m.metrics.set(part)
		health.Parts = append(health.Parts, part)
		if rank(part.State) > rank(health.State) {
			health.State = part.State
		}
	}
	return health
}

// ask survives a check that panics.
func (m *Monitor) ask(check Check) (problems []client.HealthProblem) {
	defer func() {
		if p := recover(); p != nil {
			m.log.Error("A health check panicked", "part", check.Part, "panic", p)
			problems = []client.HealthProblem{{
				Alert: AlertCheckBroken, Subject: check.Part, Level: client.HealthWarning,
				Summary: fmt.Sprintf("The health check of %s panicked: %v.", check.Part, p),
				Remedy:  "This is a bug in srcprom, please report it; nobody knows how that part is until it is fixed.",
			}}
		}
	}()
	return check.Look()
}

// rememberLocked makes a part of its problems, each once, and tells since when
// they exist.
func (m *Monitor) rememberLocked(name string, problems []client.HealthProblem, now time.Time) client.PartHealth {
	memory := m.parts[name]
	if memory == nil {
		memory = &partMemory{}
		m.parts[name] = memory
	}
	part := client.PartHealth{Name: name, State: client.HealthOK, Problems: make([]client.HealthProblem, 0, len(problems))}
	seen := make(map[identity]time.Time, len(problems))
	for _, p := range problems {
		p = cleaned(p)
		id := identify(p)
		if _, twice := seen[id]; twice {
			continue
		}
		if p.Since.IsZero() {
			p.Since = now
			if since, ok := memory.seen[id]; ok {
				p.Since = since
			}
		}
		seen[id] = p.Since
		part.Problems = append(part.Problems, p)
		if state := stateBy(p.Level); rank(state) > rank(part.State) {
			part.State = state
		}
	}
	slices.SortStableFunc(part.Problems, func(a, b client.HealthProblem) int {
		return cmp.Compare(rank(stateBy(b.Level)), rank(stateBy(a.Level)))
	})
	memory.seen = seen
	if memory.state != part.State {
		memory.state, memory.since = part.State, now
	}
	part.Since = memory.since
	return part
}

// cleaned makes texts fit for labels, and levels one of the two: one that is not
// known is taken seriously.
func cleaned(p client.HealthProblem) client.HealthProblem {
	for _, text := range []*string{&p.Alert, &p.Subject, &p.Summary, &p.Remedy} {
		*text = strings.ToValidUTF8(*text, "\ufffd")
	}
	if p.Level != client.HealthWarning {
		p.Level = client.HealthCritical
	}
	return p
}

func stateBy(level string) string {
	if level == client.HealthWarning {
		return client.HealthDegraded
	}
	return client.HealthFailing
}

func rank(state string) int {
	return slices.Index([]string{client.HealthOK, client.HealthDegraded, client.HealthFailing}, state)
}
