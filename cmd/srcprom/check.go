package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/sourcegraph/srcprom/pkg/alerting"
	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/scrape"
	"github.com/sourcegraph/srcprom/pkg/siteconfig"
)

// check checks files as the server would read them, and everything they name. It
// prints `FILE: OK`, or what is wrong with it, line by line, and returns the exit
// code.
func check(s *settings, stdout io.Writer) int {
	alerting.InitMatchers(slog.New(slog.DiscardHandler), s.server.Alerting.Features)
	c := &checker{out: stdout, parser: parser.NewParser(s.server.Storage.Parser), site: s.siteConfig, said: map[string]bool{}}
	if len(s.files) == 0 {
		c.checkDefaults(config.Paths{Prometheus: s.server.ConfigFile, Alertmanager: s.server.AlertmanagerConfigFile})
		if s.siteConfigOn && s.siteConfig.File != "" {
			c.checkSite(s.siteConfig.File)
		}
	}
	for _, file := range s.files {
		c.checkFile(file)
	}
	if c.wrong {
		return exitFailure
	}
	return 0
}

// checker prints what is found out about files.
type checker struct {
	out    io.Writer
	parser parser.Parser
	site   siteconfig.Options
	said   map[string]bool // lines printed, since files may be named twice
	wrong  bool
}

func (c *checker) checkDefaults(paths config.Paths) {
	if paths.Prometheus == "" && paths.Alertmanager == "" {
		c.say("no configuration file is here: the embedded configuration would run")
		return
	}
	c.check(paths, nil)
}

// checkFile checks a file of any of the kinds.
func (c *checker) checkFile(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		c.complain(path, 0, reasonOf(err))
		return
	}
	switch kindOf(filepath.Base(path), string(text)) {
	case config.SiteConfigDocument:
		c.checkSite(path)
	case config.AlertmanagerDocument:
		c.check(config.Paths{Alertmanager: path}, nil)
	case config.RulesPrefix:
		name := config.RulesPrefix + path
		c.check(config.Paths{}, config.Documents{name: {
			Name: name, Content: string(text), Provenance: config.Provenance{Source: config.SourceFile, Path: path, At: time.Now()},
		}})
	default:
		c.check(config.Paths{Prometheus: path}, nil)
	}
}

// check checks the two files, or given documents, and what they name.
func (c *checker) check(paths config.Paths, given config.Documents) {
	merged, err := config.Gather(nil, paths, given, time.Now())
	if err != nil {
		c.refused(paths, nil, err)
		return
	}
	absolute, err := paths.Absolute()
	if err != nil {
		c.refused(paths, merged.Documents, err)
		return
	}
	effective, err := config.Load(merged.Documents, config.LoadOptions{
		ConfigDir: absolute.ConfigDir, AlertmanagerDir: absolute.AlertmanagerDir,
		Parser: c.parser, CheckJob: scrape.CheckJob, Explain: explainFault,
		CheckIntegration: alerting.CheckIntegration,
	})
	if err != nil {
		c.refused(paths, merged.Documents, err)
		return
	}
	var wrong []string
	for _, entry := range append(merged.SetAside, effective.SetAside...) {
		wrong = append(wrong, entry.Document)
		reason := entry.Reason
		if !filepath.IsAbs(entry.Name) { // the name of a whole file is its path
			reason = entry.Name + ": " + reason
		}
		c.complain(pathOf(entry.Document, merged.Documents, paths), entry.Line, reason)
	}
	for _, reason := range clientErrors(effective.Prometheus) {
		wrong = append(wrong, config.PrometheusDocument)
		c.complain(pathOf(config.PrometheusDocument, merged.Documents, paths), 0, reason)
	}
	c.praise(paths, merged.Documents, wrong)
	for _, warning := range append(merged.Warnings, effective.Warnings...) {
		c.say("warning: " + warning)
	}
}

// refused says why documents cannot be used at all, and which can.
func (c *checker) refused(paths config.Paths, docs config.Documents, err error) {
	faults, ok := errors.AsType[config.Faults](err)
	if !ok {
		faults = config.Faults{{Document: config.PrometheusDocument, Reason: err.Error()}}
	}
	var wrong []string
	for _, fault := range faults {
		wrong = append(wrong, fault.Document)
		c.complain(pathOf(fault.Document, docs, paths), fault.Line, fault.Reason)
	}
	c.praise(paths, docs, wrong)
}

// praise names the files that nothing is wrong with.
func (c *checker) praise(paths config.Paths, docs config.Documents, wrong []string) {
	for _, name := range docs.Names() {
		if !slices.Contains(wrong, name) {
			c.say(pathOf(name, docs, paths) + ": OK")
		}
	}
}

func (c *checker) complain(path string, line int, reason string) {
	c.wrong = true
	place := path
	if line > 0 {
		place = fmt.Sprintf("%s:%d", path, line)
	}
	c.say(place + ": " + reason)
}

func (c *checker) say(line string) {
	if !c.said[line] {
		c.said[line] = true
		fmt.Fprintln(c.out, line)
	}
}

// reasonOf is why a file could not be read, without its path.
func reasonOf(err error) string {
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		return wrapped.Err.Error()
	}
	return err.Error()
}

// pathOf is the path of a document's file as the user named it, else as it was found.
func pathOf(name string, docs config.Documents, paths config.Paths) string {
	switch {
	case name == config.PrometheusDocument && paths.Prometheus != "":
		return paths.Prometheus
	case name == config.AlertmanagerDocument && paths.Alertmanager != "":
		return paths.Alertmanager
	case docs[name].Provenance.Path != "":
		return docs[name].Provenance.Path
	}
	return name
}
