package main

import (
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/rules"
	"github.com/sourcegraph/srcprom/pkg/scrape"
)

// addScrape adds the flags of scraping, which Prometheus hides.
func (f *flags) addScrape(o *scrape.Options, e *engineSettings) {
	f.group("Scraping", "")
	f.yes("scrape.adjust-timestamps", "Align the timestamps of scrapes to their schedule, within --scrape.timestamp-tolerance.", &e.alignTimestamps).Hidden()
	f.duration("scrape.timestamp-tolerance", "How far timestamps of scrapes may be moved for that.", &e.timestampTolerance).Hidden()
	f.duration("scrape.discovery-reload-interval", "Interval between updates of the targets that are scraped.", &o.DiscoveryReloadInterval).Hidden()
}

// addRules adds the flags of rule evaluation.
func (f *flags) addRules(o *rules.Options) {
	f.group("Rules", "")
	f.oneOf("rules.evaluation", "When rule groups are evaluated: after-scrape is as soon as what they read has been stored, clock is every interval, as Prometheus does. The field evaluation of a group wins.", &o.Evaluation, config.EvaluationAfterScrape, config.EvaluationClock)
	f.duration("rules.alert.for-outage-tolerance", "Longest outage after which the state of pending alerts is restored.", &o.ForOutageTolerance)
	f.duration("rules.alert.for-grace-period", "Shortest time that a restored alert stays pending. Only alerts with a longer `for` are restored.", &o.ForGracePeriod)
	f.duration("rules.alert.resend-delay", "Shortest time between two sendings of an alert that goes on firing.", &o.ResendDelay)
	f.integer64("rules.max-concurrent-evals", "Maximum number of rules evaluated at the same time beside those of other groups (--enable-feature=concurrent-rule-eval).", &o.MaxConcurrentEvals)
}
