package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/flags.md anew")

const flagsFile = "../../docs/flags.md"

func TestDocumentation_IsWhatTheTablesSay(t *testing.T) {
	want := documentation()
	if *update {
		require.NoError(t, os.WriteFile(flagsFile, []byte(want), 0o644))
	}
	got, err := os.ReadFile(flagsFile)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "run: go test ./cmd/srcprom -tags lean -run TestDocumentation -update")
}

// documentation renders the tables of flags, features and variables.
func documentation() string {
	f := newFlags(defaultSettings())
	var b strings.Builder
	b.WriteString(`# Flags and environment

This file is made from the program's own tables; a test keeps it so. A flag wins over the environment, the environment
over a default. Durations are written 500ms, 1m30s or 15d. A flag that takes no value is turned off with ` + "`--no-` in front of its name." + `

| Command | Meaning |
| --- | --- |
`)
	for _, command := range f.app.Model().Commands {
		if command.Name != "help" {
			row(&b, code(command.String()), command.Help)
		}
	}
	for _, command := range f.app.Model().Commands {
		commandSection(&b, command)
	}
	for _, group := range f.groups {
		flagSection(&b, f, group)
	}
	featureSection(&b)
	fileSection(&b)
	variableSection(&b)
	return b.String()
}

// commandSection has the flags that only one command takes.
func commandSection(b *strings.Builder, command *kingpin.CmdModel) {
	if len(command.Flags) == 0 {
		return
	}
	section(b, code("srcprom "+command.Name), "")
	b.WriteString("| Flag | Meaning | Default |\n| --- | --- | --- |\n")
	for _, flag := range command.Flags {
		row(b, code("--"+flag.Name), flag.Help, defaultOf(flag))
	}
}

func flagSection(b *strings.Builder, f *flags, group flagGroup) {
	if f.app.GetFlag(group.names[0]).Model().Help == "" {
		section(b, group.title, group.text)
		fmt.Fprintf(b, "%s\n", code("--"+strings.Join(group.names, "`, `--")))
		return
	}
	var rows strings.Builder
	for _, name := range group.names {
		if clause := f.app.GetFlag(name).Model(); group.hidden || !clause.Hidden {
			row(&rows, code("--"+name)+repeated(clause), clause.Help, defaultOf(clause))
		}
	}
	if rows.Len() > 0 {
		section(b, group.title, group.text)
		b.WriteString("| Flag | Meaning | Default |\n| --- | --- | --- |\n" + rows.String())
	}
}

func featureSection(b *strings.Builder) {
	section(b, "Features", "What --enable-feature takes. A name that is not known is warned about.")
	b.WriteString("| Feature | Meaning |\n| --- | --- |\n")
	for _, feature := range prometheusFeatures() {
		row(b, code(feature.name), feature.help)
	}
	for _, name := range featurecontrol.AllowedFlags {
		row(b, code(name), "Alertmanager's.")
	}
}

func fileSection(b *strings.Builder) {
	section(b, "Files", "The first of these that exists is the default of the flag.")
	b.WriteString("| Flag | Files |\n| --- | --- |\n")
	row(b, code("--config.file"), code(strings.Join(prometheusFiles, "`, `")))
	row(b, code("--alertmanager.config.file"), code(strings.Join(alertmanagerFiles, "`, `")))
}

func variableSection(b *strings.Builder) {
	section(b, "Environment variables", "They are those of the sourcegraph/prometheus image. One that is set to the empty string has its default. Where it says so, the name with `_prom_wrapper` behind it wins over the plain one.")
	b.WriteString("| Variable | Meaning | `_prom_wrapper` |\n| --- | --- | --- |\n")
	for _, v := range variables() {
		suffixed := ""
		if v.suffixed {
			suffixed = "yes"
		}
		row(b, code(v.name), v.help, suffixed)
	}
}

func section(b *strings.Builder, title, text string) {
	fmt.Fprintf(b, "\n## %s\n\n", title)
	if text != "" {
		fmt.Fprintf(b, "%s\n\n", text)
	}
}

func row(b *strings.Builder, cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

func code(text string) string { return "`" + text + "`" }

func repeated(clause *kingpin.FlagModel) string {
	if isCumulative(clause.Value) {
		return " …"
	}
	return ""
}

func defaultOf(clause *kingpin.FlagModel) string {
	text := strings.Join(clause.Default, "`, `")
	if text == "" || text == "false" && clause.IsBoolFlag() {
		return ""
	}
	return code(text)
}
