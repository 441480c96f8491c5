package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"
)

// flags is the table of all flags. Each is bound to the setting that it changes,
// and takes the default that it finds there, so that flags, library and
// documentation cannot disagree.
type flags struct {
	app    *kingpin.Application
	groups []flagGroup
	// notes are what is to be said about flags that were given.
	notes []string
	// rest is what remains to be done once all are read.
	rest []func()
}

// flagGroup is one section of docs/flags.md.
type flagGroup struct {
	title, text string
	hidden      bool // from --help, not from the documentation
	names       []string
}

// group begins a section, to which the flags that follow belong.
func (f *flags) group(title, text string) {
	f.groups = append(f.groups, flagGroup{title: title, text: text})
}

func (f *flags) flag(name, help string) *kingpin.FlagClause {
	last := &f.groups[len(f.groups)-1]
	last.names = append(last.names, name)
	return f.app.Flag(name, help)
}

func (f *flags) text(name, help string, target *string) *kingpin.FlagClause {
	clause := f.flag(name, help).Default(*target)
	clause.StringVar(target)
	return clause
}

// texts adds a flag that may be repeated. Giving it replaces its default.
func (f *flags) texts(name, help string, target *[]string) *kingpin.FlagClause {
	clause := f.flag(name, help).Default(*target...)
	*target = nil
	clause.StringsVar(target)
	return clause
}

func (f *flags) oneOf(name, help string, target *string, options ...string) *kingpin.FlagClause {
	clause := f.flag(name, help).Default(*target)
	clause.EnumVar(target, options...)
	return clause
}

func (f *flags) yes(name, help string, target *bool) *kingpin.FlagClause {
	clause := f.flag(name, help).Default(strconv.FormatBool(*target))
	clause.BoolVar(target)
	return clause
}

// no adds a flag that is true when the setting behind it is false.
func (f *flags) no(name, help string, target *bool) *kingpin.FlagClause {
	value := !*target
	f.then(func() { *target = !value })
	return f.yes(name, help, &value)
}

// then puts off until all flags are read.
func (f *flags) then(do func()) { f.rest = append(f.rest, do) }

func (f *flags) integer(name, help string, target *int) *kingpin.FlagClause {
	clause := f.flag(name, help).Default(strconv.Itoa(*target))
	clause.IntVar(target)
	return clause
}

func (f *flags) integer64(name, help string, target *int64) *kingpin.FlagClause {
	clause := f.flag(name, help).Default(strconv.FormatInt(*target, 10))
	clause.Int64Var(target)
	return clause
}

func (f *flags) ratio(name, help string, target *float64) *kingpin.FlagClause {
	clause := f.flag(name, help).Default(strconv.FormatFloat(*target, 'g', -1, 64))
	clause.FloatVar(target)
	return clause
}

func (f *flags) duration(name, help string, target *time.Duration) *kingpin.FlagClause {
	value := (*duration)(target)
	clause := f.flag(name, help).Default(value.String())
	clause.SetValue(value)
	return clause
}

// duration takes what Prometheus writes, 15d, as well as what Go does, 1h0.5s.
type duration time.Duration

func (d *duration) Set(text string) error {
	if parsed, err := model.ParseDuration(text); err == nil {
		*d = duration(parsed)
		return nil
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("not a valid duration: %q (examples: 500ms, 1m30s, 15d)", text)
	}
	*d = duration(parsed)
	return nil
}

func (d *duration) String() string {
	if time.Duration(*d)%time.Millisecond != 0 || *d < 0 {
		return time.Duration(*d).String()
	}
	return model.Duration(*d).String()
}
