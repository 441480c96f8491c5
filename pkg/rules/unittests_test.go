package rules

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v2"
)

// unitTestFile is what promtool reads, as far as upstream's own files use it.
type unitTestFile struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	FuzzyCompare       bool           `yaml:"fuzzy_compare"`
	Tests              []unitTest     `yaml:"tests"`
}

type unitTest struct {
	Name        string         `yaml:"name"`
	Start       string         `yaml:"start_timestamp"`
	Interval    model.Duration `yaml:"interval"`
	InputSeries []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Alerts []expectedAlerts `yaml:"alert_rule_test"`
	Exprs  []expectedResult `yaml:"promql_expr_test"`
}

type expectedAlerts struct {
	At     model.Duration `yaml:"eval_time"`
	Name   string         `yaml:"alertname"`
	Alerts []struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"`
	} `yaml:"exp_alerts"`
}

type expectedResult struct {
	At      model.Duration `yaml:"eval_time"`
	Expr    string         `yaml:"expr"`
	Samples []struct {
		Labels    string  `yaml:"labels"`
		Value     float64 `yaml:"value"`
		Histogram string  `yaml:"histogram"`
	} `yaml:"exp_samples"`
}

// notRun are upstream's files that do not parse, as their tests demand, and why.
var notRun = map[string]string{
	"bad-input-series.yml":      "a series",
	"bad-rules-syntax-test.yml": "its rule file",
}

// notMet are the tests that promtool must fail, by file and name, and why. They
// show that what is expected is really compared.
var notMet = map[string]string{
	"bad-promql.yml/":                            "its query fails",
	"bad-rules-error-test.yml/":                  "its rule fails",
	"failing.yml/Failing test":                   "another value",
	"failing.yml/Failing alert test":             "alerts that are not expected",
	"rules_run.yml/wrong test":                   "another value",
	"rules_run_fuzzy.yml/wrong fuzzy match":      "a value that is off by more than one bit",
	"rules_run_no_fuzzy.yml/correct fuzzy match": "a value that is off by one bit",
}

// TestUnitTests drives upstream's own unit tests of rules through a manager that
// runs: samples come at their times, and each expectation is compared at its own.
func TestUnitTests(t *testing.T) {
	dir := promtoolTests(t)
	paths, err := filepath.Glob(filepath.Join(dir, "*.yml"))
	require.NoError(t, err)
	ran := map[string]bool{}
	for _, path := range paths {
		name := filepath.Base(path)
		file, ok := readUnitTests(t, path)
		if !ok || notRun[name] != "" {
			continue
		}
		groups := readGroups(t, dir, file.RuleFiles)
		for i, test := range file.Tests {
			full := name + "/" + test.Name
			ran[full] = true
			for _, mode := range modes {
				t.Run(fmt.Sprintf("%s/%d/%s", full, i, mode), func(t *testing.T) {
					run := newUnitTestRun(t, file, test, groups, mode)
					run.all(t)
					if notMet[full] != "" {
						require.NotEmpty(t, run.differences)
						return
					}
					require.Empty(t, run.differences)
					require.Len(t, run.compared, len(test.Alerts)+len(test.Exprs), "all that is expected is compared")
				})
			}
		}
	}
	require.Contains(t, ran, "unittest.yml/")
	for name := range notMet {
		require.Contains(t, ran, name)
	}
}

func promtoolTests(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/prometheus/prometheus").Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(out)), "cmd", "promtool", "testdata")
}

// readUnitTests reads a file; ok is false when it is one of another kind.
func readUnitTests(t *testing.T, path string) (file unitTestFile, ok bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	if !strings.HasPrefix(string(text), "tests:") && !strings.Contains(string(text), "\ntests:") {
		return file, false
	}
	require.NoError(t, yaml.UnmarshalStrict(text, &file), "%s", path)
	return file, true
}

// readGroups ignores unknown fields, as promtool is asked to for one of the files.
func readGroups(t *testing.T, dir string, files []string) []rulefmt.RuleGroup {
	t.Helper()
	var all []rulefmt.RuleGroup
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		groups, errs := rulefmt.Parse(text, true, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		require.Empty(t, errs)
		all = append(all, groups.Groups...)
	}
	return all
}
