package srcprom

import (
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/rules"
)

// standing tells alerting what the rules say of an alert that they made before the
// start, on data that was scraped after it.
func (s *Server) standing(alert labels.Labels) alerting.Standing {
	switch s.rules.Standing(alert, s.scrape.FreshSince) {
	case rules.StandingActive:
		return alerting.StandingActive
	case rules.StandingInactive:
		return alerting.StandingInactive
	case rules.StandingGone:
		return alerting.StandingGone
	default:
		return alerting.StandingUnknown
	}
}
