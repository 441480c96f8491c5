package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	before = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now    = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
)

func write(t *testing.T, dir string, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		path := filepath.Join(dir, pairs[i])
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(pairs[i+1]), 0o600))
	}
}

func mustGather(t *testing.T, prev *Accepted, paths Paths, given Documents) *Merged {
	t.Helper()
	m, err := Gather(prev, paths, given, now)
	require.NoError(t, err)
	return m
}

// keep makes what is kept of a reading.
func keep(m *Merged) *Accepted {
	return &Accepted{Documents: m.Documents, LastRead: m.LastRead}
}

func TestGather_ReadsFilesAndWhatTheirGlobsMatch(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	write(t, dir,
		"prometheus.yml", "rule_files: [rules/*.yml, "+elsewhere+"/*.yml, none/*.yml, ./none/*.yml]\nscrape_config_files: [scrape/a.yml]\n",
		"am/alertmanager.yml", "templates: ['*.tmpl']\n",
		"rules/a.yml", "A", "rules/b.yml", "B", "rules/c.txt", "C",
		"scrape/a.yml", "S", "am/x.tmpl", "T")
	write(t, elsewhere, "d.yml", "D")
	paths := Paths{Prometheus: filepath.Join(dir, "prometheus.yml"), Alertmanager: filepath.Join(dir, "am/alertmanager.yml")}

	m := mustGather(t, nil, paths, nil)
	require.Equal(t, []string{
		"alertmanager", "prometheus", "rules/" + elsewhere + "/d.yml", "rules/rules/a.yml", "rules/rules/b.yml", "scrape/scrape/a.yml", "templates/x.tmpl",
	}, m.Documents.Names())
	require.Equal(t, Document{
		Name: "rules/rules/a.yml", Content: "A",
		Provenance: Provenance{Source: SourceFile, Path: filepath.Join(dir, "rules/a.yml"), At: now},
	}, m.Documents["rules/rules/a.yml"])
	require.Equal(t, []Unmatched{{Document: PrometheusDocument, Setting: "rule_files", Pattern: dir + "/none/*.yml"}}, m.Unmatched, "each once")
	require.Empty(t, m.Warnings)
	require.Len(t, m.LastRead, 7)
	require.Equal(t, m.Documents["prometheus"].Hash(), m.LastRead[paths.Prometheus])
	require.Empty(t, m.SetAside)
}

func TestGather_PatternsOfPushedDocumentsCount(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "r.yml", "R")
	pushed := docs(PrometheusDocument, "rule_files: [r.yml]")

	m := mustGather(t, &Accepted{Documents: pushed}, Paths{ConfigDir: dir}, nil)
	require.Equal(t, []string{"prometheus", "rules/r.yml"}, m.Documents.Names())

	m = mustGather(t, nil, Paths{ConfigDir: dir}, pushed)
	require.Equal(t, []string{"prometheus", "rules/r.yml"}, m.Documents.Names())
}

func TestGather_GivenDocumentsWin(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "prometheus.yml", "# file")
	m := mustGather(t, nil, Paths{Prometheus: filepath.Join(dir, "prometheus.yml")}, docs(PrometheusDocument, "# given"))
	require.Equal(t, "# given", m.Documents[PrometheusDocument].Content)
}

func TestGather_BadPatternIsAFault(t *testing.T) {
	_, err := Gather(nil, Paths{}, docs(PrometheusDocument, "rule_files: ['[']"), now)
	var faults Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, PrometheusDocument, faults[0].Document)
	require.Contains(t, faults[0].Reason, "rule_files has the pattern")
}

func TestGather_FilesThatCannotBeRead(t *testing.T) {
	type file = func(t *testing.T, path string)
	content := func(text string) file {
		return func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	}
	for name, test := range map[string]struct {
		make file
		want string
	}{
		"missing":   {func(*testing.T, string) {}, "no such file"},
		"directory": {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "it is a directory, not a file"},
		"pipe": {
			func(t *testing.T, path string) { require.NoError(t, syscall.Mkfifo(path, 0o600)) },
			"it is not a regular file (p---------)",
		},
		"huge": {func(t *testing.T, path string) {
			content("")(t, path)
			require.NoError(t, os.Truncate(path, 3*MaxDocumentBytes))
		}, "it has 201326592 bytes, more than the 67108864 that a document may have"},
		"NUL":           {content("a\nb\x00"), "line 2 has a NUL byte; it does not look like a text"},
		"invalid UTF-8": {content("a\n\nb\xff"), "line 3 has invalid UTF-8; it does not look like a text"},
		"UTF-16":        {content("\xff\xfea\x00"), "it is UTF-16; save it as UTF-8"},
		"loop":          {func(t *testing.T, path string) { require.NoError(t, os.Symlink(path, path)) }, "too many levels of symbolic links"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "prometheus.yml")
			test.make(t, path)
			want := `read "` + path + `": ` + test.want

			_, err := Gather(nil, Paths{Prometheus: path}, nil, now)
			requireFaults(t, err, Fault{Document: PrometheusDocument, Reason: want})

			have := Document{Name: PrometheusDocument, Content: "# old", Provenance: Provenance{Source: SourceFile, Path: path, At: before}}
			prev := &Accepted{Documents: Documents{have.Name: have}, LastRead: map[string]string{path: have.Hash()}}
			m := mustGather(t, prev, Paths{Prometheus: path}, nil)
			require.Equal(t, have, m.Documents[PrometheusDocument])
			require.Equal(t, []SetAside{{Document: PrometheusDocument, Name: path, Reason: want + "; its accepted version goes on running"}}, m.SetAside)
			require.Equal(t, prev.LastRead, m.LastRead)
		})
	}
}

func TestGather_BadRuleFileLeavesItsNeighboursAlone(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "prometheus.yml", "rule_files: ['*.rules']\nscrape_config_files: ['*.scrape']\n",
		"a.rules", "A", "b.rules", "\x00", "c.rules", "C", "a.scrape", "\xff")
	m := mustGather(t, nil, Paths{Prometheus: filepath.Join(dir, "prometheus.yml")}, nil)
	require.Equal(t, []string{"prometheus", "rules/a.rules", "rules/c.rules"}, m.Documents.Names())
	require.Len(t, m.SetAside, 2)
	require.Equal(t, "rules/b.rules", m.SetAside[0].Document)
	require.Contains(t, m.SetAside[0].Reason, "it has no accepted version")
	require.Equal(t, "scrape/a.scrape", m.SetAside[1].Document)
}

func TestGather_BadTemplateIsAFault(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "alertmanager.yml", "templates: [t]", "t", "\x00")
	_, err := Gather(nil, Paths{Alertmanager: filepath.Join(dir, "alertmanager.yml")}, nil, now)
	var faults Faults
	require.ErrorAs(t, err, &faults)
	require.Equal(t, "templates/t", faults[0].Document)
}

func TestMerge_LastWriterWins(t *testing.T) {
	const path = "/etc/r.yml"
	const name = RulesPrefix + "r.yml"
	doc := func(source Source, content string) Document {
		d := Document{Name: name, Content: content, Provenance: Provenance{Source: source, At: before}}
		if source == SourceFile {
			d.Provenance.Path = path
		}
		return d
	}
	hash := func(content string) string { return Document{Content: content}.Hash() }
	moved := doc(SourceFile, "1")
	moved.Provenance.Path = "/elsewhere/r.yml"
	file := func(content string) []File { return []File{{Document: name, Path: path, Content: content}} }
	unreadable := []File{{Document: name, Path: path, Err: errors.New("unreadable")}}
	missing := Document{}

	for title, test := range map[string]struct {
		have  Document
		read  string // what was last read, "" for nothing
		files []File

		want   string // content, "" for no document
		source Source
		at     time.Time
		warns  int
		aside  int
		last   string // what LastRead says, "" for nothing
	}{
		"new file":                          {have: missing, files: file("1"), want: "1", source: SourceFile, at: now, last: "1"},
		"file as before":                    {have: doc(SourceFile, "1"), read: "1", files: file("1"), want: "1", source: SourceFile, at: before, last: "1"},
		"file changed":                      {have: doc(SourceFile, "1"), read: "1", files: file("2"), want: "2", source: SourceFile, at: now, last: "2"},
		"file moved":                        {have: moved, files: file("1"), want: "1", source: SourceFile, at: now, last: "1"},
		"file gone":                         {have: doc(SourceFile, "1"), read: "1"},
		"pushed, no file":                   {have: doc(SourceHTTP, "p"), want: "p", source: SourceHTTP, at: before},
		"pushed, file as last read":         {have: doc(SourceHTTP, "p"), read: "1", files: file("1"), want: "p", source: SourceHTTP, at: before, warns: 1, last: "1"},
		"pushed, file changed since":        {have: doc(SourceHTTP, "p"), read: "1", files: file("2"), want: "2", source: SourceFile, at: now, last: "2"},
		"pushed, file never read":           {have: doc(SourceGo, "p"), files: file("1"), want: "1", source: SourceFile, at: now, last: "1"},
		"pushed, then no longer a file":     {have: doc(SourceSiteConfig, "p"), read: "1", want: "p", source: SourceSiteConfig, at: before},
		"pushed, file unreadable":           {have: doc(SourceHTTP, "p"), read: "1", files: unreadable, want: "p", source: SourceHTTP, at: before, warns: 1, last: "1"},
		"removed, file as last read":        {have: missing, read: "1", files: file("1"), warns: 1, last: "1"},
		"removed, file changed since":       {have: missing, read: "1", files: file("2"), want: "2", source: SourceFile, at: now, last: "2"},
		"unreadable, accepted":              {have: doc(SourceFile, "1"), read: "1", files: unreadable, want: "1", source: SourceFile, at: before, aside: 1, last: "1"},
		"unreadable, accepted from another": {have: moved, files: unreadable, aside: 1},
		"unreadable, never accepted":        {have: missing, files: unreadable, aside: 1},
	} {
		t.Run(title, func(t *testing.T) {
			prev := &Accepted{Documents: Documents{}, LastRead: map[string]string{}}
			if test.have.Name != "" {
				prev.Documents[name] = test.have
			}
			if test.read != "" {
				prev.LastRead[path] = hash(test.read)
			}
			m, err := Merge(prev, test.files, now)
			require.NoError(t, err)

			got, ok := m.Documents[name]
			require.Equal(t, test.want != "", ok)
			require.Equal(t, test.want, got.Content)
			require.Equal(t, test.source, got.Provenance.Source)
			require.Equal(t, test.at, got.Provenance.At)
			require.Len(t, m.Warnings, test.warns)
			require.Len(t, m.SetAside, test.aside)
			last := map[string]string{}
			if test.last != "" {
				last[path] = hash(test.last)
			}
			require.Equal(t, last, m.LastRead)
		})
	}
}

func TestGatherAccepted_WrongFileRunsAsAccepted(t *testing.T) {
	dir := t.TempDir()
	paths := Paths{Prometheus: filepath.Join(dir, "prometheus.yml")}
	write(t, dir, "prometheus.yml", "rule_files: [r.yml]", "r.yml", "groups: []")
	first := mustGather(t, nil, paths, nil)
	write(t, dir, "prometheus.yml", "rule_files: [", "r.yml", "groups: [] # changed")

	now := mustGather(t, keep(first), paths, nil)
	_, err := Load(now.Documents, LoadOptions{})
	var faults Faults
	require.ErrorAs(t, err, &faults)

	m, err := GatherAccepted(keep(first), paths, nil, before, faults)
	require.NoError(t, err)
	require.Equal(t, "rule_files: [r.yml]", m.Documents[PrometheusDocument].Content)
	require.Equal(t, "groups: [] # changed", m.Documents[RulesPrefix+"r.yml"].Content, "globs are those of the accepted version")
	require.Equal(t, first.LastRead[paths.Prometheus], m.LastRead[paths.Prometheus], "so that it is looked at again")
	require.Equal(t, []SetAside{{
		Document: PrometheusDocument, Name: paths.Prometheus, Line: 1,
		Reason: `"` + paths.Prometheus + `": did not find expected node content; its accepted version goes on running`,
	}}, m.SetAside)
	_, err = Load(m.Documents, LoadOptions{})
	require.NoError(t, err)
}

func TestGatherAccepted_FaultThatNoAcceptedVersionHelpsIsReturned(t *testing.T) {
	dir := t.TempDir()
	paths := Paths{Prometheus: filepath.Join(dir, "prometheus.yml")}
	write(t, dir, "prometheus.yml", "rule_files: [r.yml]", "r.yml", "x: 1")
	fault := Fault{Document: RulesPrefix + "r.yml", Line: 1, Reason: "no"}
	prev := &Accepted{Documents: Documents{}}

	_, err := GatherAccepted(prev, paths, nil, now, Faults{fault})
	requireFaults(t, err, Fault{Document: fault.Document, Line: 1, Reason: `"` + dir + `/r.yml": no`})

	pushed := Fault{Document: AlertmanagerDocument, Reason: "no"}
	_, err = GatherAccepted(prev, paths, docs(AlertmanagerDocument, ""), now, Faults{pushed})
	requireFaults(t, err, pushed)
}

func TestPaths_AbsoluteFillsInDirectories(t *testing.T) {
	here, err := os.Getwd()
	require.NoError(t, err)
	got, err := Paths{Prometheus: "a/p.yml", AlertmanagerDir: "b"}.Absolute()
	require.NoError(t, err)
	require.Equal(t, Paths{Prometheus: here + "/a/p.yml", ConfigDir: here + "/a", AlertmanagerDir: here + "/b"}, got)

	got, err = Paths{}.Absolute()
	require.NoError(t, err)
	require.Equal(t, Paths{ConfigDir: here, AlertmanagerDir: here}, got)
}

func TestChecksum_SeesEveryChange(t *testing.T) {
	dir := t.TempDir()
	paths := Paths{Prometheus: filepath.Join(dir, "p.yml"), Alertmanager: filepath.Join(dir, "a.yml")}
	write(t, dir, "p.yml", "rule_files: ['*.rules']\nscrape_config_files: [s]", "a.yml", "templates: [t]")
	running := mustGather(t, nil, paths, nil).Documents
	seen := map[string]string{}
	check := func(what string) {
		t.Helper()
		sum, err := Checksum(paths, running)
		require.NoError(t, err)
		require.Empty(t, seen[sum], "%s must not look like %s", what, seen[sum])
		seen[sum] = what
		again, err := Checksum(paths, running)
		require.NoError(t, err)
		require.Equal(t, sum, again)
	}
	check("the beginning")
	for _, name := range []string{"x.rules", "s", "t", "a.yml"} {
		write(t, dir, name, "templates: [t] # 1")
		check("new content of " + name)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "s")))
	check("without s")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "y.rules"), 0o700))
	check("an unreadable rule file")
	write(t, dir, "x.rules", "changed beside an unreadable one")
	check("a change beside an unreadable rule file")
	require.NoError(t, os.Remove(paths.Prometheus))
	_, err := Checksum(paths, running)
	require.ErrorContains(t, err, "no such file")
	require.NotErrorIs(t, err, fs.ErrPermission)
}

func TestChecksum_SeesAnExchangedConfigMap(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "..1/p.yml", "rule_files: ['r*.yml']", "..1/r.yml", "1", "..2/p.yml", "rule_files: ['r*.yml']", "..2/r.yml", "2")
	require.NoError(t, os.Symlink("..1", filepath.Join(dir, "..data")))
	for _, name := range []string{"p.yml", "r.yml"} {
		require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	paths := Paths{Prometheus: filepath.Join(dir, "p.yml")}
	m := mustGather(t, nil, paths, nil)
	first, err := Checksum(paths, m.Documents)
	require.NoError(t, err)

	require.NoError(t, os.Symlink("..2", filepath.Join(dir, "..tmp")))
	require.NoError(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	second, err := Checksum(paths, m.Documents)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.Equal(t, "2", mustGather(t, keep(m), paths, nil).Documents["rules/r.yml"].Content)
}

func ptr(s string) *string { return &s }

func TestChange_AppliesToDocuments(t *testing.T) {
	have := docs(PrometheusDocument, "p", RulesPrefix+"a", "a", RulesPrefix+"b", "b", TemplatesPrefix+"t", "t")
	c := Change{
		Documents: map[string]*string{
			PrometheusDocument: nil, AlertmanagerDocument: ptr("am"), RulesPrefix + "a": ptr("a"),
			RulesPrefix + "b": ptr("b2"), RulesPrefix + "absent": nil, RulesPrefix + "/etc/x/y.yml": ptr("y"),
		},
		Provenance: Provenance{Source: SourceGo},
	}
	got, err := c.ApplyTo(have, now)
	require.NoError(t, err)
	require.Equal(t, []string{AlertmanagerDocument, "rules//etc/x/y.yml", "rules/a", "rules/b", "templates/t"}, got.Names())
	require.Equal(t, Document{Name: "rules/b", Content: "b2", Provenance: Provenance{Source: SourceGo, At: now}}, got["rules/b"])
	require.Equal(t, have["rules/a"], got["rules/a"], "what does not change keeps its provenance")
	require.Equal(t, "p", have[PrometheusDocument].Content, "the documents given stay as they are")

	require.Equal(t, []string{"alertmanager: added", "prometheus: removed", "rules//etc/x/y.yml: added", "rules/b: changed"}, Diff(have, got))
	require.Empty(t, Diff(have, have))
	require.Equal(t, []string{"alertmanager: added"}, Diff(nil, docs(AlertmanagerDocument, "")))

	got, err = Change{}.ApplyTo(nil, now)
	require.NoError(t, err)
	require.Equal(t, Documents{}, got)
}

// A roll back may have left a document that nobody could push.
func TestChange_RemovesWhatIsThereWhateverItsName(t *testing.T) {
	got, err := Change{Documents: map[string]*string{ScrapePrefix + "a.yml": nil}}.ApplyTo(docs(ScrapePrefix+"a.yml", "a"), now)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestChange_RefusesWhatIsNoDocument(t *testing.T) {
	for name, reason := range map[string]string{
		"prometheus.yml":       "there is no document of this name: it must be prometheus, alertmanager, rules/<name> or templates/<name>",
		"":                     "there is no document of this name",
		"scrape/a":             "there is no document of this name",
		"rules/":               "the name ends after",
		"rules/../a":           `the name must not contain a ".."`,
		"templates/a/..":       `the name must not contain a ".."`,
		"rules/a\n":            "the name must not contain control characters",
		"rules/\xff":           "the name is not UTF-8",
		RulesPrefix + longName: "the name has 2006 bytes, more than 1024",
	} {
		_, err := Change{Documents: map[string]*string{name: ptr("")}}.ApplyTo(nil, now)
		var faults Faults
		require.ErrorAs(t, err, &faults, name)
		require.Contains(t, faults[0].Reason, reason, name)
	}
	huge := strings.Repeat("a", MaxDocumentBytes+1)
	for content, reason := range map[string]string{
		"\x00": "line 1 has a NUL byte",
		"\xff": "line 1 has invalid UTF-8",
		huge:   "it has 67108865 bytes, more than the 67108864 that a document may have",
	} {
		_, err := Change{Documents: map[string]*string{PrometheusDocument: ptr(content)}}.ApplyTo(nil, now)
		require.ErrorContains(t, err, reason)
	}
}

var longName = strings.Repeat("a", 2000)
