package srcprom

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// when is a time; one of today without the date.
func (n narrator) when(at time.Time) string {
	at, now := at.UTC(), n.now.UTC()
	if at.Truncate(24 * time.Hour).Equal(now.Truncate(24 * time.Hour)) {
		return at.Format("15:04:05Z")
	}
	return at.Format(time.RFC3339)
}

// name is an alert as Disk{instance="a"}.
func (n narrator) name(labels map[string]string) string {
	var rest []string
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if label == model.AlertNameLabel {
			continue
		}
		quoted := label
		if !model.LegacyValidation.IsValidLabelName(label) {
			quoted = strconv.Quote(label)
		}
		rest = append(rest, quoted+"="+strconv.Quote(labels[label]))
	}
	if name := labels[model.AlertNameLabel]; len(rest) == 0 && name != "" {
		return name
	}
	return labels[model.AlertNameLabel] + "{" + strings.Join(rest, ",") + "}"
}

func (n narrator) rule() string {
	return fmt.Sprintf("rule %q of group %q", n.of.Rule.Name, n.of.Rule.Group)
}

// attempt is how an attempt went: (attempt 1, 23 ms).
func attempt(e *client.HistoryEntry) string {
	var facts []string
	if e.Attempt > 0 {
		facts = append(facts, fmt.Sprintf("attempt %d", e.Attempt))
	}
	if e.LatencySeconds > 0 {
		facts = append(facts, latency(e.LatencySeconds))
	}
	if e.InDoubt {
		facts = append(facts, "in doubt, as a crash came between")
	}
	if len(facts) == 0 {
		return ""
	}
	return " (" + strings.Join(facts, ", ") + ")"
}

func latency(seconds float64) string {
	switch {
	case seconds < 0.001:
		return "less than 1 ms"
	case seconds < 1:
		return fmt.Sprintf("%.0f ms", seconds*1000)
	}
	return fmt.Sprintf("%.1f s", seconds)
}

// plainNumber is 0.93 for 9.3e-01.
func plainNumber(text string) string {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}

// maxErrorText bounds what a sentence has of an error, in runes.
const maxErrorText = 300

func oneLine(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > maxErrorText {
		return string(runes[:maxErrorText]) + "…"
	}
	return string(runes)
}

// list is a, b and c, and says how many more there are than it names.
func list(items []string) string {
	const most = 3
	if len(items) > most {
		items = append(slices.Clone(items[:most]), fmt.Sprintf("%d more", len(items)-most))
	}
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " and " + items[last]
}

func quotedList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	return list(quoted)
}
