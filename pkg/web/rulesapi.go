package web

import (
	apiv1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// installRulesCodec makes /api/v1/rules tell more of each group than upstream does.
// Everything else is upstream's: the codec is where it lets others at an answer
// before it is text.
func (s *Server) installRulesCodec(api *apiv1.API) {
	if s.deps.GroupEvaluation == nil {
		return
	}
	api.ClearCodecs() // upstream takes the first that can encode an answer
	api.InstallCodec(rulesCodec{evaluation: s.deps.GroupEvaluation})
}

// rulesCodec is upstream's, with what is told of rule groups beside.
type rulesCodec struct {
	apiv1.JSONCodec
	evaluation func(file, group string) (client.GroupEvaluation, bool)
}

// Encode implements apiv1.Codec.
func (c rulesCodec) Encode(resp *apiv1.Response) ([]byte, error) {
	rules, ok := resp.Data.(*apiv1.RuleDiscovery)
	if !ok {
		return c.JSONCodec.Encode(resp)
	}
	told := *resp
	told.Data = c.withEvaluations(rules)
	return c.JSONCodec.Encode(&told)
}

// evaluatedRules is upstream's answer with other groups. The fields stand in its order.
type evaluatedRules struct {
	Groups []evaluatedGroup `json:"groups"`
	*apiv1.RuleDiscovery
}

// evaluatedGroup is a group of upstream's answer.
type evaluatedGroup struct {
	*apiv1.RuleGroup
	*client.GroupEvaluation // nil adds nothing
}

func (c rulesCodec) withEvaluations(rules *apiv1.RuleDiscovery) evaluatedRules {
	told := evaluatedRules{Groups: make([]evaluatedGroup, len(rules.RuleGroups)), RuleDiscovery: rules}
	for i, g := range rules.RuleGroups {
		told.Groups[i].RuleGroup = g
		if evaluation, ok := c.evaluation(g.File, g.Name); ok {
			told.Groups[i].GroupEvaluation = &evaluation
		}
	}
	return told
}
