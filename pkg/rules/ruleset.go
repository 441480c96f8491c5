package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"

	"github.com/sourcegraph/srcprom/pkg/config"
)

// ruleSet is everything that a configuration says about rules, checked and
// ready to be handed to the engine. It is never changed once built.
type ruleSet struct {
	ids            []string                       // of all rule files, in order
	files          map[string][]rulefmt.RuleGroup // as the engine gets them, by ID
	groups         map[string]group               // by rules.GroupKey
	keys           []string                       // of all groups, in order
	exprs          map[string]parser.Expr         // by text; shared by all rules that have it, nobody writes to them
	inputs         map[string][]input             // what expressions read, by their text; shared as well
	interval       time.Duration                  // of groups that have none
	queryOffset    time.Duration                  // of groups that have none
	externalLabels labels.Labels
	none           bool // there has been no configuration yet
}

// group is one rule group as it was written.
type group struct {
	file string
	rulefmt.RuleGroup
	// evaluation is when the group says that it is evaluated, as in
	// config.RuleFile; empty where it does not say. The engine knows nothing of it.
	evaluation string
	// nudged marks a group that the engine gets with a query offset one
	// nanosecond longer than it was written. The engine hands external labels to a
	// rule when it makes it, and keeps a group whose rules read the same: without
	// a difference that it sees, the templates of that group would know the old
	// labels for ever. A difference that nobody else sees is this one.
	nudged bool
}

// build checks a configuration, and reads expressions from the set that it is
// to replace where that has them already.
func build(prev *ruleSet, next *config.Effective, p parser.Parser) (*ruleSet, error) {
	global := next.Prometheus.GlobalConfig
	s := &ruleSet{
		files:          make(map[string][]rulefmt.RuleGroup, len(next.RuleFiles)),
		groups:         make(map[string]group, len(prev.groups)),
		exprs:          make(map[string]parser.Expr, len(prev.exprs)),
		inputs:         make(map[string][]input, len(prev.inputs)),
		interval:       time.Duration(global.EvaluationInterval),
		queryOffset:    time.Duration(global.RuleQueryOffset),
		externalLabels: global.ExternalLabels,
	}
	var faults config.Faults
	for _, file := range next.RuleFiles {
		fault := func(format string, args ...any) {
			faults = append(faults, config.Fault{Document: documentOf(next, file.ID), Reason: fmt.Sprintf(format, args...)})
		}
		if _, ok := s.files[file.ID]; ok {
			fault("there is a second rule file with the ID %q", file.ID)
			continue
		}
		for _, g := range file.Groups {
			if err := s.parse(prev, g, p); err != nil {
				fault("%s", err)
			}
			if err := checkEvaluation(file.Evaluation[g.Name]); err != nil {
				fault("group %q: %s", g.Name, err)
			}
		}
		s.add(prev, file)
	}
	if faults != nil {
		return nil, faults
	}
	return s, nil
}

// parse checks the expressions of a group.
func (s *ruleSet) parse(prev *ruleSet, g rulefmt.RuleGroup, p parser.Parser) error {
	for i, rule := range g.Rules {
		if _, ok := s.exprs[rule.Expr]; ok {
			continue
		}
		expr, ok := prev.exprs[rule.Expr]
		if !ok {
			var err error
			if expr, err = p.ParseExpr(rule.Expr); err != nil {
				return fmt.Errorf("group %q, rule %d, %q: %w", g.Name, i+1, rule.Record+rule.Alert, err)
			}
		}
		s.exprs[rule.Expr] = expr
		if inputs, ok := prev.inputs[rule.Expr]; ok && prev.interval == s.interval {
			s.inputs[rule.Expr] = inputs
		} else {
			s.inputs[rule.Expr] = inputsOf(expr, s.interval)
		}
	}
	return nil
}

// add takes in the groups of one file.
func (s *ruleSet) add(prev *ruleSet, file config.RuleFile) {
	relabelled := !labels.Equal(prev.externalLabels, s.externalLabels)
	s.ids = append(s.ids, file.ID)
	s.files[file.ID] = make([]rulefmt.RuleGroup, len(file.Groups))
	for i, written := range file.Groups {
		key := rules.GroupKey(file.ID, written.Name)
		old, ok := prev.groups[key]
		g := group{file: file.ID, RuleGroup: written, evaluation: file.Evaluation[written.Name], nudged: old.nudged}
		if ok && relabelled && g.readsExternalLabels() {
			g.nudged = !old.nudged
		}
		s.groups[key] = g
		s.keys = append(s.keys, key)
		s.files[file.ID][i] = s.forEngine(g)
	}
}

// intervalOf is the interval of one of its groups.
func (s *ruleSet) intervalOf(g group) time.Duration {
	if g.Interval == 0 {
		return s.interval
	}
	return time.Duration(g.Interval)
}

// offsetOf is the query offset of one of its groups, as it was written.
func (s *ruleSet) offsetOf(g group) time.Duration {
	if g.QueryOffset == nil {
		return s.queryOffset
	}
	return time.Duration(*g.QueryOffset)
}

// forEngine is the group as the engine gets it.
func (s *ruleSet) forEngine(g group) rulefmt.RuleGroup {
	given := g.RuleGroup
	if !g.nudged {
		return given
	}
	offset := model.Duration(s.queryOffset)
	if given.QueryOffset != nil {
		offset = *given.QueryOffset
	}
	offset++
	given.QueryOffset = &offset
	return given
}

// readsExternalLabels tells whether a template of the group may use them: as
// .ExternalLabels, or $externalLabels.
func (g group) readsExternalLabels() bool {
	reads := func(templates map[string]string) bool {
		for _, text := range templates {
			if strings.Contains(text, "xternalLabels") {
				return true
			}
		}
		return false
	}
	if reads(g.Labels) {
		return true
	}
	for _, rule := range g.Rules {
		if reads(rule.Labels) || reads(rule.Annotations) {
			return true
		}
	}
	return false
}

// same tells whether the group was written the same.
func (g group) same(other group) bool {
	return g.evaluation == other.evaluation && g.sameToEngine(other)
}

// sameToEngine tells whether what the engine knows of the group was written the
// same. It is a good deal faster than reflect.DeepEqual, which counts with thousands
// of rules; a test watches that no field is left out.
func (g group) sameToEngine(other group) bool {
	return g.Name == other.Name && g.Interval == other.Interval && g.Limit == other.Limit &&
		sameOffset(g.QueryOffset, other.QueryOffset) &&
		maps.Equal(g.Labels, other.Labels) &&
		slices.EqualFunc(g.Rules, other.Rules, sameRule)
}

func sameOffset(a, b *model.Duration) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func sameRule(a, b rulefmt.Rule) bool {
	return a.Record == b.Record && a.Alert == b.Alert && a.Expr == b.Expr &&
		a.For == b.For && a.KeepFiringFor == b.KeepFiringFor &&
		maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations)
}

// documentOf is the name of the document from which a rule file was read.
func documentOf(e *config.Effective, id string) string {
	for _, doc := range e.Documents.WithPrefix(config.RulesPrefix) {
		if doc.Provenance.Path == id {
			return doc.Name
		}
	}
	return id
}
