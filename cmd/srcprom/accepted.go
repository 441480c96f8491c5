package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sourcegraph/srcprom/pkg/config"
	"github.com/sourcegraph/srcprom/pkg/state"
)

// findFiles names the configuration files that no flag names: of those that may
// be meant, the first that is there, or that was there when the configuration was
// accepted. Without the latter a file that has gone would take what it said with
// it, delivery included; named, its accepted version goes on running.
func (s *settings) findFiles(given map[string]bool, env *environment, exists func(string) bool) {
	accepted := sync.OnceValue(func() config.Documents {
		return acceptedDocuments(filepath.Join(s.server.Storage.Dir, "srcprom", "state.db"))
	})
	find := func(document string, paths []string) string {
		i := slices.IndexFunc(paths, func(path string) bool {
			return exists(path) || cameFrom(accepted()[document], path)
		})
		if i < 0 {
			return ""
		}
		return paths[i]
	}
	if !given["config.file"] {
		s.server.ConfigFile = find(config.PrometheusDocument, prometheusFiles)
	}
	if given["alertmanager.config.file"] {
		return
	}
	files := alertmanagerFiles
	named, isNamed := env.defaults["alertmanager.config.file"]
	if isNamed {
		files = append([]string{named}, files...)
	}
	s.server.AlertmanagerConfigFile = find(config.AlertmanagerDocument, files)
	// The old image wrote this file; a volume in its place is empty at first.
	if isNamed && s.server.AlertmanagerConfigFile != named {
		s.warnings = append(s.warnings, fmt.Sprintf("ALERTMANAGER_CONFIG_PATH=%q is ignored: there is no such file", named))
	}
}

// cameFrom says whether the document was read from the file at path.
func cameFrom(doc config.Document, path string) bool {
	absolute, err := filepath.Abs(path)
	return err == nil && doc.Provenance.Source == config.SourceFile && doc.Provenance.Path == absolute
}

// acceptedDocuments are those of the configuration that was last accepted. None
// are known where the state file cannot be read: if it is in the way of the
// server, that says so, and another process may well hold it while this one only
// checks.
func acceptedDocuments(path string) config.Documents {
	// Opening would make the file.
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	kept, err := state.Open(path, state.Options{LeaveDamaged: true}) // the server sets it aside, and says so
	if err != nil {
		return nil
	}
	defer kept.Close() // nothing was written
	accepted, err := kept.Accepted()
	if err != nil || accepted == nil {
		return nil
	}
	return accepted.Documents
}
