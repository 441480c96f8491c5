package config

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// rulesLoad loads a text as the only rule document.
func rulesLoad(t testing.TB, text string, opts LoadOptions) *Effective {
	t.Helper()
	e, err := Load(docs(RulesPrefix+"a", text), opts)
	require.NoError(t, err)
	require.Len(t, e.RuleFiles, 1)
	return e
}

func TestLoad_EvaluationOfGroups(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want map[string]string
	}{
		"no group says":                        {"groups: [{name: a, rules: []}]", nil},
		"group that says nothing but its name": {"groups: [{name: a}]", nil},
		"some groups say": {
			"groups: [{name: a, evaluation: clock, rules: []}, {name: b, rules: []}, {name: c, rules: [], evaluation: after-scrape}]",
			map[string]string{"a": "clock", "c": "after-scrape"},
		},
		"block style and comments": {
			"# evaluation: x\ngroups:\n  - name: a # evaluation: y\n    evaluation: clock # not evaluation: after-scrape\n    rules: []\n",
			map[string]string{"a": "clock"},
		},
		"ahead of the name": {"groups: [{evaluation: clock, name: a}]", map[string]string{"a": "clock"}},
		"quoted": {
			`groups: [{name: a, "evaluation": 'clock'}, {name: b, "evalu\x61tion": "cl\x6fck"}, {name: c, evaluation: !!str clock}]`,
			map[string]string{"a": "clock", "b": "clock", "c": "clock"},
		},
		"folded":          {"groups:\n- name: a\n  evaluation: >-\n    clock\n", map[string]string{"a": "clock"}},
		"JSON":            {`{"groups": [{"name": "a", "evaluation": "clock", "rules": []}]}`, map[string]string{"a": "clock"}},
		"null":            {"groups: [{name: a, evaluation: }, {name: b, evaluation: ~}]", nil},
		"second document": {"groups: [{name: a, evaluation: clock}]\n---\ngroups: [{name: b, evaluation: clock}]", map[string]string{"a": "clock"}},
		"alias": {
			"groups: [{name: &n a, evaluation: &e clock}, {name: b, evaluation: *e}, {name: clock, labels: {x: *n}, evaluation: *e}]",
			map[string]string{"a": "clock", "b": "clock", "clock": "clock"},
		},
		"whole group by an alias key": {
			"groups: [{name: a, labels: {x: &k evaluation}}, {name: b, *k : clock}]",
			map[string]string{"b": "clock"},
		},
		"merged": {
			"groups:\n- &base {name: a, evaluation: clock, rules: []}\n- {<<: *base, name: b}\n- {<<: *base, name: c, evaluation: after-scrape}\n- {name: d, evaluation: ~, <<: *base}\n",
			map[string]string{"a": "clock", "b": "clock", "c": "after-scrape"},
		},
		"merged from several": {
			"groups:\n- &one {name: a, limit: 1}\n- &two {name: b, evaluation: clock}\n- {<<: [*one, *two], name: c}\n",
			map[string]string{"b": "clock", "c": "clock"},
		},
		"elsewhere it is any word": {
			`
groups:
  - name: evaluation
    labels: {evaluation: sometimes}
    rules:
      - {alert: evaluation, expr: "evaluation{evaluation='clock'} > 0", labels: {evaluation: never}, annotations: {evaluation: "evaluation: clock"}}
      - {record: evaluation, expr: up}
`, nil,
		},
		"names that need quotes": {`groups: [{name: "a: [\n", evaluation: clock}]`, map[string]string{"a: [\n": "clock"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := rulesLoad(t, c.text, LoadOptions{})
			require.Empty(t, e.SetAside)
			require.Equal(t, c.want, e.RuleFiles[0].Evaluation)

			// A bad group beside them makes that each is read alone.
			root, err := parseNodes(c.text)
			require.NoError(t, err)
			list := values(root, ruleGroups)[0]
			list.Content = append(list.Content, mapping("name", plain("bad"), "rulez", plain("x")))
			text, err := encodeNode(root)
			require.NoError(t, err)
			split := rulesLoad(t, text, LoadOptions{})
			require.Equal(t, []string{"groups/bad"}, names(split.SetAside))
			require.Equal(t, e.RuleFiles[0], split.RuleFiles[0])
		})
	}
}

const saidText = `groups:
  - name: good
    evaluation: clock
    rules: [{record: a, expr: b}]
  - name: typo
    interval: 1m
    # below is what is wrong
    evaluation: sometimes
    rules: []
  - {name: list, rules: [], evaluation: [clock]}
  - {name: alias, labels: {x: &x now}, evaluation: *x}
  - name: empty
    evaluation: ""
  - name: case
    evaluation: Clock
  - name: number
    evaluation: 5
  - name: twice
    evaluation: clock
    evaluation: clock
  - name: unknown
    evaluation: clock
    evaluations: clock
  - name: rule
    rules:
      - record: a
        expr: b
        evaluation: clock
  - name: expr
    evaluation: clock
    rules:
      - {record: a, expr: b}
      - record: c
        expr: 'sum('
  - name: both
    evaluation: now
    rules: [{record: c, expr: 'sum('}]
  - name: last
    evaluation: after-scrape
`

func TestLoad_BadEvaluationSetsTheGroupAside(t *testing.T) {
	e := rulesLoad(t, saidText, LoadOptions{})
	const must = `: it must be "after-scrape" or "clock"`
	require.Equal(t, []SetAside{
		{RulesPrefix + "a", "groups/typo", 8, `group "typo": evaluation is "sometimes"` + must},
		{RulesPrefix + "a", "groups/list", 10, `group "list": evaluation is not a text` + must},
		{RulesPrefix + "a", "groups/alias", 11, `group "alias": evaluation is "now"` + must},
		{RulesPrefix + "a", "groups/empty", 13, `group "empty": evaluation is ""` + must},
		{RulesPrefix + "a", "groups/case", 15, `group "case": evaluation is "Clock"` + must},
		{RulesPrefix + "a", "groups/number", 17, `group "number": evaluation is "5"` + must},
		{RulesPrefix + "a", "groups/twice", 20, `mapping key "evaluation" already defined at line 19`},
		{RulesPrefix + "a", "groups/unknown", 23, "field evaluations not found in type rulefmt.RuleGroup"},
		{RulesPrefix + "a", "groups/rule", 28, "field evaluation not found in type rulefmt.Rule"},
		{RulesPrefix + "a", "groups/expr", 34, `group "expr", rule 2, "c": could not parse expression: 1:5: parse error: unclosed left parenthesis`},
		{RulesPrefix + "a", "groups/both", 37, `group "both", rule 1, "c": could not parse expression: 1:5: parse error: unclosed left parenthesis; group "both": evaluation is "now"` + must},
	}, e.SetAside)
	require.Equal(t, []string{"good", "last"}, groupNames(e.RuleFiles[0]))
	require.Equal(t, map[string]string{"good": "clock", "last": "after-scrape"}, e.RuleFiles[0].Evaluation)
}

func TestLoad_EvaluationOutsideOfGroupsRefusesTheDocument(t *testing.T) {
	_, err := Load(docs(RulesPrefix+"a", "groups: [{name: a, evaluation: clock}]\nevaluation: clock\n"), LoadOptions{})
	requireFaults(t, err, Fault{Document: RulesPrefix + "a", Line: 2, Reason: "field evaluation not found in type rulefmt.RuleGroups"})
}

func TestLoad_GroupGoesOnWithItsAcceptedEvaluation(t *testing.T) {
	const bad = "groups: [{name: a, evaluation: sometimes, limit: 2}, {name: b, evaluation: clock}]"
	for name, c := range map[string]struct {
		before string
		want   map[string]string
	}{
		"that said so":       {"groups: [{name: a, evaluation: clock, limit: 1}]", map[string]string{"a": "clock", "b": "clock"}},
		"that said nothing":  {"groups: [{name: a, limit: 1}]", map[string]string{"b": "clock"}},
		"that an alias said": {"groups: [{name: x, evaluation: &e after-scrape}, {name: a, limit: 1, evaluation: *e}]", map[string]string{"a": "after-scrape", "b": "clock"}},
	} {
		t.Run(name, func(t *testing.T) {
			prev := accepted(t, docs(RulesPrefix+"a", c.before), LoadOptions{})
			for range 2 { // what stands goes on standing
				e := rulesLoad(t, bad, LoadOptions{Previous: prev})
				require.Equal(t, []string{"groups/a"}, names(e.SetAside))
				require.Equal(t, []string{"a", "b"}, groupNames(e.RuleFiles[0]))
				require.Equal(t, 1, e.RuleFiles[0].Groups[0].Limit)
				require.Equal(t, c.want, e.RuleFiles[0].Evaluation)
				prev = &Accepted{Documents: e.Documents, Standing: e.Standing}
			}
		})
	}
}

func TestLoad_EvaluationOfRulesThatDidNotChange(t *testing.T) {
	const one, two = "groups: [{name: a, evaluation: clock}]", "groups: [{name: a, evaluation: after-scrape}]"
	running := mustLoad(t, docs(RulesPrefix+"1", one, RulesPrefix+"2", one), LoadOptions{})
	e := mustLoad(t, docs(RulesPrefix+"1", one, RulesPrefix+"2", two), LoadOptions{Running: running})
	require.Same(t, &running.RuleFiles[0].Groups[0], &e.RuleFiles[0].Groups[0])
	require.Equal(t, map[string]string{"a": "clock"}, e.RuleFiles[0].Evaluation)
	require.Equal(t, map[string]string{"a": "after-scrape"}, e.RuleFiles[1].Evaluation)
	require.Equal(t, map[string]string{"a": "clock"}, running.RuleFiles[1].Evaluation)
}

func TestLoad_RemarksAboutRulesAreMadeOnce(t *testing.T) {
	var log bytes.Buffer
	rulesLoad(t, "groups: [{name: a, evaluation: clock}]\n---\nx: 1\n", LoadOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
}

func FuzzLoadRules_GroupsAreTheSameWithEvaluation(f *testing.F) {
	seeds(f, "rules")
	f.Fuzz(func(t *testing.T, text string) {
		if checkText(text) != nil || strings.Contains(text, "evaluation") {
			t.Skip("no document, or it says so already")
		}
		root, err := parseNodes(text)
		if err != nil {
			t.Skip("no YAML")
		}
		without, err := encodeNode(root)
		require.NoError(t, err)
		want, err := Load(docs(RulesPrefix+"a", without), LoadOptions{})
		if err != nil {
			t.Skip("refused")
		}
		said := map[string]string{}
		for i, group := range want.RuleFiles[0].Groups {
			said[group.Name] = []string{EvaluationClock, EvaluationAfterScrape}[i%2]
		}
		with, err := encodeNode(sayEvaluation(root, said))
		require.NoError(t, err)
		got, err := Load(docs(RulesPrefix+"a", with), LoadOptions{})
		require.NoError(t, err, "%s", with)
		require.Equal(t, want.RuleFiles[0].Groups, got.RuleFiles[0].Groups, "%s", with)
		require.Equal(t, names(want.SetAside), names(got.SetAside))
		for _, group := range got.RuleFiles[0].Groups {
			require.Equal(t, said[group.Name], got.RuleFiles[0].Evaluation[group.Name], "of %q in %s", group.Name, with)
		}
	})
}

// sayEvaluation writes the field into the groups that it is said of.
func sayEvaluation(root *yaml.Node, said map[string]string) *yaml.Node {
	for _, list := range values(root, ruleGroups) {
		for _, group := range list.Content {
			if value := said[textOf(group, "name")]; value != "" && group.Kind == yaml.MappingNode {
				group.Content = append(group.Content, mapping("evaluation", plain(value)).Content...)
			}
		}
	}
	return root
}

func plain(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}
