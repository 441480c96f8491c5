package rules

import (
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	jobLabel      = "job"
	instanceLabel = "instance"
)

// input is what one selector of an expression reads.
type input struct {
	matchers []*labels.Matcher
	jobs     []string // nil where it reads those of any job
	instance string   // empty where it reads those of any instance
	// samples is how many a target must have delivered: two where the expression
	// looks at a range, since most functions of ranges return nothing for one.
	samples int
	// delay is how much later than a sample the expression may look at it: two
	// steps inside a subquery.
	delay time.Duration
}

// inputsOf finds what an expression reads. Subqueries without a step have the
// given one.
func inputsOf(expr parser.Expr, step time.Duration) []input {
	var all []input
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		in := input{matchers: selector.LabelMatchers, samples: 1}
		for _, m := range selector.LabelMatchers {
			switch m.Name {
			case jobLabel:
				in.jobs = valuesOf(m)
			case instanceLabel:
				if values := valuesOf(m); len(values) == 1 {
					in.instance = values[0]
				}
			}
		}
		for _, above := range path {
			switch above := above.(type) {
			case *parser.MatrixSelector:
				in.samples = 2
			case *parser.SubqueryExpr:
				in.delay += 2 * stepOf(above, step)
			}
		}
		all = append(all, in)
		return nil
	})
	return all
}

func stepOf(subquery *parser.SubqueryExpr, otherwise time.Duration) time.Duration {
	if subquery.Step > 0 {
		return subquery.Step
	}
	return otherwise
}

// valuesOf are those that a matcher demands one of; nil where others do too.
func valuesOf(m *labels.Matcher) []string {
	var values []string
	switch m.Type {
	case labels.MatchEqual:
		values = []string{m.Value}
	case labels.MatchRegexp:
		values = m.SetMatches()
	}
	if slices.Contains(values, "") {
		return nil // series without the label
	}
	return values
}

// matcher is the one that a selector has for a label; nil where it has none.
func (in input) matcher(label string) *labels.Matcher {
	for _, m := range in.matchers {
		if m.Name == label {
			return m
		}
	}
	return nil
}

// keeps tells whether each element of a result that has some value of a label
// comes only from series that have it too. Where in doubt it says no.
func keeps(expr parser.Expr, label string) bool {
	switch e := expr.(type) {
	case *parser.VectorSelector, *parser.MatrixSelector, *parser.NumberLiteral, *parser.StringLiteral:
		return true
	case *parser.ParenExpr:
		return keeps(e.Expr, label)
	case *parser.StepInvariantExpr:
		return keeps(e.Expr, label)
	case *parser.UnaryExpr:
		return keeps(e.Expr, label)
	case *parser.SubqueryExpr:
		return keeps(e.Expr, label)
	case *parser.AggregateExpr:
		return e.Without != slices.Contains(e.Grouping, label) && (e.Param == nil || isConstant(e.Param, label)) && keeps(e.Expr, label)
	case *parser.Call:
		return keepsThroughCall(e, label)
	case *parser.BinaryExpr:
		return keepsThroughMatching(e.VectorMatching, label) && keeps(e.LHS, label) && keeps(e.RHS, label)
	default:
		return false
	}
}

// isConstant excludes the label that count_values makes up.
func isConstant(expr parser.Expr, label string) bool {
	switch e := expr.(type) {
	case *parser.NumberLiteral:
		return true
	case *parser.StringLiteral:
		return e.Val != label
	default:
		return false
	}
}

func keepsThroughCall(call *parser.Call, label string) bool {
	switch call.Func.Name {
	case "label_replace", "label_join", "absent", "absent_over_time", "scalar", "info":
		return false
	}
	for _, arg := range call.Args {
		if !keeps(arg, label) {
			return false
		}
	}
	return true
}

// keepsThroughMatching takes nil for an operand that has no labels.
func keepsThroughMatching(m *parser.VectorMatching, label string) bool {
	if m == nil {
		return true
	}
	return m.On == slices.Contains(m.MatchingLabels, label) && !slices.Contains(m.Include, label)
}
