package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// When a rule group is evaluated, in the field `evaluation` of the group. The field
// is srcprom's own: the engine's rule file format has none of that name.
const (
	EvaluationAfterScrape = "after-scrape" // as soon as what it reads has been stored
	EvaluationClock       = "clock"        // every interval, as Prometheus does
)

// evaluationUnknown matches how the engine's parser refuses the field.
var evaluationUnknown = regexp.MustCompile(`^line \d+: field evaluation not found in type rulefmt\.RuleGroup$`)

// withoutEvaluation takes out of the errors of the engine's parser what it says of
// the field, and tells whether that was there.
func withoutEvaluation(errs []error) (rest []error, written bool) {
	for _, err := range errs {
		typed, ok := errors.AsType[*yaml.TypeError](err)
		if !ok {
			rest = append(rest, err)
			continue
		}
		var others []string
		for _, text := range typed.Errors {
			if evaluationUnknown.MatchString(text) {
				written = true
				continue
			}
			others = append(others, text)
		}
		if len(others) > 0 {
			rest = append(rest, &yaml.TypeError{Errors: others})
		}
	}
	return rest, written
}

// evaluationOf reads the field alone of the groups of a rule document, by their
// names; of those that have it. It is nil where none has.
func evaluationOf(text string) (map[string]string, error) {
	type ruleGroup struct { // its name is told to users where a key is there twice
		Name       string    `yaml:"name"`
		Evaluation yaml.Node `yaml:"evaluation"`
	}
	var written struct {
		Groups []ruleGroup `yaml:"groups"`
	}
	if err := yaml.Unmarshal([]byte(text), &written); err != nil {
		return nil, err
	}
	var found map[string]string
	var errs []error
	for _, group := range written.Groups {
		value, err := evaluationIn(&group.Evaluation)
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: group %q: %w", group.Evaluation.Line, group.Name, err))
			continue
		}
		if value == "" {
			continue
		}
		if found == nil {
			found = map[string]string{}
		}
		found[group.Name] = value
	}
	return found, errors.Join(errs...)
}

// evaluationIn reads the value of the field. It is empty where there is none, or null.
func evaluationIn(node *yaml.Node) (string, error) {
	if node.IsZero() {
		return "", nil
	}
	var value *string // nil for null
	is := "not a text"
	if err := node.Decode(&value); err == nil {
		if value == nil {
			return "", nil
		}
		if *value == EvaluationAfterScrape || *value == EvaluationClock {
			return *value, nil
		}
		is = strconv.Quote(*value)
	}
	return "", fmt.Errorf("evaluation is %s: it must be %q or %q", is, EvaluationAfterScrape, EvaluationClock)
}
