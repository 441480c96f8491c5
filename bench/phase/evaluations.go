package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// counters are what a process tells of the evaluation of its groups, by the label
// rule_group, which is file and name.
type counters struct {
	at         time.Time
	iterations map[string]float64 // evaluations begun
	missed     map[string]float64
	intervals  map[string]float64 // seconds
}

// readCounters asks a process for them.
func readCounters(ctx context.Context, url string) (counters, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return counters{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return counters{}, err
	}
	defer resp.Body.Close()
	at := time.Now()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return counters{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return counters{}, fmt.Errorf("%s/metrics: status %d", url, resp.StatusCode)
	}
	return parseCounters(string(body), at)
}

func parseCounters(text string, at time.Time) (counters, error) {
	c := counters{at: at}
	var err error
	for _, metric := range []struct {
		name string
		into *map[string]float64
	}{
		{"prometheus_rule_group_iterations_total", &c.iterations},
		{"prometheus_rule_group_iterations_missed_total", &c.missed},
		{"prometheus_rule_group_interval_seconds", &c.intervals},
	} {
		if *metric.into, err = byRuleGroup(text, metric.name); err != nil {
			return counters{}, err
		}
	}
	return c, nil
}

// byRuleGroup reads the values of a metric that has the label rule_group alone.
func byRuleGroup(text, name string) (map[string]float64, error) {
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+`{rule_group="`)
		if !ok {
			continue
		}
		group, value, ok := strings.Cut(rest, `"} `)
		if !ok || strings.Contains(group, `"`) {
			return nil, fmt.Errorf("metric %s has other labels than rule_group: %q", name, line)
		}
		parsed, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return nil, fmt.Errorf("metric %s: %w", name, err)
		}
		values[group] = parsed
	}
	return values, nil
}

// evaluations is how often groups were evaluated between two readings.
type evaluations struct {
	mean, max float64 // per interval and group
	missed    float64 // in all
}

// since compares with an earlier reading, which has to have had the same groups.
func (c counters) since(before counters, groups int) (evaluations, error) {
	if len(before.iterations) != groups || len(c.iterations) != groups {
		return evaluations{}, fmt.Errorf("%d groups tell of their evaluations, then %d, and not %d",
			len(before.iterations), len(c.iterations), groups)
	}
	elapsed := c.at.Sub(before.at).Seconds()
	var e evaluations
	for _, group := range slices.Sorted(maps.Keys(c.iterations)) {
		perInterval := (c.iterations[group] - before.iterations[group]) * c.intervals[group] / elapsed
		e.mean += perInterval / float64(groups)
		e.max = max(e.max, perInterval)
		e.missed += c.missed[group] - before.missed[group]
	}
	return e, nil
}
