package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// keepAccepted leaves in a new data directory what a server accepted, documents
// by path, and returns the directory and the state, still open.
func keepAccepted(t *testing.T, source config.Source, paths map[string]string) (dir string, kept *state.State) {
	t.Helper()
	dir = t.TempDir()
	kept, err := state.Open(filepath.Join(dir, "srcprom", "state.db"), state.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, kept.Close()) })
	docs := config.Documents{}
	for name, path := range paths {
		docs[name] = config.Document{Name: name, Provenance: config.Provenance{Source: source, Path: path}}
	}
	require.NoError(t, kept.Accept(&state.Version{Accepted: config.Accepted{Version: 1, Documents: docs}}))
	return dir, kept
}

func TestFindFiles_MissingOnesThatWereAcceptedStay(t *testing.T) {
	here, err := os.Getwd()
	require.NoError(t, err)
	wasThere := map[string]string{config.PrometheusDocument: filepath.Join(here, "prometheus.yml"), config.AlertmanagerDocument: "/am.yml"}
	variable := map[string]string{"ALERTMANAGER_CONFIG_PATH": "/am.yml"}
	for name, c := range map[string]struct {
		source           config.Source
		env              map[string]string
		args             []string
		locked           bool
		wantProm, wantAM string
		warns            bool
	}{
		"from these files":       {source: config.SourceFile, env: variable, wantProm: "prometheus.yml", wantAM: "/am.yml"},
		"variable no longer set": {source: config.SourceFile, wantProm: "prometheus.yml"},
		"pushed":                 {source: config.SourceHTTP, env: variable, warns: true},
		"flags ask for none":     {source: config.SourceFile, env: variable, args: []string{"--config.file=", "--alertmanager.config.file="}},
		"server runs":            {source: config.SourceFile, env: variable, locked: true, warns: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, kept := keepAccepted(t, c.source, wasThere)
			if !c.locked {
				require.NoError(t, kept.Close())
			}
			s := parsed(t, c.env, append(c.args, "--storage.tsdb.path="+dir)...)
			require.Equal(t, c.wantProm, s.server.ConfigFile)
			require.Equal(t, c.wantAM, s.server.AlertmanagerConfigFile)
			require.Equal(t, c.wantAM, s.server.Web.Flags["alertmanager.config.file"])
			require.Equal(t, c.warns, len(s.warnings) > 0, s.warnings)
		})
	}
}

func TestFindFiles_MakesNoState(t *testing.T) {
	dir := t.TempDir()
	parsed(t, nil, "--storage.tsdb.path="+dir)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestFileExists_OnlyWhatIsMissingDoesNot(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.True(t, fileExists(file))
	require.False(t, fileExists(filepath.Join(dir, "missing")))
	require.True(t, fileExists(filepath.Join(file, "below")), "the server is to say that it is no directory")
}
