package srcprom

import (
	"context"

	"github.com/prometheus/prometheus/notifier"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/strutil"

	"github.com/sourcegraph/srcprom/pkg/alerting"
)

// sendAlerts hands the alerts of rules over to alerting. It is SendAlerts of
// Prometheus's package rules, which leaves the value of the expression out.
func sendAlerts(to *alerting.Manager, externalURL string) promrules.NotifyFunc {
	return func(_ context.Context, expr string, alerts ...*promrules.Alert) {
		all := make([]alerting.RuleAlert, 0, len(alerts))
		for _, a := range alerts {
			all = append(all, ruleAlert(a, externalURL+strutil.TableLinkForExpression(expr)))
		}
		to.SendRuleAlerts(all...)
	}
}

func ruleAlert(a *promrules.Alert, link string) alerting.RuleAlert {
	end := a.ResolvedAt
	if end.IsZero() {
		end = a.ValidUntil
	}
	return alerting.RuleAlert{
		Alert: &notifier.Alert{
			StartsAt:     a.FiredAt,
			EndsAt:       end,
			Labels:       a.Labels,
			Annotations:  a.Annotations,
			GeneratorURL: link,
		},
		Value: a.Value,
	}
}
