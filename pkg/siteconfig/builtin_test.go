package siteconfig

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

func TestBuiltin_TestAlertsAreLikeTheGenerators(t *testing.T) {
	texts := newHarness(t, newFakeServer(), nil).Builtin()
	require.Len(t, texts, 1)
	groups, errs := rulefmt.Parse([]byte(texts["rules/frontend_alert_rules.yml"]), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	require.Empty(t, errs)
	require.Len(t, groups.Groups, 1)
	group := groups.Groups[0]
	require.Equal(t, "frontend", group.Name)
	require.Equal(t, model.Duration(30*time.Second), group.Interval)
	require.Len(t, group.Rules, 4)
	for i, level := range []string{"warning", "critical"} {
		name := level + "_frontend_observability_test_alert_" + level
		labels := map[string]string{
			"alert_type": "builtin", "description": "frontend: 1+ " + level + " test alert metric", "level": level,
			"name": "observability_test_alert_" + level, "owner": "infra-support", "service_name": "frontend",
		}
		alert, count := group.Rules[2*i], group.Rules[2*i+1]
		require.Equal(t, name, alert.Alert)
		require.Equal(t, "max((max by (owner) (observability_test_metric_"+level+")) >= 1)", alert.Expr)
		require.Zero(t, alert.For)
		require.Equal(t, labels, alert.Labels)
		require.Equal(t, "alert_count", count.Record)
		require.Equal(t, `max(ALERTS{alertname="`+name+`",alertstate="firing"} or on () vector(0))`, count.Expr)
		require.Equal(t, labels, count.Labels)
	}
}
