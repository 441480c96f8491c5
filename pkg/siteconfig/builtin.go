package siteconfig

import (
	_ "embed"

	"github.com/sourcegraph/srcprom/pkg/config"
)

//go:embed testalert.yml
var testAlertRules string

// testAlertDocument has the name of the file in which Sourcegraph's generator writes
// these rules, among those of the frontend: such a file takes their place.
const testAlertDocument = config.RulesPrefix + "frontend_alert_rules.yml"

// Builtin are the rules by which Sourcegraph's test metrics become test alerts.
func (s *Subscriber) Builtin() map[string]string {
	return map[string]string{testAlertDocument: testAlertRules}
}
