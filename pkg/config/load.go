package config

import (
	"log/slog"
	"maps"
	"slices"

	amconfig "github.com/prometheus/alertmanager/config"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// LoadOptions say what Load needs to know beside the documents.
type LoadOptions struct {
	// ConfigDir is the absolute directory for relative paths in the prometheus
	// document and in jobs that came from no file.
	ConfigDir string
	// AlertmanagerDir is the absolute directory for relative paths in the
	// alertmanager document.
	AlertmanagerDir string
	// Previous is the configuration whose entries run in the place of those that
	// have to be set aside; nil means that there is none.
	Previous *Accepted

	// Running is the configuration that runs; nil means that none does. Rule
	// documents that have not changed since are not parsed again, and jobs and
	// integrations that have not are not checked again: they go on with the files
	// that they have read, even if these are gone.
	Running *Effective

	// RetentionDefault holds where the prometheus document has no
	// storage.tsdb.retention; zero means no limit.
	RetentionDefault promconfig.TSDBRetentionConfig
	// LogLevelDefault holds where it has no runtime.log_level; empty means info.
	LogLevelDefault promconfig.LogLevel
	// ScrapeProtocolsDefault holds for jobs where neither they nor global name
	// any; empty means upstream's choice.
	ScrapeProtocolsDefault []promconfig.ScrapeProtocol
	// ExtraScrapeMetricsDefault holds for jobs where neither they nor global say.
	ExtraScrapeMetricsDefault bool

	// Explain may say better than the engine why something is wrong, given the
	// engine's words. refuse makes the fault one of the whole document where it would
	// set a scrape job aside. Nil leaves all words as they are.
	Explain func(reason string) (better string, refuse bool)

	// Overlay computes the alertmanager document that runs from the one that there is
	// and from [SiteConfigDocument]; nil means that it runs as it is.
	Overlay Overlay

	// Parser reads rule expressions; nil means one without experimental features.
	Parser parser.Parser
	// Logger hears what the engines' own parsers remark; nil discards it.
	Logger *slog.Logger

	// CheckJob may build what a scrape job needs, for example its HTTP client. Its
	// error sets the job aside. Nil checks nothing.
	CheckJob func(*promconfig.ScrapeConfig) error
	// CheckIntegration may build the only integration of the receiver, which is a
	// copy with the receiver's name. Its error sets the integration aside. Only
	// receivers that a route uses are asked about. Nil checks nothing.
	CheckIntegration func(amconfig.Receiver, []Template) error
}

// builtinAlertmanager runs where there is no alertmanager document: alerts are
// shown, and are delivered to nobody.
const builtinAlertmanager = "route:\n  receiver: none\nreceivers:\n  - name: none\n"

// Load computes the effective configuration from its documents. Entries that
// are wrong are set aside, see [SetAside]. Anything else that is wrong is an error
// of type [Faults]. It reads no file, but looks whether secret files are there.
func Load(docs Documents, opts LoadOptions) (*Effective, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Parser == nil {
		opts.Parser = parser.NewParser(parser.Options{})
	}
	l := &loader{
		docs: docs,
		opts: opts,
		out: &Effective{
			Documents: maps.Clone(docs),
			Standing:  map[string]string{},
		},
		secrets:  map[string][]string{},
		previous: map[string]map[string]string{},
	}
	l.loadPrometheus()
	l.loadRules()
	l.loadTemplates()
	l.loadAlertmanager()
	if len(l.faults) > 0 {
		return nil, l.faults
	}
	l.warnOfMissingFiles()
	return l.out, nil
}

// loader holds what one Load has found out so far.
type loader struct {
	docs   Documents
	opts   LoadOptions
	out    *Effective
	faults Faults

	// origin leads from the alertmanager document that is read to the one that an
	// operator wrote; nil where they are the same. It is made when something is wrong.
	// lost is [Overlaid.Lost].
	origin func() lineMap
	lost   func(Integration) string
	// secrets caches what must not be in a message, by document.
	secrets map[string][]string
	// previous caches the entries of accepted documents: by document, by key.
	previous map[string]map[string]string
	// jobs and integrations are those that run, by name; filled when needed.
	jobs         map[string]*promconfig.ScrapeConfig
	integrations map[integrationID]amconfig.Receiver
}

func (l *loader) secretsOf(doc string) []string {
	found, ok := l.secrets[doc]
	if !ok {
		found = secretsOf(l.docs[doc])
		if doc == AlertmanagerDocument && l.opts.Overlay != nil {
			found = append(found, secretsOf(l.docs[SiteConfigDocument])...)
		}
		l.secrets[doc] = found
	}
	return found
}

// refuse records why a document cannot be used at all.
func (l *loader) refuse(doc string, err error, lines lineMap) {
	for _, p := range problemsOf(err, l.secretsOf(doc)) {
		if lines != nil {
			p.line, p.reason = lines.origin(p.line), lines.relocate(p.reason)
		}
		p.line = l.written(p.line)
		if p.line == 0 {
			p.line = locate(l.docs[doc].Content, p.quotes)
		}
		p.reason, _ = l.explain(p.reason)
		l.faults = append(l.faults, Fault{Document: doc, Line: p.line, Reason: p.reason})
	}
}

func (l *loader) explain(reason string) (better string, refuse bool) {
	if l.opts.Explain == nil {
		return reason, false
	}
	return l.opts.Explain(reason)
}

// locate finds the line of a complaint that names none: that of the only scalar
// which it quotes. It returns 0 when there is no such one, or several.
func locate(text string, quotes []string) int {
	root, err := parseNodes(text)
	if err != nil {
		return 0
	}
	for _, q := range quotes {
		if found := scalars(root, q, nil); len(found) == 1 {
			return found[0].Line
		}
	}
	return 0
}

func scalars(n *yaml.Node, value string, found []*yaml.Node) []*yaml.Node {
	if n.Kind == yaml.ScalarNode && n.Value == value {
		return append(found, n)
	}
	for _, child := range n.Content {
		found = scalars(child, value, found)
	}
	return found
}

// setAside records that an entry does not run as written. standing is the text
// that runs in its place, empty for none.
func (l *loader) setAside(doc string, e entry, standing string, problem problem) {
	if problem.line == 0 {
		problem.line = l.written(e.line)
	}
	l.out.SetAside = append(l.out.SetAside, SetAside{
		Document: doc, Name: e.name, Line: problem.line, Reason: problem.reason,
	})
	if _, taken := l.out.Standing[e.key]; e.key != "" && !taken {
		l.out.Standing[e.key] = standing
	}
}

// candidates are the texts that may run in the place of an entry, best first:
// what already stands in its place, or else what the accepted document said.
func (l *loader) candidates(doc string, e entry, split splitter) []string {
	if l.opts.Previous == nil || e.key == "" {
		return nil
	}
	if text, wasAside := l.opts.Previous.Standing[e.key]; wasAside {
		return slices.DeleteFunc([]string{text}, func(t string) bool { return t == "" })
	}
	if text, ok := l.previousEntries(doc, split)[e.key]; ok {
		return []string{text}
	}
	return nil
}

// previousEntries returns the entries of a document as it was accepted.
func (l *loader) previousEntries(doc string, split splitter) map[string]string {
	if found, ok := l.previous[doc]; ok {
		return found
	}
	found := map[string]string{}
	l.previous[doc] = found
	root, err := parseNodes(l.opts.Previous.Documents[doc].Content)
	if err != nil {
		return found
	}
	for _, e := range split(root) {
		text, err := encodeNode(e.node)
		if _, again := found[e.key]; err != nil || again || e.key == "" {
			continue // of entries of one name, the first ran
		}
		found[e.key] = text
	}
	return found
}

// problemOf explains why an entry is wrong. lines lead from the text that was
// tried to the document.
func (l *loader) problemOf(doc string, err error, lines lineMap) problem {
	line, reason := reasonOf(err, l.secretsOf(doc))
	if lines != nil {
		line, reason = lines.origin(line), lines.relocate(reason)
	}
	return problem{line: l.written(line), reason: reason}
}

// written is the line that somebody wrote, of one that is read.
func (l *loader) written(line int) int {
	if l.origin == nil {
		return line
	}
	return l.origin().origin(line)
}
