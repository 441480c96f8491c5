package srcprom

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/health"
	"github.com/sourcegraph/srcprom/pkg/internal/counters"
)

const (
	// failureHold is how long something that failed counts as broken, counted from when
	// it has been tried again: what is tried again and again is tried more often.
	failureHold = 5 * time.Minute
	// damageHold is how long it is told that something was damaged.
	damageHold = time.Hour
	// stateDamageHold is the same for the state file, which holds what users have made.
	stateDamageHold = 24 * time.Hour
	// failedEvaluations in a row, and missed ones, are no accident any more.
	failedEvaluations = 2
	missedEvaluations = 3
	// notifyDiscovery is the name of the discovery of external Alertmanagers, by which
	// its metrics are known.
	notifyDiscovery = "notify"
)

// Health says how the server is: each part, its problems, and what to do.
func (s *Server) Health() client.Health {
	if s.health == nil {
		return client.Health{State: client.HealthFailing, Parts: []client.PartHealth{}}
	}
	return s.health.Health()
}

// buildHealth comes after all parts that it looks at.
func (s *Server) buildHealth() error {
	var err error
	s.health, err = health.New(s.opts.Health, health.Deps{
		Checks:     slices.Concat(s.checks(), s.opts.Source.Checks),
		Send:       s.alerting.SendHealth,
		Link:       s.externalURL.JoinPath("api/srcprom/v1/health").String(),
		Logger:     s.log,
		Registerer: s.opts.Registry,
	})
	return err
}

// checks look at all parts. None asks anything that may wait for work in
// progress, or for the disk.
func (s *Server) checks() []health.Check {
	c := &checks{Server: s, since: time.Now(), now: time.Now}
	return []health.Check{
		{Part: "configuration", Look: c.configuration},
		{Part: "state", Look: c.stateFile},
		{Part: "storage", Look: c.storage},
		{Part: "scraping", Look: c.scraping},
		{Part: "rules", Look: c.ruleGroups},
		{Part: "alerting", Look: c.builtinAlertmanager},
		{Part: "receivers", Look: c.receivers},
		{Part: "external alertmanagers", Look: c.externalAlertmanagers},
		{Part: "cluster", Look: c.cluster},
	}
}

// checks remember counters from one look to the next; their monitor lets them look
// one after another.
type checks struct {
	*Server
	since time.Time
	now   func() time.Time
	rises counters.Rises
}

// refusal is a configuration that does not run.
type refusal struct {
	at  time.Time
	err error
}

func (c *checks) configuration() []client.HealthProblem {
	var found problems
	if r := c.refusal.Load(); r != nil {
		found.alert(alertConfigurationRefused, "", fmt.Sprintf("A configuration was refused, what ran before goes on running: %s", r.err)).Since = r.at
	}
	effective := c.running.Load().effective
	if effective == nil {
		return found
	}
	var documents []string
	aside := map[string][]config.SetAside{}
	for _, entry := range effective.SetAside {
		if aside[entry.Document] == nil {
			documents = append(documents, entry.Document)
		}
		aside[entry.Document] = append(aside[entry.Document], entry)
	}
	for _, document := range documents {
		entries := (&SetAsideError{Entries: aside[document]}).Error()
		found.alert(alertConfigurationSetAside, document, fmt.Sprintf("Not all of %s runs as it is written: %s", document, entries))
	}
	for _, unmatched := range effective.Unmatched {
		found.note(unmatched.Pattern, unmatched.String(), unmatchedRemedy)
	}
	return found
}

// unmatchedRemedy is for globs that match nothing. Nobody is woken up for them: a
// directory that is empty by intention cannot be told from one that should not be.
const unmatchedRemedy = "Put the files there and reload, or remove the entry. Files that another image brought along are not in this one: copy them out of it."

func (c *checks) stateFile() []client.HealthProblem {
	var found problems
	if since, err := c.state.Unwritable(); err != nil {
		found.alert(alertStateNotWritable, "", err.Error()).Since = since
	}
	if time.Since(c.since) > stateDamageHold {
		return found
	}
	lost, aside := c.state.Damaged(), c.state.SetAside()
	if aside != "" {
		found.alert(alertStateDamaged, "", fmt.Sprintf("The state file was damaged; it was moved to %q, and %d of its records are known to be lost", aside, lost))
	} else if lost > 0 {
		found.alert(alertStateDamaged, "", fmt.Sprintf("%d records of the state file were damaged and left out", lost))
	}
	return found
}

func (c *checks) storage() []client.HealthProblem {
	var found problems
	if !isClosed(c.store.Opened()) {
		found.note("", "The storage is being opened", "Wait; /api/v1/status/walreplay tells how far it is.")
	}
	for _, f := range c.store.Failures() {
		if since := c.rose("storage failing "+f.What, f.Count, f.Again+failureHold); !since.IsZero() {
			found.alert(alertStorageFailing, f.What, fmt.Sprintf("The metrics storage fails at %s: %.0f time(s) since the start", f.What, f.Count)).Since = since
		}
	}
	for _, d := range c.store.Damage() {
		if since := c.rose("storage damaged "+d.What, d.Count, damageHold); !since.IsZero() {
			found.alert(alertStorageDamaged, d.What, fmt.Sprintf("%s was damaged, and what cannot be read was left out", d.What)).Since = since
		}
	}
	return found
}

func (c *checks) scraping() []client.HealthProblem {
	var found problems
	if n := c.scrape.FailedDiscoveries(); n > 0 {
		found.alert(alertDiscoveryFailing, "", fmt.Sprintf("%d service discoveries of the configuration could not be made; the log names them", n))
	}
	c.discoveries(&found, "", "It fails to scrape all there is")
	return found
}

// discoveries finds what fails at discovering the sets of targets of one discovery.
func (c *checks) discoveries(found *problems, discovery, trouble string) {
	for _, f := range c.scrape.Failures() {
		if f.Discovery != discovery {
			continue
		}
		counter := "scraping " + f.What + " " + f.Discovery + " " + f.Job
		since := c.rose(counter, f.Count, f.Again+failureHold)
		if since.IsZero() {
			continue
		}
		subject := strings.TrimSuffix(f.What+": "+f.Job, ": ")
		summary := fmt.Sprintf("%s, at %s: %.0f time(s) since the start", trouble, subject, f.Count)
		if f.Passing && c.rises.Last(counter).Sub(since) < c.opts.Health.Pending {
			found.note(subject, summary, "Wait whether it happens again.")
			continue
		}
		found.alert(alertDiscoveryFailing, subject, summary).Since = since
	}
}

func (c *checks) ruleGroups() []client.HealthProblem {
	var found problems
	for _, f := range c.rules.Failures() {
		subject := f.File + ";" + f.Group
		summary := fmt.Sprintf("%d rule(s) of group %q in %q cannot be evaluated, the first is %q: %s", len(f.Rules), f.Group, f.File, f.Rules[0], f.Err)
		if f.Count < failedEvaluations {
			found.note(subject, summary, "Wait for the next evaluation.")
			continue
		}
		found.alert(alertRulesFailing, subject, summary).Since = f.Since
	}
	for _, m := range c.rules.Missed() {
		subject := m.File + ";" + m.Group
		summary := fmt.Sprintf("Group %q in %q takes longer than its interval of %s: %d evaluation(s) were left out", m.Group, m.File, m.Interval, m.Count)
		if m.Count < missedEvaluations {
			found.note(subject, summary, "Wait whether it happens again.")
			continue
		}
		found.alert(alertRuleGroupLate, subject, summary).Since = m.Since
	}
	for _, g := range c.rules.Slow() {
		summary := fmt.Sprintf("Group %q in %q is evaluated by the clock, not right after scrapes: an evaluation took %s of its interval of %s", g.Group, g.File, g.Took.Round(time.Millisecond), g.Interval)
		found.note(g.File+";"+g.Group, summary, "Split the group, record what its expressions compute again and again, or lengthen its interval; evaluation: clock in the group says that it is meant so.")
	}
	return found
}

func (c *checks) builtinAlertmanager() []client.HealthProblem {
	var found problems
	if reason := c.alerting.NotReady(); reason != "" {
		found.note("", "Alerts are not handled now: "+reason, "Wait, unless the server is stopping.")
	}
	return found
}

func (c *checks) receivers() []client.HealthProblem {
	var found problems
	for _, f := range c.alerting.FailingIntegrations() {
		summary := fmt.Sprintf("Receiver %q does not take notifications through %s, %d attempt(s) have failed: %s", f.Receiver, f.Integration, f.Failures, f.LastError)
		found.alert(alertReceiverFailing, f.Receiver+"/"+f.Integration, summary).Since = f.Since
	}
	for _, l := range c.alerting.LostIntegrations() {
		integration := fmt.Sprintf("%s[%d]", l.Type, l.Index)
		found.alert(alertIntegrationLost, l.Receiver+"/"+integration, fmt.Sprintf("Receiver %q lacks %s, which cannot be built: %s", l.Receiver, integration, l.Reason))
	}
	return found
}

func (c *checks) externalAlertmanagers() []client.HealthProblem {
	var found problems
	c.discoveries(&found, notifyDiscovery, "It fails to find all external Alertmanagers")
	for target, n := range c.alerting.DroppedAlerts() {
		if since := c.rose("dropped "+target, n, failureHold); !since.IsZero() {
			found.alert(alertAlertsDropped, target, fmt.Sprintf("%.0f alerts for the Alertmanager at %s were dropped since the start", n, target)).Since = since
		}
	}
	return found
}

func (c *checks) cluster() []client.HealthProblem {
	var found problems
	if n := c.alerting.FailedPeers(); n > 0 {
		found.alert(alertClusterPeersFailing, "", fmt.Sprintf("%d peer(s) of the cluster do not answer", n))
	}
	return found
}

func (c *checks) rose(counter string, value float64, hold time.Duration) time.Time {
	return c.rises.Since(counter, value, c.now(), hold)
}
