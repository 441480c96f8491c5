package siteconfig

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sourcegraph/srcprom/pkg/config"
)

var update = flag.Bool("update", false, "write testdata anew")

// witness remembers what the overlay has made in a config.Load.
type witness struct {
	config.Overlay
	made *config.Overlaid
}

func (w witness) Alertmanager(u config.Underlay) config.Overlaid {
	*w.made = w.Overlay.Alertmanager(u)
	return *w.made
}

// loaded is the outcome of a configuration.
type loaded struct {
	document  string
	text      string // of the alertmanager document
	effective *config.Effective
	err       error
}

const noSite = "\x00none"

// load reads a site configuration and loads it over an operator's document, which may
// be nil.
func load(t testing.TB, opts Options, site string, operator *string) loaded {
	t.Helper()
	var made config.Overlaid
	over := witness{newOverlay(opts), &made}
	docs := config.Documents{}
	var result loaded
	if site != noSite {
		document, err := over.Read(site)
		require.NoError(t, err)
		result.document = document
		docs[config.SiteConfigDocument] = config.Document{
			Name: config.SiteConfigDocument, Content: document, Provenance: config.Provenance{Source: config.SourceSiteConfig},
		}
	}
	if operator != nil {
		docs[config.AlertmanagerDocument] = config.Document{
			Name: config.AlertmanagerDocument, Content: *operator,
			Provenance: config.Provenance{Source: config.SourceFile, Path: "/etc/alertmanager.yml"},
		}
	}
	result.effective, result.err = config.Load(docs, config.LoadOptions{ConfigDir: "/c", AlertmanagerDir: "/a", Overlay: over})
	if made.Root != nil {
		text, err := yaml.Marshal(made.Root)
		require.NoError(t, err)
		result.text = string(text)
	}
	return result
}

// goldenOptions are what a case may set in its options.json.
type goldenOptions struct {
	DocsURL, Version, OpsgenieAPIKey, IncidentIOToken string
	RewrittenFile                                     bool
}

func readGolden(t *testing.T, dir string) (opts Options, site string, operator *string) {
	t.Helper()
	site = noSite
	if text, err := os.ReadFile(filepath.Join(dir, "site.jsonc")); err == nil {
		site = string(text)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "alertmanager.yml")); err == nil {
		operator = new(string)
		*operator = string(text)
	}
	opts = DefaultOptions()
	if text, err := os.ReadFile(filepath.Join(dir, "options.json")); err == nil {
		var given goldenOptions
		require.NoError(t, json.Unmarshal(text, &given))
		if given.DocsURL != "" {
			opts.DocsURL = given.DocsURL
		}
		opts.Version, opts.OpsgenieAPIKey, opts.IncidentIOToken = given.Version, given.OpsgenieAPIKey, given.IncidentIOToken
		opts.RewrittenFile = given.RewrittenFile
	}
	return opts, site, operator
}

// TestTranslate_Golden: each directory of testdata has a site.jsonc, perhaps an
// operator's alertmanager.yml and options.json, and what becomes of them.
func TestTranslate_Golden(t *testing.T) {
	dirs, err := os.ReadDir("testdata")
	require.NoError(t, err)
	for _, entry := range dirs {
		if entry.Name() == "fuzz" {
			continue
		}
		dir := filepath.Join("testdata", entry.Name())
		t.Run(entry.Name(), func(t *testing.T) {
			opts, site, operator := readGolden(t, dir)
			got := load(t, opts, site, operator)
			requireGolden(t, filepath.Join(dir, "problems.txt"), told(got))
			if got.err == nil {
				requireGolden(t, filepath.Join(dir, "want.yml"), got.text)
			}
			if got.document != "" {
				requireGolden(t, filepath.Join(dir, "document.json"), got.document)
			}
		})
	}
}

// told is all that somebody is told: why the document is refused, or else problems,
// and what is set aside.
func told(l loaded) string {
	var out strings.Builder
	if l.err != nil {
		out.WriteString("refused: " + l.err.Error() + "\n")
		return out.String()
	}
	for _, text := range l.effective.Problems {
		out.WriteString(text + "\n")
	}
	for _, aside := range l.effective.SetAside {
		fmt.Fprintf(&out, "set aside: %s line %d: %s\n", aside.Name, aside.Line, aside.Reason)
	}
	return out.String()
}

func requireGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update to write it")
	require.Equal(t, string(want), got, "%s: run the test with -update to write it anew", path)
}
