package rules

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

// loader gives the engine groups from memory instead of files.
type loader struct {
	set atomic.Pointer[ruleSet]
}

var _ rules.GroupLoader = (*loader)(nil)

// use says which groups the engine gets when it is updated next.
func (l *loader) use(set *ruleSet) { l.set.Store(set) }

// Load returns the groups of one rule file by its ID.
func (l *loader) Load(id string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	groups, ok := l.set.Load().files[id]
	if !ok {
		return nil, []error{fmt.Errorf("rules: no rule file %q", id)}
	}
	return &rulefmt.RuleGroups{Groups: groups}, nil
}

// Parse returns an expression that has been parsed before.
func (l *loader) Parse(query string) (parser.Expr, error) {
	expr, ok := l.set.Load().exprs[query]
	if !ok {
		return nil, fmt.Errorf("rules: expression %q is in no rule file", query)
	}
	return expr, nil
}
