package srcprom

import (
	"strings"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/health"
)

// HealthAlert is an alert that a server raises about itself, without rules.
type HealthAlert = health.Alert

// The alerts of the server's own checks.
const (
	alertConfigurationRefused  = "SrcpromConfigurationRefused"
	alertConfigurationSetAside = "SrcpromConfigurationSetAside"
	alertStateNotWritable      = "SrcpromStateNotWritable"
	alertStateDamaged          = "SrcpromStateDamaged"
	alertStorageFailing        = "SrcpromStorageFailing"
	alertStorageDamaged        = "SrcpromStorageDamaged"
	alertDiscoveryFailing      = "SrcpromDiscoveryFailing"
	alertRulesFailing          = "SrcpromRulesFailing"
	alertRuleGroupLate         = "SrcpromRuleGroupLate"
	alertReceiverFailing       = "SrcpromReceiverFailing"
	alertIntegrationLost       = "SrcpromIntegrationLost"
	alertAlertsDropped         = "SrcpromAlertsDropped"
	alertClusterPeersFailing   = "SrcpromClusterPeersFailing"
)

// HealthAlerts are all that a server may raise about itself, but for those of
// Options.Source.
func HealthAlerts() []HealthAlert {
	const critical, warning = client.HealthCritical, client.HealthWarning
	return []HealthAlert{
		{
			Name: alertConfigurationRefused, Level: warning,
			When:   "The configuration that was applied or reloaded last was refused; what ran before goes on running.",
			Remedy: "Correct what the error names, and apply it again.",
		},
		{
			Name: alertConfigurationSetAside, Level: warning,
			When:   "Entries of the configuration do not run as they are written; their last accepted version runs where there was one.",
			Remedy: "Correct the entries that are named, and reload.",
		},
		{
			Name: alertStateNotWritable, Level: critical,
			When:   "The state file cannot be written: silences are refused, and a crash would repeat notifications.",
			Remedy: "Free some space on its disk, or make it writable; it is tried again each second.",
		},
		{
			Name: alertStateDamaged, Level: warning,
			When:   "The state file was damaged, and records of it are lost. It fires for a day after the start.",
			Remedy: "Look whether silences are missing; replace the disk if it is at fault. A backup can be restored.",
		},
		{
			Name: alertStorageFailing, Level: critical,
			When:   "The metrics storage could not write, compact or read, within the last five minutes, or longer where it tries again only later.",
			Remedy: "Look for the reason in the log; a full disk is the usual one. Until then samples are lost.",
		},
		{
			Name: alertStorageDamaged, Level: warning,
			When:   "The metrics storage found damage, and left out what was damaged, within the last hour.",
			Remedy: "Look at the disk; samples of the last hours may be missing.",
		},
		{
			Name: alertDiscoveryFailing, Level: warning,
			When:   "Service discovery failed, or targets could not be made of what it found, within the last five minutes, or longer where it tries again only later.",
			Remedy: "Look for the reason in the log; until then new targets are not scraped, or new Alertmanagers not told.",
		},
		{
			Name: alertRulesFailing, Level: critical,
			When:   "Rules of a group could not be evaluated twice in a row or more.",
			Remedy: "Correct the rules, or lift the limit that their queries exceed; their alerts do not fire until then.",
		},
		{
			Name: alertRuleGroupLate, Level: warning,
			When:   "A group takes longer than its interval: three evaluations or more were left out.",
			Remedy: "Split the group, make its queries cheaper, or its interval longer.",
		},
		{
			Name: alertReceiverFailing, Level: critical,
			When:   "Notifications through an integration of a receiver were given up, or have failed for a minute, and none has been delivered since.",
			Remedy: "Correct the receiver, or repair what it leads to; GET /api/srcprom/v1/history tells what was not delivered.",
		},
		{
			Name: alertIntegrationLost, Level: critical,
			When:   "An integration that routes lead to cannot be built, and had no accepted version: what only it would send is not sent.",
			Remedy: "Correct the integration, and reload.",
		},
		{
			Name: alertAlertsDropped, Level: warning,
			When:   "Alerts for an external Alertmanager were dropped within the last five minutes.",
			Remedy: "Look whether it can be reached; the built-in one has those alerts.",
		},
		{
			Name: alertClusterPeersFailing, Level: warning,
			When:   "Peers of the cluster do not answer.",
			Remedy: "Look whether they run and can be reached; until then notifications may be sent twice.",
		},
		{
			Name: health.AlertCheckBroken, Level: warning,
			When:   "A check of the server's own health broke down.",
			Remedy: "Report it, with the log; nobody knows how that part is.",
		},
		{
			Name: health.AlertDeadMansSwitch, Level: "none",
			When:   "Always, where a receiver is named for it.",
			Remedy: "Nothing, as long as it is heard of. Once it is not, alerts are not delivered.",
		},
	}
}

// problems collects what checks find.
type problems []client.HealthProblem

// alert adds a problem for which an alert is raised.
func (p *problems) alert(name, subject, summary string) *client.HealthProblem {
	for _, a := range HealthAlerts() {
		if a.Name == name {
			*p = append(*p, client.HealthProblem{Alert: name, Subject: subject, Level: a.Level, Summary: brief(summary), Remedy: a.Remedy})
		}
	}
	return &(*p)[len(*p)-1]
}

// note adds a problem that needs no alert, or not yet.
func (p *problems) note(subject, summary, remedy string) {
	*p = append(*p, client.HealthProblem{Subject: subject, Level: client.HealthWarning, Summary: brief(summary), Remedy: remedy})
}

// brief makes errors of many lines fit for a notification.
func brief(text string) string {
	const most = 600
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + " …"
	}
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "…") {
		text += "."
	}
	return text
}
