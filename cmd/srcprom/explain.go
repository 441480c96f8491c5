package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/sourcegraph/srcprom/pkg/client"
)

// explainArgs is what the explain command is asked.
type explainArgs struct {
	selectors []string
	at        moment
	output    string
}

// The outputs of the explain command.
const (
	outputText = "text"
	outputJSON = "json"
)

func (f *flags) addExplain(s *settings) {
	explain := f.app.Command(commandExplain, "Say of each alert why it was notified of or was not, and what comes next; of one that does not fire, what would happen if it did. Exit with 1 if there is none.")
	s.remote.addTo(explain)
	explain.Flag("time", "For which to explain: a time in RFC 3339, or in seconds since 1970. Without it, now.").PlaceHolder("<time>").SetValue(&s.explain.at)
	explain.Flag("output", "What is printed: text is one sentence on a line for each alert, json everything that is known.").Default(outputText).EnumVar(&s.explain.output, outputText, outputJSON)
	explain.Arg("selector", `Matchers of the alerts' labels, such as '{alertname="Disk"}'. Where no alert satisfies them and they only demand equality, they are taken as the labels of one.`).Required().StringsVar(&s.explain.selectors)
}

// explainAlerts asks a running server, and returns the exit code. A selector that selects
// nothing does not keep the others from being answered.
func explainAlerts(ctx context.Context, s *settings, stdout, stderr io.Writer) int {
	explained, err := askToExplain(ctx, s)
	if explained != nil {
		err = errors.Join(err, printExplanations(stdout, explained, s.explain.output))
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", buildName, oneLine(err))
		return exitFailure
	}
	return 0
}

// askToExplain asks for one selector after another, to tell which of them select
// nothing. Explanations is nil when the server could not be asked.
func askToExplain(ctx context.Context, s *settings) (*client.Explanations, error) {
	server, err := s.remote.client()
	if err != nil {
		return nil, err
	}
	all := &client.Explanations{Alerts: []client.Explanation{}}
	var nothing []error
	for _, selector := range s.explain.selectors {
		explained, err := server.Explain(ctx, client.ExplainQuery{Matchers: []string{selector}, At: time.Time(s.explain.at)})
		if err != nil {
			return nil, err
		}
		if len(explained.Alerts) == 0 {
			nothing = append(nothing, fmt.Errorf("no alert satisfies %s; only matchers that all demand equality say what an alert would be that does not fire", selector))
		}
		all.Alerts = append(all.Alerts, explained.Alerts...)
	}
	return all, errors.Join(nothing...)
}

func printExplanations(to io.Writer, explained *client.Explanations, output string) error {
	if output == outputJSON {
		encoder := json.NewEncoder(to)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(explained)
	}
	for _, alert := range explained.Alerts {
		if _, err := fmt.Fprintln(to, alert.Sentence); err != nil {
			return err
		}
	}
	return nil
}

// moment is the value of a flag that takes a time.
type moment time.Time

// Set implements kingpin.Value.
func (m *moment) Set(text string) error {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds) < math.MaxInt64/1e9 {
		*m = moment(time.Unix(0, int64(seconds*1e9)).UTC())
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("not a valid time: %q (examples: 2026-11-22T16:00:00Z, 1795363200)", text)
	}
	*m = moment(at)
	return nil
}

// String implements kingpin.Value.
func (m *moment) String() string {
	if at := time.Time(*m); !at.IsZero() {
		return at.Format(time.RFC3339Nano)
	}
	return ""
}
