package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// merge puts the flags of the environment in front of the arguments of the
// command line. A flag that takes one value and is given in both is taken from
// the command line, since it could not be repeated; that is said.
func (f *flags) merge(environment []environmentFlags, args []string) ([]string, error) {
	given := f.given(args)
	var merged []string
	for _, variable := range environment {
		parsed, err := f.app.ParseContext(variable.args)
		if command := parsed.SelectedCommand; err == nil && command != nil {
			err = fmt.Errorf("unexpected %q: only flags belong there", command.FullCommand())
		}
		if err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", variable.variable, f.hint(err))
		}
		for _, element := range parsed.Elements {
			flag := element.Clause.(*kingpin.FlagClause).Model()
			if given[flag.Name] && !isCumulative(flag.Value) {
				f.notes = append(f.notes, fmt.Sprintf("--%s of %s is ignored: it is on the command line too", flag.Name, variable.variable))
				continue
			}
			merged = append(merged, argument(flag, *element.Value))
		}
	}
	return append(merged, args...), nil
}

func argument(flag *kingpin.FlagModel, value string) string {
	switch {
	case !flag.IsBoolFlag():
		return "--" + flag.Name + "=" + value
	case value == "true":
		return "--" + flag.Name
	default:
		return "--no-" + flag.Name
	}
}

func isCumulative(value kingpin.Value) bool {
	repeatable, ok := value.(interface{ IsCumulative() bool })
	return ok && repeatable.IsCumulative()
}

// hint adds to an error about a flag of Alertmanager's how it is called here.
func (f *flags) hint(err error) error {
	name, isUnknown := strings.CutPrefix(err.Error(), "unknown long flag '--")
	name = strings.TrimSuffix(name, "'")
	if !isUnknown {
		return err
	}
	for _, prefix := range []string{"", "no-"} {
		bare := strings.TrimPrefix(name, prefix)
		if f.app.GetFlag("alertmanager."+bare) != nil {
			return fmt.Errorf("%w: Alertmanager's flags take a prefix here: --%salertmanager.%s", err, prefix, bare)
		}
	}
	return err
}
