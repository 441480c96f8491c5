package config

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	promconfig "github.com/prometheus/prometheus/config"
	yamlv2 "go.yaml.in/yaml/v2"
	"go.yaml.in/yaml/v3"
)

const scrapeConfigs = "scrape_configs"

// loadPrometheus reads the prometheus document and the scrape documents.
func (l *loader) loadPrometheus() {
	text := l.docs[PrometheusDocument].Content
	cfg, err := l.parsePrometheus(text)
	jobs := newJobs(l)
	if err != nil || !jobs.admitAll(cfg.ScrapeConfigs, PrometheusDocument, cfg.GlobalConfig) {
		if cfg = l.splitPrometheus(text, err, jobs); cfg == nil {
			return
		}
	}
	l.out.Prometheus = cfg
	for _, doc := range l.docs.WithPrefix(ScrapePrefix) {
		l.loadScrapeDocument(doc, cfg.GlobalConfig, jobs)
	}
	cfg.ScrapeConfigs = jobs.admitted
	cfg.ScrapeConfigFiles = nil // what they match is among the documents
	l.applyDefaults(cfg, text)
}

// parsePrometheus parses a prometheus document with upstream's own parser and
// makes its paths absolute.
func (l *loader) parsePrometheus(text string) (cfg *promconfig.Config, err error) {
	err = guard(func() error {
		if cfg, err = promconfig.Load(text, l.opts.Logger); err != nil {
			return err
		}
		cfg.SetDirectory(l.opts.ConfigDir)
		moveUserInfo(cfg)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// splitPrometheus reads a document whose jobs cannot all be used: the rest of
// it first, then each job. whole is why it could not be read as it is, if so.
func (l *loader) splitPrometheus(text string, whole error, jobs *jobs) *promconfig.Config {
	root, entries, err := splitText(text, whole, splitJobs)
	if err != nil {
		l.refuse(PrometheusDocument, err, nil)
		return nil
	}
	rest, err := encodeNode(root)
	if err != nil {
		l.refuse(PrometheusDocument, err, nil)
		return nil
	}
	cfg, err := l.parsePrometheus(rest)
	if err != nil {
		l.refuse(PrometheusDocument, err, mapLines(root, rest))
		return nil
	}
	jobs.reset()
	if jobs.admitEach(entries, PrometheusDocument, cfg.GlobalConfig) == 0 && whole != nil {
		l.refuse(PrometheusDocument, whole, nil) // wrong as a whole only, for example by too many aliases
		return nil
	}
	return cfg
}

// loadScrapeDocument reads the jobs of a file that scrape_config_files matched,
// as upstream's Config.GetScrapeConfigs does.
func (l *loader) loadScrapeDocument(doc Document, global promconfig.GlobalConfig, jobs *jobs) {
	all, err := parseJobs(doc.Content)
	before := len(jobs.admitted)
	if err == nil && jobs.admitAll(all, doc.Name, global) {
		return
	}
	jobs.truncate(before)
	root, entries, splitErr := splitText(doc.Content, err, splitJobs)
	if splitErr != nil {
		l.refuse(doc.Name, splitErr, nil)
		return
	}
	rest, encodeErr := encodeNode(root)
	if encodeErr != nil {
		l.refuse(doc.Name, encodeErr, nil)
		return
	}
	if _, restErr := parseJobs(rest); restErr != nil {
		l.refuse(doc.Name, restErr, mapLines(root, rest))
		return
	}
	if jobs.admitEach(entries, doc.Name, global) == 0 && err != nil {
		l.refuse(doc.Name, err, nil)
	}
}

// parseJobs parses the text of a scrape document.
func parseJobs(text string) ([]*promconfig.ScrapeConfig, error) {
	var parsed promconfig.ScrapeConfigs
	err := guard(func() error { return yamlv2.UnmarshalStrict([]byte(text), &parsed) })
	return parsed.ScrapeConfigs, err
}

// splitJobs is the [splitter] of scrape_configs.
func splitJobs(root *yaml.Node) []entry {
	var entries []entry
	for _, list := range values(root, scrapeConfigs) {
		for i, node := range drain(list) {
			e := entry{name: fmt.Sprintf("%s[%d]", scrapeConfigs, i), line: node.Line, node: node, list: list, index: i}
			if job := textOf(node, "job_name"); job != "" {
				e.name = scrapeConfigs + "/" + job
				e.key = e.name
			}
			entries = append(entries, e)
		}
	}
	return entries
}

// jobs collects the scrape jobs of all documents, under names used once.
type jobs struct {
	l        *loader
	admitted []*promconfig.ScrapeConfig
	origin   map[string]string // document of each job by its name
}

func newJobs(l *loader) *jobs {
	return &jobs{l: l, origin: map[string]string{}}
}

func (j *jobs) reset() { j.truncate(0) }

// truncate takes the last jobs out again.
func (j *jobs) truncate(n int) {
	for _, job := range j.admitted[n:] {
		delete(j.origin, job.JobName)
	}
	j.admitted = j.admitted[:n]
}

// admitAll takes all jobs of a document, and tells whether it could.
func (j *jobs) admitAll(all []*promconfig.ScrapeConfig, doc string, global promconfig.GlobalConfig) bool {
	for _, job := range all {
		if j.admit(job, doc, global) != nil {
			return false
		}
	}
	return true
}

// admitEach takes the jobs of a document one by one, sets aside what is wrong,
// and returns how many were.
func (j *jobs) admitEach(entries []entry, doc string, global promconfig.GlobalConfig) (aside int) {
	for _, e := range entries {
		lines, err := j.try(e.node, doc, global)
		if err == nil {
			continue
		}
		aside++
		why := j.l.problemOf(doc, err, lines)
		if better, refuse := j.l.explain(why.reason); refuse {
			j.l.faults = append(j.l.faults, Fault{Document: doc, Line: cmp.Or(why.line, e.line), Reason: e.name + ": " + better})
			continue
		}
		if errors.As(err, new(repeatedJob)) {
			e.key = "" // the first of that name runs, nothing stands in the place of the second
		}
		j.l.setAside(doc, e, j.stand(doc, e, global), why)
	}
	return aside
}

// stand admits the last accepted version of a job and returns its text.
func (j *jobs) stand(doc string, e entry, global promconfig.GlobalConfig) string {
	for _, text := range j.l.candidates(doc, e, splitJobs) {
		node, err := parseNodes(text)
		if err != nil {
			continue
		}
		if _, err := j.try(node, doc, global); err == nil {
			return text
		}
	}
	return ""
}

// try admits one job given as a node. The lines lead back from the error.
func (j *jobs) try(node *yaml.Node, doc string, global promconfig.GlobalConfig) (lineMap, error) {
	alone := inList(scrapeConfigs, node)
	text, err := encodeNode(alone)
	if err != nil {
		return nil, err
	}
	parsed, err := parseJobs(text)
	if err == nil {
		err = j.admit(parsed[0], doc, global)
	}
	if err != nil {
		return mapLines(alone, text), err
	}
	return nil, nil
}

// repeatedJob says that a job has the name of another one.
type repeatedJob struct{ name, document string }

func (e repeatedJob) Error() string {
	return fmt.Sprintf("found multiple scrape configs with job name %q, first found in document %q", e.name, e.document)
}

// admit checks and takes one job that was parsed.
func (j *jobs) admit(job *promconfig.ScrapeConfig, doc string, global promconfig.GlobalConfig) error {
	err := guard(func() error {
		if err := job.Validate(global); err != nil {
			return err
		}
		if origin, repeated := j.origin[job.JobName]; repeated {
			return repeatedJob{job.JobName, origin}
		}
		job.SetDirectory(j.l.jobDir(doc))
		if j.l.opts.CheckJob == nil || reflect.DeepEqual(job, j.l.runningJob(job.JobName)) {
			return nil
		}
		return j.l.opts.CheckJob(job)
	})
	if err != nil {
		return err
	}
	j.origin[job.JobName] = doc
	j.admitted = append(j.admitted, job)
	return nil
}

// runningJob returns the job of a name that runs, else nil.
func (l *loader) runningJob(name string) *promconfig.ScrapeConfig {
	if l.jobs == nil {
		l.jobs = map[string]*promconfig.ScrapeConfig{}
		if l.opts.Running != nil {
			for _, job := range l.opts.Running.Prometheus.ScrapeConfigs {
				l.jobs[job.JobName] = job
			}
		}
	}
	return l.jobs[name]
}

// jobDir is the directory for relative paths in the jobs of a document.
func (l *loader) jobDir(doc string) string {
	if path := l.docs[doc].Provenance.Path; path != "" && doc != PrometheusDocument {
		return filepath.Dir(path)
	}
	return l.opts.ConfigDir
}

// applyDefaults puts ours where the document says nothing. Upstream's main
// writes them into package variables of its config package; two servers in one
// process cannot. What was inherited is told by its identity.
func (l *loader) applyDefaults(cfg *promconfig.Config, text string) {
	said := saidBy(text)
	if !said.retention {
		retention := l.opts.RetentionDefault
		cfg.StorageConfig.TSDBConfig.Retention = &retention
	}
	if !said.logLevel && l.opts.LogLevelDefault != "" {
		cfg.Runtime.LogLevel = l.opts.LogLevelDefault
	}
	if own := l.opts.ScrapeProtocolsDefault; len(own) > 0 && cfg.GlobalConfig.ScrapeProtocols == nil {
		cfg.GlobalConfig.ScrapeProtocols = own
		for _, job := range cfg.ScrapeConfigs {
			if sameSlice(job.ScrapeProtocols, promconfig.DefaultScrapeProtocols) ||
				sameSlice(job.ScrapeProtocols, promconfig.DefaultProtoFirstScrapeProtocols) {
				job.ScrapeProtocols = own
			}
		}
	}
	upstream := promconfig.DefaultGlobalConfig.ExtraScrapeMetrics
	if own := l.opts.ExtraScrapeMetricsDefault; own && cfg.GlobalConfig.ExtraScrapeMetrics == upstream {
		cfg.GlobalConfig.ExtraScrapeMetrics = &own
		for _, job := range cfg.ScrapeConfigs {
			if job.ExtraScrapeMetrics == upstream {
				job.ExtraScrapeMetrics = &own
			}
		}
	}
}

func sameSlice(a, b []promconfig.ScrapeProtocol) bool {
	return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0]
}

// said tells which settings a document has that look alike when they are
// absent and when they are at their default.
type said struct{ retention, logLevel bool }

func saidBy(text string) said {
	if !strings.Contains(text, "retention") && !strings.Contains(text, "log_level") {
		return said{}
	}
	var doc struct {
		Storage struct {
			TSDB struct {
				Retention any `yaml:"retention"`
			} `yaml:"tsdb"`
		} `yaml:"storage"`
		Runtime struct {
			LogLevel string `yaml:"log_level"`
		} `yaml:"runtime"`
	}
	if err := guard(func() error { return yamlv2.Unmarshal([]byte(text), &doc) }); err != nil {
		return said{} // upstream's parser has already been content with it
	}
	return said{retention: doc.Storage.TSDB.Retention != nil, logLevel: doc.Runtime.LogLevel != ""}
}
