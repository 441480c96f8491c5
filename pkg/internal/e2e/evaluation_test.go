package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/client"
	"github.com/sourcegraph/srcprom/pkg/srcpromtest"
)

func TestRules_EvaluationByFlagAndByGroup(t *testing.T) {
	for _, tc := range []struct {
		args                []string
		evaluation, trigger string // of the group that does not say
	}{
		{nil, client.EvaluationAfterScrape, client.TriggerScrape},
		{[]string{"--rules.evaluation=clock"}, client.EvaluationClock, client.TriggerClock},
	} {
		t.Run(tc.evaluation, func(t *testing.T) {
			target := srcpromtest.NewTarget(t)
			target.Set("m", 1)
			p := serve(t, launch{args: tc.args, files: map[string]string{
				"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }
rule_files: [ rules.yml ]
scrape_configs: [ { job_name: t, static_configs: [ { targets: [ %q ] } ] } ]
`, target.Addr()),
				"rules.yml": `
groups:
  - { name: silent, rules: [ { record: r, expr: m } ] }
  - { name: clock, evaluation: clock, rules: [ { record: s, expr: m } ] }
  - { name: after-scrape, evaluation: after-scrape, rules: [ { record: t, expr: m } ] }
`,
			}})
			p.awaitEvaluation("silent", tc.evaluation, tc.trigger)
			p.awaitEvaluation("clock", client.EvaluationClock, client.TriggerClock)
			p.awaitEvaluation("after-scrape", client.EvaluationAfterScrape, client.TriggerScrape)
			p.stop()
		})
	}
}

// awaitEvaluation waits until /api/v1/rules tells this of a rule group that has seen
// samples.
func (p *process) awaitEvaluation(group, evaluation, trigger string) {
	p.t.Helper()
	p.await(fmt.Sprintf("group %s to be evaluated by %s (%s)", group, trigger, evaluation), func() bool {
		status, body := p.get("/api/v1/rules?rule_group%5B%5D=" + group)
		require.Equal(p.t, http.StatusOK, status, body)
		var answer struct {
			Data struct{ Groups []client.GroupEvaluation }
		}
		require.NoError(p.t, json.Unmarshal([]byte(body), &answer))
		require.Len(p.t, answer.Data.Groups, 1, body)
		g := answer.Data.Groups[0]
		return g.Evaluation == evaluation && g.Trigger == trigger && g.NewestSampleAge != nil
	})
}
