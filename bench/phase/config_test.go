package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRuleFile_AChainRecordsUntilItAlerts(t *testing.T) {
	require.Equal(t, `groups:
  - name: g-1
    rules:
      - record: target1:g:rate1m
        expr: sum by (code) (rate(target_requests_total{job="target1", handler="/api/v1/1"}[1m]))
      - record: target1:g:flip1
        expr: flip{job="target1"}
  - name: g-2
    rules:
      - record: target1:g:flip2
        expr: target1:g:flip1
  - name: g
    rules:
      - alert: Flip
        expr: target1:g:flip2 > 0
        labels: { group: g }
`, ruleFile("target1", []string{"g"}, 3))
}

func TestStudy_ContendersDifferInWhomTheySayToBeAlone(t *testing.T) {
	s := scenario{name: "one", interval: time.Second, jobs: 3, targets: 2, groups: 8, chain: 1}
	st, err := newStudy(s, rand.New(rand.NewPCG(1, 0)))
	require.NoError(t, err)
	defer st.close()
	one, other := st.config("one"), st.config("other")
	require.Equal(t, one.Prometheus, strings.ReplaceAll(other.Prometheus, `values: ["other"]`, `values: ["one"]`))
	require.Equal(t, one.Alertmanager, strings.ReplaceAll(other.Alertmanager, "/other", "/one"))

	require.Equal(t, 24, st.ruleGroups())
	files, err := filepath.Glob(filepath.Join(st.dir, "*.yml"))
	require.NoError(t, err)
	require.Len(t, files, 3)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.Equal(t, 8, strings.Count(string(text), "- name: "))

	targets := st.flip(rand.New(rand.NewPCG(1, 0)))
	require.Len(t, targets, 3)
	for i, target := range targets {
		require.Contains(t, st.targets[i], target, "a trial changes one target of each job")
	}
}

func TestGroupNames_AreThoseOfTheSeedAndAllDifferent(t *testing.T) {
	names := groupNames(500, rand.New(rand.NewPCG(1, 0)))
	require.Equal(t, names, groupNames(500, rand.New(rand.NewPCG(1, 0))))
	require.NotEqual(t, names, groupNames(500, rand.New(rand.NewPCG(2, 0))))
	different := map[string]bool{}
	for _, name := range names {
		different[name] = true
	}
	require.Len(t, different, 500)
}

func TestChosen_ByNameOrKey(t *testing.T) {
	all, err := chosen("")
	require.NoError(t, err)
	require.Len(t, all, 8)
	some, err := chosen("one,fifty@15s")
	require.NoError(t, err)
	var keys []string
	for _, s := range some {
		keys = append(keys, s.key())
	}
	require.Equal(t, []string{"one@1s", "one@15s", "fifty@15s"}, keys)
	_, err = chosen("two")
	require.EqualError(t, err, `no scenario "two"`)
}
