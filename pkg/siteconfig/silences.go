package siteconfig

import (
	"fmt"
	"regexp"
	"slices"
)

// wantedSilences are the entries of observability.silenceAlerts that can be
// silenced, each once, in their order. The problems are those that the overlay
// tells too.
func wantedSilences(document string) (entries, problems []string) {
	values, err := decodeDocument(document)
	if err != nil {
		return nil, nil // the overlay says so
	}
	return readSilences(values[silencesKey])
}

func readSilences(value any) (entries, problems []string) {
	if value == nil {
		return nil, nil
	}
	list, ok := value.([]any)
	if !ok {
		return nil, []string{problem(silencesKey, "must be a list of names of alerts, or regular expressions of them")}
	}
	for i, value := range list {
		entry, why := readSilence(value)
		if why != "" {
			problems = append(problems, problem(silencesKey, "silence %d: %s", i, why))
			continue
		}
		if !slices.Contains(entries, entry) {
			entries = append(entries, entry)
		}
	}
	return entries, problems
}

// silenceRegexp matches the names of the alerts that an entry silences.
func silenceRegexp(entry string) string { return "^(" + entry + ")$" }

func readSilence(value any) (entry, why string) {
	entry, ok := exposed(value).(string)
	switch {
	case !ok:
		return "", "must be a string: give the name of an alert, or a regular expression"
	case entry == "":
		return "", "is empty: give the name of an alert, or a regular expression"
	}
	if why := whyNoRegexp(silenceRegexp(entry)); why != "" {
		return "", fmt.Sprintf("is no regular expression (%s): correct it", why)
	}
	if regexp.MustCompile(silenceRegexp(entry)).MatchString("") {
		return "", "matches alerts without a name, which the engine does not silence: make it match less"
	}
	return entry, ""
}
