package srcprom

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/notifier"
	promrules "github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/strutil"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/rules"
)

// sendAlerts hands the alerts of rules over to alerting. It is SendAlerts of
// Prometheus's package rules, which leaves out the value of the expression, and which
// samples it is made of.
func sendAlerts(to *alerting.Manager, externalURL string) promrules.NotifyFunc {
	return func(ctx context.Context, expr string, alerts ...*promrules.Alert) {
		all := make([]alerting.RuleAlert, 0, len(alerts))
		link, sampled := externalURL+strutil.TableLinkForExpression(expr), rules.NewestSample(ctx)
		for _, a := range alerts {
			all = append(all, ruleAlert(a, link, sampled))
		}
		to.SendRuleAlerts(all...)
	}
}

func ruleAlert(a *promrules.Alert, link string, sampled time.Time) alerting.RuleAlert {
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
		Value:   a.Value,
		Sampled: sampled,
	}
}
